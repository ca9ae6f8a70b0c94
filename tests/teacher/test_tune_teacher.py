"""`leaf-edge tune-teacher` on tiny checkpoints: the loss falls, runs go on, and the result labels."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.contract import LEVELS
from leaf_edge.datasets.rated import open_rated
from leaf_edge.teacher.interface import Picture
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment

torch = pytest.importorskip("torch", reason="needs leaf-edge[train]")
pytest.importorskip("transformers", reason="needs leaf-edge[train]")
pytest.importorskip("peft", reason="needs leaf-edge[train]")

import tiny_vlms  # noqa: E402

from leaf_edge.teacher.ingest import ingest  # noqa: E402
from leaf_edge.teacher.lora import lora_targets  # noqa: E402
from leaf_edge.teacher.store import LabelStore  # noqa: E402
from leaf_edge.teacher.transformers_vlm import TransformersTeacher  # noqa: E402
from leaf_edge.teacher.tuning import tune  # noqa: E402
from leaf_edge.teacher.tuning_config import TuneConfig, TuningError  # noqa: E402
from leaf_edge.teacher.tuning_data import Fact, Material, from_ratings, from_store, nearest_level  # noqa: E402
from leaf_edge.teacher.vlm_load import load_checkpoint  # noqa: E402

CONFIG = TuneConfig(
    epochs=12, lr=0.01, warmup=2, batch=3, accumulate=2, rank=8, precision="fp32", wordings=1, save_every=4
)
MOS = {"black.png": 1.2, "red.png": 1.9, "green.png": 3.1, "blue.png": 4.2, "white.png": 4.9}
COLOURS = [(10, 10, 10), (20, 20, 220), (20, 220, 20), (220, 20, 20), (230, 230, 230)]  # blue, green, red


def read(path: Path) -> Picture:
    return Picture("0" * 64, np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]))


@pytest.fixture(scope="session")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of five pictures of different colours."""
    folder = tmp_path_factory.mktemp("rated")
    for at, name in enumerate(MOS):
        noise = np.random.default_rng(at).integers(0, 20, (32, 40, 3))
        cv2.imwrite(str(folder / name), (np.asarray(COLOURS[at]) + noise).astype(np.uint8))
    with (folder / "ratings.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "mos"), *MOS.items()])
    return folder / "ratings.csv"


@pytest.fixture(scope="session")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vlms.save_llava(tmp_path_factory.mktemp("base") / "llava", hidden=64)


@pytest.fixture(scope="session")
def material(rated: Path) -> Material:
    return from_ratings(open_rated(rated).samples)


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory, llava: Path, material: Material) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    tune(str(llava), material, folder, CONFIG)
    return folder


def right(teacher: TransformersTeacher, rated: Path) -> float:
    """Mean probability of the right level over the training pictures."""
    judged = teacher.points([read(rated.parent / name) for name in MOS])
    shares = []
    for judgment, mos in zip(judged, MOS.values(), strict=True):
        assert isinstance(judgment, PointJudgment)
        shares.append(judgment.levels[LEVELS.index(nearest_level(mos))])
    return float(np.mean(shares))


def entries(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_ratings_become_nearest_levels_and_pairs_in_both_orders(rated: Path, material: Material) -> None:
    points = [fact for fact in material.facts if len(fact.shown) == 1]
    assert [fact.answer for fact in points] == ["bad", "poor", "fair", "good", "excellent"]
    pairs = [fact for fact in material.facts if len(fact.shown) == 2]
    assert len(pairs) == 2 * len(MOS)
    for fact in pairs:
        a, b = (MOS[Path(key).name] for key in fact.shown)
        assert fact.answer == ("first" if a > b else "second") and abs(a - b) >= 0.5
        opposite = Fact(fact.shown[::-1], "second" if fact.answer == "first" else "first")
        assert opposite in pairs
    assert material.open(points[0].shown[0]).shape == (32, 40, 3)
    assert not from_ratings(open_rated(rated).samples, pairs_per_picture=0).facts[5:]
    assert len(from_ratings(open_rated(rated).samples, gap=3.9).facts) == 5


def test_the_loss_falls_and_the_tuned_teacher_knows_its_training_pictures(
    tuned: Path, llava: Path, rated: Path
) -> None:
    log = entries(tuned)
    assert len(log) == 12 * 3 and [entry["step"] for entry in log] == list(range(1, 37))
    first, last = (float(np.mean([entry["loss"] for entry in part])) for part in (log[:3], log[-3:]))
    assert last < 0.3 * first
    options = {"dtype": "float32", "wordings": 1}
    before = right(TransformersTeacher.from_options({"model": str(llava), **options}), rated)
    merged = TransformersTeacher.from_options({"model": str(tuned / "merged"), **options})
    after = right(merged, rated)
    assert after > before + 0.3
    pair = merged.pairs([(read(rated.parent / "white.png"), read(rated.parent / "black.png"))])[0]
    assert isinstance(pair, PairJudgment) and pair.preference > 0.5


def test_the_adapter_alone_judges_as_the_merged_checkpoint(tuned: Path, rated: Path) -> None:
    pictures = [read(rated.parent / name) for name in MOS]
    both = [
        TransformersTeacher(str(tuned / name), dtype="float32", wordings=1) for name in ("adapter", "merged")
    ]
    for a, b in zip(*(teacher.points(pictures) for teacher in both), strict=True):
        assert isinstance(a, PointJudgment) and isinstance(b, PointJudgment)
        np.testing.assert_allclose(a.levels, b.levels, atol=1e-4)


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(
    tmp_path: Path, tuned: Path, llava: Path, material: Material
) -> None:
    folder = tmp_path / "stopped"

    def stop(step: object) -> None:
        if getattr(step, "step", 0) == 14:  # two steps after a saved state
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(str(llava), material, folder, CONFIG, stop)
    assert not (folder / "merged").exists()
    with (folder / "log.jsonl").open("a") as log:
        log.write('{"step": 15, "lo')  # as a kill leaves it
    seen: list[int] = []
    tune(str(llava), material, folder, CONFIG, lambda step: seen.append(step.step))
    assert seen == list(range(13, 37))
    whole, gone_on = (entries(run) for run in (tuned, folder))
    assert [e["loss"] for e in whole] == [e["loss"] for e in gone_on]
    weights = [load_checkpoint(str(run / "merged"), "float32").model.state_dict() for run in (tuned, folder)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    again = tune(str(llava), material, folder, CONFIG, lambda step: pytest.fail("a step of a finished run"))
    assert len(again.losses) == 36


def test_a_folder_of_another_run_is_refused_with_what_differs(
    tuned: Path, llava: Path, material: Material
) -> None:
    with pytest.raises(TuningError, match=r"another run \(lr 0.01 then, 0.02 now\); give another output"):
        tune(str(llava), material, tuned, dataclasses.replace(CONFIG, lr=0.02))
    with pytest.raises(TuningError, match=r"facts .* then"):
        tune(str(llava), dataclasses.replace(material, facts=material.facts[1:]), tuned, CONFIG)
    with pytest.raises(TuningError, match="is an adapter; give a whole checkpoint"):
        tune(str(tuned / "adapter"), material, tuned.parent / "other", CONFIG)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "smolvlm", "internvl"])
def test_other_families_are_tuned_in_their_language_model_and_load_again(
    family: str, tmp_path: Path, material: Material, rated: Path
) -> None:
    base = tiny_vlms.FAMILIES[family](tmp_path / "base", split=family == "qwen2_5_vl")
    config = dataclasses.replace(CONFIG, epochs=2, gradient_checkpointing=family == "internvl")
    result = tune(str(base), material, tmp_path / "run", config)
    assert result.losses[-1] < result.losses[0]
    before, after = (load_checkpoint(str(path), "float32").model for path in (base, result.merged))
    targets = lora_targets(before)
    assert len(targets) == 2 * 7 and not any("vis" in name for name in targets)
    old, new = before.state_dict(), after.state_dict()
    changed = {name.removesuffix(".weight") for name in old if not torch.equal(old[name], new[name])}
    assert changed == set(targets)
    assert 0 < right(TransformersTeacher(str(result.merged), dtype="float32"), rated) < 1


def test_labels_of_a_store_become_questions_where_they_are_reliable(
    tmp_path: Path, rated: Path, llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.sqlite"
    with LabelStore(path) as store:
        ingest(store, [str(rated.parent)])
        keys = {Path(row.source).name: row.sha256 for row in store.pictures()}
        sure = (0.9, 0.1, 0.0, 0.0, 0.0)
        store.put_points(
            "t",
            "1",
            [
                (keys["white.png"], PointJudgment(sure, 0.8)),
                (keys["green.png"], PointJudgment((0.2,) * 5, 0.0)),
            ],
        )
        pair = PairJudgment(0.2, 0.1, 0.6)
        store.put_pairs("t", "1", [(keys["black.png"], keys["blue.png"], pair)])
    material = from_store(path)
    black, blue = keys["black.png"], keys["blue.png"]
    assert set(material.facts) == {
        Fact((keys["white.png"],), "excellent"),
        Fact((black, blue), "second"),
        Fact((blue, black), "first"),
    }
    assert material.open(black).mean() < 50
    with pytest.raises(ValueError, match=r"no label of x has a reliability of 0\.3"):
        from_store(path, teacher="x")
    run = ["tune-teacher", str(llava), "--store", str(path), "--output", str(tmp_path / "run"), "--json"]
    assert main([*run, "--epochs", "2", "--precision", "bf16"]) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert (report["questions"], report["steps"]) == (3, 2)
    teacher = TransformersTeacher(report["merged"])
    assert isinstance(teacher.points([read(rated.parent / "green.png")])[0], PointJudgment)


def test_the_command_leaves_out_what_it_cannot_read_and_says_so(
    tmp_path: Path, rated: Path, llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((10, 10, 3), np.uint8))
    (tmp_path / "cut.png").write_bytes((rated.parent / "black.png").read_bytes()[:200])
    (tmp_path / "good.png").write_bytes((rated.parent / "blue.png").read_bytes())
    table = tmp_path / "r.csv"
    table.write_text("file,mos\nsmall.png,2\ncut.png,3\ngood.png,4\n")
    run = ["tune-teacher", str(llava), "--data", str(table), "--output", str(tmp_path / "run")]
    assert main([*run, "--epochs", "1"]) == ExitCode.SKIPPED
    out, err = capsys.readouterr()
    assert "1 questions, 1 steps" in out and f"option model={tmp_path / 'run' / 'merged'}" in out
    assert "small.png: the picture has 10x10 pixels" in err and "cut.png" in err
    table.write_text("file,mos\nsmall.png,2\n")
    assert main([*run, "--epochs", "1"]) == ExitCode.USAGE
    assert "no rated picture can be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--lr", "fast"], ExitCode.USAGE, "--lr is 'fast'; expected a number"),
        (["--precision", "int8"], ExitCode.USAGE, "expected bf16 or fp32"),
        (["--epochs", "0"], ExitCode.USAGE, "expected 1 or more epochs"),
        (["--wordings", "7"], ExitCode.USAGE, "wordings is 7; expected 1 to 3"),
        (["--data", "nowhere.csv"], ExitCode.INPUT, "nowhere.csv not found"),
        (
            ["--lr", "1e30", "--clip", "1e30", "--warmup", "0"],
            ExitCode.INPUT,
            "the loss is not finite at step",
        ),
    ],
)
def test_wrong_options_are_one_line_and_an_exit_code(
    options: list[str],
    code: ExitCode,
    message: str,
    tmp_path: Path,
    rated: Path,
    llava: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = [] if "--data" in options else ["--data", str(rated)]
    arguments = ["tune-teacher", str(llava), *data, "--output", str(tmp_path / "o"), "--precision", "fp32"]
    assert main([*arguments, *options]) == code
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err
