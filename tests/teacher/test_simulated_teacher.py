"""The simulated teacher: as good as it is told to be, the same each time, and its reliabilities as stated."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from leaf_edge.ranks import ranks, spearman
from leaf_edge.teacher.interface import Failure, Picture, Teacher
from leaf_edge.teacher.judgment import Floats, PairJudgment, PointJudgment
from leaf_edge.teacher.picture_features import picture_features
from leaf_edge.teacher.registry import make_teacher
from leaf_edge.teacher.simulated import (
    SimulatedTeacher,
    SimulationConfig,
    positions,
    simulate,
    simulate_pairs,
)
from leaf_edge.teacher.simulated_table import read_table
from leaf_edge.teacher.simulation import fit

N = 1500
RNG = np.random.default_rng(8)
MOS = np.clip(np.round(RNG.beta(5, 2, N) * 4 + 1, 2), 1, 5)
FEATURES = RNG.normal(0.4, 0.15, (N, 3))


def pairs_of(count: int, seed: int = 1) -> np.ndarray[Any, Any]:
    pairs = np.random.default_rng(seed).integers(0, N, (count, 2))
    return np.asarray(pairs[MOS[pairs[:, 0]] != MOS[pairs[:, 1]]])


@pytest.mark.parametrize("srcc", [0.4, 0.8, 0.95])
@pytest.mark.parametrize("seed", [0, 5])
def test_expectations_reach_the_rank_correlation_that_was_asked_for(srcc: float, seed: int) -> None:
    labels = simulate(MOS, FEATURES, SimulationConfig(seed=seed, srcc=srcc))
    assert spearman(labels.expectation, MOS) == pytest.approx(srcc, abs=0.002)
    assert labels.levels.shape == (N, 5)
    assert np.allclose(labels.levels.sum(axis=1), 1) and labels.levels.min() >= 0
    assert np.allclose(labels.levels @ [5, 4, 3, 2, 1], labels.expectation)


def test_own_rank_correlation_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    a, b = np.round(FEATURES[:, 0], 1), np.round(MOS)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert np.array_equal(ranks(a), stats.rankdata(a) - 1)
    assert np.isnan(spearman(np.ones(5), np.arange(5)))


def test_labels_depend_on_seed_and_picture_alone() -> None:
    config = SimulationConfig(seed=3)
    simulator = fit(MOS, FEATURES, positions(N), config)
    whole = simulate(MOS, FEATURES, config)
    some = RNG.permutation(N)[:40]
    part = simulator.points(MOS[some], FEATURES[some], positions(N)[some])
    assert all(np.array_equal(a[some], b) for a, b in zip(whole, part, strict=True))
    other = simulate(MOS, FEATURES, SimulationConfig(seed=4))
    assert abs(spearman(whole.expectation - MOS, other.expectation - MOS)) < 0.6


def _errors(labels: Any) -> Floats:
    """Error in rank, which no warp touches."""
    error: Floats = np.abs(ranks(labels.expectation) - ranks(MOS))
    return error


def test_honest_reliabilities_foretell_the_error_and_shuffled_ones_do_not() -> None:
    honest = simulate(MOS, FEATURES, SimulationConfig(bias_share=0.2))
    shuffled = simulate(MOS, FEATURES, SimulationConfig(bias_share=0.2, honest=False))
    assert np.array_equal(honest.levels, shuffled.levels)
    assert spearman(honest.reliability, _errors(honest)) < -0.25
    assert abs(spearman(shuffled.reliability, _errors(shuffled))) < 0.08
    steps = np.linspace(0, 1, 201)
    below = [np.searchsorted(np.sort(s.reliability), steps) / N for s in (honest, shuffled)]
    assert np.abs(below[0] - below[1]).max() < 0.06  # Kolmogorov and Smirnov, 1 %


def test_bias_is_systematic_and_noise_is_not() -> None:
    # the same pictures under new identities: what stays is bias
    def repeated(share: float) -> float:
        simulator = fit(MOS, FEATURES, positions(N), SimulationConfig(bias_share=share))
        first, second = (
            simulator.points(np.full(N, 3.0), FEATURES, positions(N) + np.uint64(shift)) for shift in (0, N)
        )
        return spearman(first.expectation, second.expectation)

    assert repeated(1.0) > 0.999
    assert 0.35 < repeated(0.5) < 0.7
    assert abs(repeated(0.0)) < 0.08


def test_without_error_the_order_is_that_of_people_whatever_the_warp() -> None:
    for warp in (0.4, 1.0, 2.5):
        simulator = fit(MOS, FEATURES, positions(N), SimulationConfig(srcc=0.9, warp=warp))
        flawless = type(simulator)(simulator.config, 0.0, *list(vars(simulator).values())[2:])
        assert spearman(flawless.points(MOS, FEATURES, positions(N)).expectation, MOS) > 0.9999


def test_pairs_prefer_the_better_picture_and_the_one_shown_first() -> None:
    index = pairs_of(8000)
    labels = simulate_pairs(MOS, FEATURES, index, SimulationConfig(position=0.3))
    preference = (labels.forward + labels.backward) / 2
    right = (preference > 0.5) == (MOS[index[:, 0]] > MOS[index[:, 1]])
    assert 0.7 < right.mean() < 0.9
    assert (labels.forward > labels.backward).all()
    fair = simulate_pairs(MOS, FEATURES, index, SimulationConfig(position=0))
    assert np.array_equal(fair.forward, fair.backward)


@pytest.mark.parametrize("honest", [True, False])
def test_a_pair_asked_the_other_way_round_is_the_same_pair(honest: bool) -> None:
    index = pairs_of(500)
    config = SimulationConfig(honest=honest)
    there, back = (simulate_pairs(MOS, FEATURES, i, config) for i in (index, index[:, ::-1]))
    assert np.allclose(back.forward, 1 - there.backward)
    assert np.allclose(back.backward, 1 - there.forward)
    assert np.allclose(back.reliability, there.reliability)


def test_pair_reliability_foretells_right_answers_only_when_honest() -> None:
    index = pairs_of(12000)

    def gain(honest: bool) -> float:
        labels = simulate_pairs(MOS, FEATURES, index, SimulationConfig(honest=honest))
        right = (labels.forward + labels.backward > 1) == (MOS[index[:, 0]] > MOS[index[:, 1]])
        believed = labels.reliability > np.median(labels.reliability)
        return float(right[believed].mean() - right[~believed].mean())

    assert gain(True) > 0.15
    assert abs(gain(False)) < 0.03


def test_pairs_know_something_that_points_do_not() -> None:
    index = pairs_of(20000)

    def accuracies(sharing: float) -> tuple[float, float]:
        config = SimulationConfig(bias_share=0.0, pair_sharing=sharing, srcc=0.7)
        point = simulate(MOS, FEATURES, config).expectation
        pair = simulate_pairs(MOS, FEATURES, index, config)
        truth = np.sign(MOS[index[:, 0]] - MOS[index[:, 1]])
        by_point = point[index[:, 0]] - point[index[:, 1]]
        by_pair = pair.forward + pair.backward - 1
        both = by_point / by_point.std() + by_pair / by_pair.std()
        return float((np.sign(by_point) == truth).mean()), float((np.sign(both) == truth).mean())

    alone, together = accuracies(0.5)
    assert together > alone + 0.01
    alone, together = accuracies(1.0)
    assert abs(together - alone) < 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"srcc": 1.0}, "srcc is 1.0"),
        ({"bias_share": -0.1}, "bias_share is -0.1"),
        ({"deviation": float("nan")}, "deviation is nan"),
        ({"noise_spread": 2.5}, "noise_spread is 2.5"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_wrong_parameters_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimulationConfig(**change)


@pytest.mark.parametrize(
    ("mos", "features", "message"),
    [
        (MOS[:5], FEATURES[:5], "10 pictures or more"),
        (MOS, FEATURES[:20], "10 pictures or more"),
        (MOS + 3, FEATURES, "MOS of 1 to 5"),
        (np.full(N, 3.0), FEATURES, "all MOS are alike"),
        (MOS, np.zeros((N, 2)), "same features"),
    ],
)
def test_wrong_tables_are_refused(mos: Floats, features: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(mos, features, SimulationConfig())


# ------------------------------------------------------------------ the teacher over files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 small pictures, their MOS by file (1 to 5), by SHA-256, and as BIQ2021 lays them out (0 to 1)."""
    root = tmp_path_factory.mktemp("rated")
    (root / "images").mkdir()
    rng = np.random.default_rng(2)
    by_file, by_sha, biq = ["file,mos"], ["sha256,mos"], ["file,mos,subset,scene_group"]
    for i in range(60):
        mos = 1 + 4 * float(rng.uniform())
        base = rng.uniform(0, 255, (4, 4, 3)).astype(np.uint8)
        cv2.imwrite(str(root / "images" / f"{i}.png"), cv2.resize(base, (80, 64)))
        sha = hashlib.sha256((root / "images" / f"{i}.png").read_bytes()).hexdigest()
        by_file.append(f"{i}.png,{mos}")
        by_sha.append(f"{sha},{mos}")
        biq.append(f"{i}.png,{(mos - 1) / 4},ss01,{i}")
    for name, lines in (("by_file", by_file), ("by_sha", by_sha), ("mos", biq)):
        (root / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return root


def pictures(folder: Path) -> list[Picture]:
    made = []
    for i in range(60):
        path = folder / "images" / f"{i}.png"
        rgb = np.asarray(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)
        made.append(Picture(hashlib.sha256(path.read_bytes()).hexdigest(), rgb, source=path.name))
    return made


def test_teacher_says_what_the_functions_say(folder: Path) -> None:
    teacher = make_teacher(
        "simulated", {"table": folder / "by_file.csv", "folder": folder / "images", "srcc": "0.8", "seed": 4}
    )
    assert isinstance(teacher, Teacher) and isinstance(teacher, SimulatedTeacher)
    assert teacher.name == "simulated:srcc=0.8" and "seed=4" in teacher.version
    table = read_table(folder / "by_file.csv", folder / "images")
    assert table.features is not None
    keys = np.array([int(sha[:16], 16) for sha in table.sha256], np.uint64)
    shown = pictures(folder)
    labels = simulate(table.mos, table.features, SimulationConfig(seed=4, srcc=0.8), keys)
    answers = teacher.points(shown)
    assert [a.mos for a in answers if isinstance(a, PointJudgment)] == pytest.approx(list(labels.expectation))
    assert spearman(labels.expectation, table.mos) == pytest.approx(0.8, abs=0.005)
    index = np.array([[0, 1], [7, 3]])
    wanted = simulate_pairs(table.mos, table.features, index, SimulationConfig(seed=4, srcc=0.8), keys)
    found = teacher.pairs([(shown[a], shown[b]) for a, b in index])
    for i, judgment in enumerate(found):
        assert isinstance(judgment, PairJudgment)
        assert judgment.forward == pytest.approx(wanted.forward[i])
        assert judgment.reliability == pytest.approx(wanted.reliability[i])


def test_all_layouts_give_the_same_ratings(folder: Path) -> None:
    by_file = read_table(folder / "by_file.csv", folder / "images")
    biq, by_sha = read_table(folder), read_table(folder / "by_sha.csv")
    assert by_file.sha256 == biq.sha256 == by_sha.sha256
    assert by_file.mos == pytest.approx(biq.mos) and by_file.mos == pytest.approx(by_sha.mos)
    assert np.array_equal(np.asarray(by_file.features), np.asarray(biq.features)) and by_sha.features is None
    shown = pictures(folder)
    assert np.asarray(by_file.features)[5] == pytest.approx(picture_features(shown[5].rgb))


def test_a_table_of_identities_alone_is_enough(folder: Path) -> None:
    teacher = SimulatedTeacher.from_options({"table": str(folder / "by_sha.csv"), "reliability": "shuffled"})
    shown = pictures(folder)
    answers = teacher.points(shown)
    mos = [a.mos for a in answers if isinstance(a, PointJudgment)]
    assert len(mos) == 60
    assert 0.55 < spearman(mos, read_table(folder / "by_sha.csv").mos) < 0.95
    assert teacher.points(shown[::-1]) == answers[::-1]


def test_an_unrated_picture_is_a_failure_that_costs_no_other(folder: Path) -> None:
    teacher = SimulatedTeacher.from_options({"table": folder / "by_sha.csv"})
    shown = pictures(folder)
    stranger = Picture("ff" * 32, shown[0].rgb, source="stranger.png")
    one, other = teacher.points([stranger, shown[1]])
    assert isinstance(one, Failure) and not one.transient and "stranger.png" in one.reason
    assert isinstance(other, PointJudgment)
    assert isinstance(teacher.pairs([(shown[0], stranger)])[0], Failure)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("name,mos\na.png,3\n", "expected sha256,mos or file,mos"),
        ("sha256,mos\nabc,3\n", "line 2: sha256 is 'abc'"),
        (f"sha256,mos\n{'ab' * 32},0.5\n", "line 2: mos is '0.5'; expected 1 to 5 .scale=unit"),
        (f"sha256,mos\n{'ab' * 32},high\n", "line 2: mos is 'high'"),
        (f"sha256,mos\n{'ab' * 32},3\n{'ab' * 32},4\n", "two MOS"),
        ("sha256,mos\n", "lists no pictures"),
    ],
)
def test_wrong_table_files_are_refused_by_line(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(lines)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs the option table"),
        ({"table": "t.csv", "noise": 1}, "no option noise"),
        ({"table": "t.csv", "reliability": "mixed"}, "honest, shuffled"),
        ({"table": "t.csv", "srcc": "high"}, "srcc is 'high'"),
        ({"table": "t.csv", "seed": 0.5}, "whole number"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimulatedTeacher.from_options(options)
