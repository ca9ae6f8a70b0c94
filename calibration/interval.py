"""Intervals with a stated coverage: conformal prediction, scaled by the network's own spread.

Split: Lei et al., 2018, "Distribution-Free Predictive Inference for Regression" (arXiv 1604.04173), sections
2.2 and 5.2: for frames that are exchangeable with the labelled ones, and whatever the error of the spread,
the true MOS lies inside with at least the stated probability. The cap on the spread (below) takes at most
1 / (n + 1) of that, the chance that a new frame has a spread above those of all n labelled ones.
Cross: the same with predictions from held-out folds, so that every label serves curve and interval (Vovk,
2015, "Cross-conformal predictors", Ann. Math. Artif. Intell. 74): near the stated coverage in practice; what
is proved without further assumptions is 1 - 2 (1 - coverage), up to a term of the number of folds (Barber et
al., 2021, arXiv 1905.02928, section 3, for CV+).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Interval
from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.contract import MOS_MAX, MOS_MIN

FLOOR = 0.1
"""Least half-width, in MOS: no panel of observers knows a MOS better than that."""
_SPAN = MOS_MAX - MOS_MIN


def labels_needed(coverage: float) -> int:
    """The fewest labels with which an interval of `coverage` is finite."""
    return int(np.ceil(coverage / (1 - coverage) - 1e-9))


def fit_interval(
    mos_pred: NDArray[Any],
    spread: NDArray[Any],
    mos_true: NDArray[Any],
    coverage: float = 0.9,
    floor: float = FLOOR,
) -> Interval:
    """The interval from predicted MOS, spread (raw units, > 0) and human MOS, [n] each.

    The labels must not be those that the curve or the network were fitted on, or predictions come
    from held-out folds (`held_out_mos`). The largest of the spreads becomes the interval's `spread_cap`, so
    that a frame unlike all that was rated does not get an interval of any width from a number that nothing
    was checked against. Raises `CalibrationError` for too few labels (`labels_needed`), ValueError for values
    out of range.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1; found {coverage:g}")
    pred, unit, true = (np.asarray(v, np.float64) for v in (mos_pred, spread, mos_true))
    if pred.ndim != 1 or not pred.shape == unit.shape == true.shape:
        raise ValueError(f"expected three arrays [n]; found {pred.shape}, {unit.shape}, {true.shape}")
    if not (np.isfinite([pred, true, unit]).all() and (unit > 0).all()):
        raise ValueError("predictions and MOS must be finite, spreads above zero")
    need = labels_needed(coverage)
    if len(pred) < need:
        raise CalibrationError(f"an interval of coverage {coverage:g} needs {need} labels; found {len(pred)}")
    error = np.abs(true - pred)
    # the least quantile that covers a label; none is needed where the floor does
    score = np.where(error <= floor, 0.0, error / (unit * _SPAN))
    rank = min(int(np.ceil((len(score) + 1) * coverage - 1e-9)), len(score))
    return Interval(coverage, float(np.sort(score)[rank - 1]), floor, float(unit.max()))


def half_widths(interval: Interval, spread: NDArray[Any]) -> NDArray[np.float64]:
    """`Interval.half_width` of spreads [n]: half-widths in MOS, [n]."""
    unit = np.asarray(spread, np.float64)
    if interval.spread_cap is not None:
        unit = np.minimum(unit, interval.spread_cap)
    return np.maximum(interval.floor, interval.quantile * unit * _SPAN)


def inside(
    interval: Interval, mos_pred: NDArray[Any], spread: NDArray[Any], mos_true: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(whether the true MOS lies inside, width in MOS after the cut to 1..5) of [n] frames, [n] each."""
    pred, true = np.asarray(mos_pred, np.float64), np.asarray(mos_true, np.float64)
    half = half_widths(interval, spread)
    low, high = np.maximum(MOS_MIN, pred - half), np.minimum(MOS_MAX, pred + half)
    return (low <= true) & (true <= high), high - low


def covered(
    interval: Interval, mos_pred: NDArray[Any], spread: NDArray[Any], mos_true: NDArray[Any]
) -> tuple[float, float]:
    """(share of true MOS inside, mean width in MOS after the cut to 1..5) of [n] frames."""
    held, width = inside(interval, mos_pred, spread, mos_true)
    return float(held.mean()), float(width.mean())
