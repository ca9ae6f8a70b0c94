"""Intervals with a stated coverage: split conformal prediction, scaled by the network's own spread.

Lei et al., 2018, "Distribution-Free Predictive Inference for Regression" (arXiv 1604.04173), sections 2.2
and 5.2: for frames that are exchangeable with the labelled ones, and whatever the error of the spread,
the true MOS lies inside with at least the stated probability.
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
    from held-out folds (`held_out_mos`). Raises `CalibrationError` for too few labels
    (`labels_needed`), ValueError for values out of range.
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
    return Interval(coverage, float(np.sort(score)[rank - 1]), floor)


def covered(
    interval: Interval, mos_pred: NDArray[Any], spread: NDArray[Any], mos_true: NDArray[Any]
) -> tuple[float, float]:
    """(share of true MOS inside, mean width in MOS after the cut to 1..5) of [n] frames."""
    ends = np.array([interval(float(m), float(s)) for m, s in zip(mos_pred, spread, strict=True)])
    inside = (ends[:, 0] <= mos_true) & (mos_true <= ends[:, 1])
    return float(inside.mean()), float((ends[:, 1] - ends[:, 0]).mean())
