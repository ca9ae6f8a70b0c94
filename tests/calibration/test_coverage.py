"""Coverage over many draws, by subset, and the cap on the spread."""

from __future__ import annotations

import numpy as np
import pytest

from leaf_edge.bundle import Interval
from leaf_edge.calibration import covered, fit_interval
from leaf_edge.calibration.coverage import binomial, by_subset, coverage_on, held_out_coverage
from leaf_edge.calibration.curve import held_out_mos, random_folds
from leaf_edge.calibration.interval import half_widths, inside


def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw scores, spreads that tell something of the error, MOS."""
    raw, spread = rng.uniform(0.2, 0.8, n), rng.uniform(0.03, 0.15, n)
    return raw, spread, np.clip(1 + 4 * raw + rng.normal(0, 1, n) * (0.1 + 3 * spread), 1, 5)


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_cross_conformal_intervals_hold_what_they_state(coverage: float) -> None:
    rng = np.random.default_rng(1)
    held, reported = [], []
    for _ in range(150):
        raw, spread, mos = draw(100, rng)
        folds = random_folds(100)
        predicted = held_out_mos(raw, mos, "line", folds)
        interval = fit_interval(predicted, spread, mos, coverage)
        reported.append(held_out_coverage(predicted, spread, mos, folds, [""] * 100, coverage, 0.1)[0].share)
        slope, offset = np.polyfit(raw, mos, 1)
        new_raw, new_spread, new_mos = draw(400, rng)
        held.append(covered(interval, slope * new_raw + offset, new_spread, new_mos)[0])
    error = 4 * np.std(held) / np.sqrt(len(held))
    assert coverage - 1 / 101 - error <= np.mean(held) <= coverage + 1 / 101 + error + 0.01
    assert abs(np.mean(reported) - coverage) < 0.02


def test_the_vectors_agree_with_the_interval_itself() -> None:
    rng = np.random.default_rng(2)
    raw, spread, mos = draw(50, rng)
    for interval in (Interval(0.9, 1.5, 0.3), Interval(0.9, 1.5, 0.3, 0.07)):
        np.testing.assert_allclose(half_widths(interval, spread), [interval.half_width(s) for s in spread])
        held, width = inside(interval, 1 + 4 * raw, spread, mos)
        ends = np.array([interval(1 + 4 * r, s) for r, s in zip(raw, spread, strict=True)])
        np.testing.assert_allclose(width, ends[:, 1] - ends[:, 0])
        assert (held == ((ends[:, 0] <= mos) & (mos <= ends[:, 1]))).all()


def test_a_spread_beyond_all_rated_ones_widens_nothing() -> None:
    raw, spread, mos = draw(100, np.random.default_rng(3))
    interval = fit_interval(1 + 4 * raw, spread, mos)
    assert interval.spread_cap == spread.max()
    assert interval.half_width(1e9) == interval.half_width(float(spread.max()))
    assert interval.half_width(0.05) < interval.half_width(1e9)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 0, 0, 1), (9, 10, 0.596, 0.982), (10, 10, 0.722, 1), (450, 500, 0.871, 0.923)],
)
def test_binomial(hits: int, n: int, low: float, high: float) -> None:
    assert binomial(hits, n) == pytest.approx((low, high), abs=1e-3)


def test_subsets_are_told_apart() -> None:
    held = np.array([True] * 6 + [False] * 2)
    rows = by_subset(held, np.ones(8), ["a"] * 4 + ["b"] * 4)
    assert [(row.subset, row.share, row.frames) for row in rows] == [
        ("all", 0.75, 8),
        ("a", 1, 4),
        ("b", 0.5, 4),
    ]
    assert rows[1].low < 0.6 and len(by_subset(held, np.ones(8), [""] * 8)) == 1
    wide = coverage_on(Interval(0.9, 0, 4), np.full(2, 3.0), np.ones(2), np.array([1.0, 5.0]), ["", ""])
    assert wide[0].share == 1 and wide[0].width == 4


def test_too_few_in_the_other_folds_gives_no_figure() -> None:
    raw, spread, mos = draw(10, np.random.default_rng(4))
    assert held_out_coverage(1 + 4 * raw, spread, mos, random_folds(10), [""] * 10, 0.9, 0.1) == ()
