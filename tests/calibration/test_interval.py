"""Conformal intervals hold what they state, whatever the spread is worth."""

from __future__ import annotations

import numpy as np
import pytest

from leaf_edge.calibration import covered, fit_interval
from leaf_edge.calibration.interval import labels_needed


def simulated(n: int, rng: np.random.Generator, honest: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pred = rng.uniform(2, 4, n)
    unit = rng.uniform(0.02, 0.15, n)
    sigma = unit * 4 if honest else np.full(n, 0.3)
    return pred, unit, np.clip(pred + rng.standard_t(5, n) * sigma, 1, 5)


@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize("honest", [True, False])
def test_coverage(coverage: float, honest: bool) -> None:
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(60):
        interval = fit_interval(*simulated(100, rng, honest), coverage=coverage)
        shares.append(covered(interval, *simulated(100, rng, honest))[0])
    # finite-sample: mean coverage lies in [c, c + 1 / 101]; four standard errors of this estimate
    error = 4 * np.std(shares) / np.sqrt(len(shares))
    assert coverage - error <= np.mean(shares) <= coverage + 1 / 101 + error + (0.02 if honest else 0)


def test_honest_spread_gives_narrower_intervals() -> None:
    rng = np.random.default_rng(4)
    pred, unit, true = simulated(2000, rng, honest=True)
    own = covered(fit_interval(pred, unit, true, floor=0), pred, unit, true)[1]
    flat = np.full_like(unit, 0.08)
    assert own < covered(fit_interval(pred, flat, true, floor=0), pred, flat, true)[1]


def test_finite_sample_rank() -> None:
    # nine labels, 90 %: the quantile is the largest score, (9 + 1) * 0.9 = 9
    true = np.full(9, 3.0) + np.arange(1, 10) / 10
    interval = fit_interval(np.full(9, 3.0), np.full(9, 0.25), true, coverage=0.9, floor=0.05)
    assert interval.quantile == pytest.approx(0.9)


def test_too_few_labels() -> None:
    assert labels_needed(0.9) == 9
    with pytest.raises(ValueError, match="needs 9 labels; found 8"):
        fit_interval(np.full(8, 3.0), np.full(8, 0.1), np.full(8, 3.0), coverage=0.9)


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_coverage_out_of_range(coverage: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_interval(np.full(80, 3.0), np.full(80, 0.1), np.full(80, 3.0), coverage=coverage)


def test_spread_must_be_positive() -> None:
    with pytest.raises(ValueError, match="above zero"):
        fit_interval(np.full(80, 3.0), np.zeros(80), np.full(80, 3.0))
