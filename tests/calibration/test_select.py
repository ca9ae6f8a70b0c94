"""Which strategy n ratings carry: real networks, small ones, on pictures made here."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from leaf_edge.bundle import Curve, Interval  # noqa: E402
from leaf_edge.calibration import CalibrationError  # noqa: E402
from leaf_edge.calibration import finetune as tuning  # noqa: E402
from leaf_edge.calibration.interval import fit_interval, half_widths  # noqa: E402
from leaf_edge.calibration.judge import Candidate, grouped_folds, judge  # noqa: E402
from leaf_edge.calibration.select import CalibrateOptions, calibrate_student  # noqa: E402
from leaf_edge.calibration.whole import WholeSettings, finetune_whole, unfit  # noqa: E402
from leaf_edge.cli.main import main  # noqa: E402
from leaf_edge.student.network import Student, StudentConfig, load_checkpoint, save_checkpoint  # noqa: E402


@dataclass(frozen=True)
class Rated:
    path: Path
    mos: float
    subset: str
    group: str


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, float, float]]:
    """100 pictures with their brightness and the strength of their texture, both 0..1 and independent."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    found = []
    for i in range(100):
        light, texture = rng.uniform(0, 1, 2)
        grain = rng.normal(0, 4 + 50 * texture, (64, 72, 3))
        path = folder / f"{i:03}.png"
        cv2.imwrite(str(path), np.clip(70 + 120 * light + grain, 0, 255).astype(np.uint8))
        found.append((path, float(light), float(texture)))
    return found


@pytest.fixture(scope="module")
def student(pictures: list[tuple[Path, float, float]]) -> Student:
    """A network whose quality is the brightness, as far as its random features tell it."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    new = Student(StudentConfig(0.25, 2, 48, 32)).eval()
    views = tuning.features_of(new, [p for p, _, _ in pictures])
    scale = float(np.abs(views).mean())
    with torch.no_grad():
        new.joint.weight.mul_(1 / max(scale, 1e-6))
        joint = new.join(torch.from_numpy(views)).features.double().numpy()
        design = np.hstack([joint, np.ones((len(joint), 1))])
        light = np.array([v for _, v, _ in pictures])
        weight = np.linalg.solve(design.T @ design + 1e-2 * np.eye(design.shape[1]), design.T @ light)
        new.mos.weight.copy_(torch.from_numpy(weight[None, :-1]).float())
        new.mos.bias.fill_(float(weight[-1]))
    return new


def rated(pictures, light: float, texture: float, n: int, noise: float = 0.1) -> list[Rated]:
    """Ratings that rise with brightness and with texture, by so much each."""
    rng = np.random.default_rng(9)
    return [
        Rated(
            p,
            float(np.clip(1.4 + 3.2 * (light * a + texture * b) + rng.normal(0, noise), 1, 5)),
            "ab"[i % 2],
            str(i),
        )
        for i, (p, a, b) in enumerate(pictures[:n])
    ]


OPTIONS = CalibrateOptions(chains=4, head_steps=60, folds=3)


def test_the_head_is_fitted_where_the_score_misses_what_people_see(student, pictures, tmp_path) -> None:
    samples = rated(pictures, 0.3, 0.7, 100)
    result = calibrate_student(student, samples, tmp_path, OPTIONS)
    rows = {row.name: row for row in result.verdicts[0].rows}
    assert result.strategy.startswith("head"), result.why
    errors = {name: float(np.sqrt(row.squared.mean())) for name, row in rows.items()}
    assert errors[result.strategy] < 0.75 * errors["map"]
    mos = np.array([s.mos for s in samples])
    raw, spread = tuning.outputs(
        result.student, tuning.features_of(result.student, [s.path for s in samples])
    )
    before = tuning.outputs(student, tuning.features_of(student, [s.path for s in samples]))[0]
    assert np.corrcoef(result.curve(raw), mos)[0, 1] > np.corrcoef(before, mos)[0, 1] + 0.1
    assert (spread > 0).all() and "simple" in result.why and "map 0." in result.why
    # its intervals are as wide as those that were checked on held-out folds, whatever the unit of its spread
    chosen = result.chosen
    folds = fit_interval(chosen.mos, chosen.spread, mos)
    assert half_widths(result.interval, spread).mean() == pytest.approx(
        half_widths(folds, chosen.spread).mean(), rel=0.02
    )
    # only the layers behind the backbone have moved
    for (name, p), q in zip(result.student.named_parameters(), student.parameters(), strict=True):
        assert name.split(".")[0] in tuning.HEADS or torch.equal(p, q)
    # a second run, now from the cache, is the same to the bit
    again = calibrate_student(student, samples, tmp_path, OPTIONS)
    assert again.curve == result.curve and again.interval == result.interval
    report = json.dumps(result.to_json(OPTIONS))
    told = json.loads(report)
    assert told["coverage"][0]["frames"] == 100 and [r["subset"] for r in told["coverage"]] == [
        "all",
        "a",
        "b",
    ]
    assert Interval(**told["interval"]) == result.interval
    assert Curve(tuple(told["curve"]["raw"]), tuple(told["curve"]["mos"])) == result.curve


@pytest.mark.parametrize("n", [10, 60])
def test_the_map_is_enough_where_the_score_sees_it_all(student, pictures, tmp_path, n: int) -> None:
    result = calibrate_student(student, rated(pictures, 1.0, 0.0, n, 0.3), tmp_path, OPTIONS)
    assert result.strategy == "map" and result.student is student
    assert n > 10 or result.chosen.shapes.shape == "line"


def test_a_strategy_that_goes_blind_to_faults_is_left_out(student, pictures, tmp_path, monkeypatch) -> None:
    samples = rated(pictures, 0.3, 0.7, 60)
    shares = iter([0.9] + [0.5] * 100)
    monkeypatch.setattr("leaf_edge.calibration.strategies.ordered", lambda student, chains: next(shares))
    result = calibrate_student(student, samples, tmp_path, OPTIONS)
    assert result.strategy == "map" and "left out: it puts in order 50.0%" in result.why


def test_whole_fine_tune_learns_keeps_its_anchor_and_goes_on(student, pictures, tmp_path) -> None:
    samples = rated(pictures, 0.5, 0.5, 24)
    settings = WholeSettings(
        steps=6, rated=8, chains=1, warmup=1, frozen_blocks=2, lr=1e-3, head_lr=1e-3, ema=0.5
    )
    whole = finetune_whole(student, samples, settings, tmp_path / "a")

    class Stop(Exception):
        pass

    def stop(step: int) -> None:
        if step == 4:
            raise Stop

    import leaf_edge.calibration.whole as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SAVE_EVERY", 2)
        with pytest.raises(Stop):
            finetune_whole(student, samples, settings, tmp_path / "b", told=stop)
    steps: list[int] = []
    resumed = finetune_whole(student, samples, settings, tmp_path / "b", told=steps.append)
    assert steps == [5, 6]
    for p, q in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(p, q)
    moved = [
        name
        for (name, p), q in zip(whole.named_parameters(), student.parameters(), strict=True)
        if not torch.equal(p, q)
    ]
    assert any(name.startswith("blocks") for name in moved) and any(name.startswith("mos") for name in moved)


def test_the_anchor_of_a_whole_fine_tune_keeps_it_near_its_start(student, pictures, tmp_path) -> None:
    samples = rated(pictures, 0.5, 0.5, 24)
    paths = [s.path for s in samples]
    start = tuning.outputs(student, tuning.features_of(student, paths))[0]

    def distance(seed: int, anchor: float) -> float:
        settings = WholeSettings(
            steps=20, rated=8, chains=1, frozen_blocks=2, lr=1e-3, ema=0.5, seed=seed, anchor=anchor
        )
        moved = finetune_whole(student, samples, settings, tmp_path / f"{seed}-{anchor}")
        return float(np.abs(tuning.outputs(moved, tuning.features_of(moved, paths))[0] - start).mean())

    # the way of one run is a matter of luck, so it takes a few
    assert sum(distance(seed, 50.0) for seed in (1, 2)) < sum(distance(seed, 0.0) for seed in (1, 2))


def test_whole_is_judged_on_a_fold_it_has_not_seen(student, pictures, tmp_path) -> None:
    samples = rated(pictures, 0.5, 0.5, 100)
    settings = WholeSettings(steps=3, rated=8, chains=1, warmup=1, frozen_blocks=2)
    options = replace(OPTIONS, strategies=("map", "whole"), whole=settings)
    result = calibrate_student(student, samples, tmp_path, options)
    assert [row.name for row in result.verdicts[1].rows] == ["map", "whole"]
    assert 33 <= len(result.verdicts[1].rows[0].raw) <= 34
    told = result.to_json(options)["options"]["whole"]
    assert told["steps"] == 3 and told["lr"] == 5e-5 and told["anchor"] == 0.3  # what it ran with
    few = calibrate_student(student, samples[:40], tmp_path, options)
    assert few.strategy == "map" and "40 labels; it takes 100" in few.why
    assert unfit([replace(s, mos=2.0) for s in samples], settings).startswith("no picture is rated")


def test_the_whole_fine_tune_goes_further_with_more_ratings() -> None:
    few, some, many = (WholeSettings().for_ratings(n) for n in (100, 500, 4250))
    assert few == some and (few.steps, few.lr, few.ema, few.anchor) == (300, 5e-5, 0.98, 0.3)
    assert many.steps == 1329 and many.lr == pytest.approx(5e-5 * 8.5**0.5) and many.head_lr == 4 * many.lr
    assert many.anchor == pytest.approx(0.3 * 500 / 4250)
    assert (1 - many.ema) * many.steps == pytest.approx(6)  # averages the same share of the run
    assert WholeSettings().for_ratings(10**6).lr == 2e-4
    given = WholeSettings(steps=7, lr=1e-3, head_lr=2e-3, ema=0.9, anchor=0.0).for_ratings(4250)
    assert (given.steps, given.lr, given.head_lr, given.ema, given.anchor) == (7, 1e-3, 2e-3, 0.9, 0.0)
    with pytest.raises(ValueError, match="out of range"):
        WholeSettings(steps=0)


def test_judging_takes_the_simplest_that_is_not_told_from_the_best() -> None:
    rng = np.random.default_rng(0)
    mos = rng.uniform(1.5, 4.5, 80)
    folds = grouped_folds([str(i // 2) for i in range(80)], 5, 1)
    assert sorted(np.concatenate(folds).tolist()) == list(range(80))
    assert all((f // 2 == g // 2).sum() in (0, 2) for fold in folds for f in [fold] for g in fold)

    def candidate(name: str, noise: float, note: str = "") -> Candidate:
        return Candidate(name, (mos - 1) / 4 + rng.normal(0, noise, 80), np.full(80, 0.1), note)

    alike = judge([candidate("a", 0.1), candidate("b", 0.099)], mos, folds)
    assert alike.chosen.name == "a"
    better = judge([candidate("a", 0.2), candidate("b", 0.05)], mos, folds)
    assert better.chosen.name == "b" and "least held-out error" in better.why
    banned = judge([candidate("a", 0.2), candidate("b", 0.05, "blind")], mos, folds)
    assert banned.chosen.name == "a" and "b is left out: blind" in banned.why
    falling = Candidate("a", -mos, np.full(80, 0.1))
    with pytest.raises(CalibrationError, match="fall as MOS rises"):
        judge([falling], mos, folds)
    with pytest.raises(CalibrationError, match="one group"):
        grouped_folds(["x"] * 30, 5, 1)


def write_list(samples: list[Rated], folder: Path) -> Path:
    listing = folder / "ratings.csv"
    listing.write_text("file,mos\n" + "\n".join(f"{s.path},{s.mos:.3f}" for s in samples) + "\n")
    return listing


def test_command(student, pictures, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(tmp_path / "in.pt", student)
    listing = write_list(rated(pictures, 1.0, 0.0, 40, 0.3), pictures[0][0].parent)
    base = ["calibrate", str(tmp_path / "in.pt"), "--data", str(listing), "--output", str(tmp_path / "run")]
    assert main([*base, "--labels", "25", "--strategy", "map", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "run" / "calibration.json").read_text())
    assert told["labels"] == 25 and told["strategy"] == "map" and len(told["pictures"]) == 25
    assert len(told["shapes"]) == 4 and told["interval"]["spread_cap"] > 0
    written = load_checkpoint(tmp_path / "run" / "student.pt")
    for p, q in zip(written.parameters(), student.parameters(), strict=True):
        assert torch.equal(p, q)
    assert main([*base, "--strategy", "map"]) == 0
    assert "40 ratings" in capsys.readouterr().out
    for more, status, text in (
        (["--labels", "9"], 7, "at least 10 labels; found 9"),
        (["--labels", "400"], 4, "has 40 ratings"),
        (["--store", "x"], 2, "give --whole too"),
        (["--coverage", "2"], 2, "out of range"),
        (["--check", "5"], 4, "no other side"),
        (["--strategy", "whole"], 7, "it takes 100"),
    ):
        assert main([*base, *more]) == status
        assert text in capsys.readouterr().err
    (tmp_path / "bad.pt").write_bytes(b"no checkpoint")
    assert main(["calibrate", str(tmp_path / "bad.pt"), *base[2:]]) == 4
