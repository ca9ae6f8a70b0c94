"""How often an interval holds the true MOS on frames that it was not made from, overall and by subset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Interval
from leaf_edge.calibration.curve import Folds
from leaf_edge.calibration.interval import fit_interval, inside, labels_needed

ALL = "all"
_Z = 1.959964
"""Of the standard normal distribution, two-sided 95 %."""


@dataclass(frozen=True)
class Coverage:
    """Of one subset. share: of true MOS inside. low, high: the 95 % interval of the share that so many frames
    allow (`binomial`). width: mean, in MOS. frames: N."""

    subset: str
    share: float
    low: float
    high: float
    width: float
    frames: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded to four decimals."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def binomial(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share from `hits` of `n` (Wilson, 1927, JASA 22; with n = 0, 0 to 1)."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = hits / n, _Z**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * np.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def by_subset(
    held: NDArray[np.bool_], width: NDArray[np.float64], subsets: Sequence[str]
) -> tuple[Coverage, ...]:
    """All frames, then each subset by name where there are several. held, width: of `inside`, [n]."""
    names = np.asarray(subsets)
    rows = [_row(ALL, held, width)]
    kinds = sorted(set(names.tolist()))
    if len(kinds) > 1:
        rows += [_row(kind, held[names == kind], width[names == kind]) for kind in kinds]
    return tuple(rows)


def _row(name: str, held: NDArray[np.bool_], width: NDArray[np.float64]) -> Coverage:
    low, high = binomial(int(held.sum()), len(held))
    return Coverage(name, float(held.mean()), low, high, float(width.mean()), len(held))


def coverage_on(
    interval: Interval,
    mos_pred: NDArray[Any],
    spread: NDArray[Any],
    mos_true: NDArray[Any],
    subsets: Sequence[str],
) -> tuple[Coverage, ...]:
    """Coverage on other frames [n] than the interval's own."""
    held, width = inside(interval, mos_pred, spread, mos_true)
    return by_subset(held, width, subsets)


def held_out_coverage(
    mos_pred: NDArray[Any],
    spread: NDArray[Any],
    mos_true: NDArray[Any],
    folds: Folds,
    subsets: Sequence[str],
    coverage: float,
    floor: float,
) -> tuple[Coverage, ...]:
    """Coverage on the labelled frames themselves: those of each fold by an interval of the other folds.

    mos_pred: held-out predictions [n]. Empty where the other folds are too few for an interval.
    """
    n = len(mos_pred)
    held, width = np.zeros(n, bool), np.zeros(n)
    for fold in folds:
        rest = np.setdiff1d(np.arange(n), fold)
        if len(rest) < labels_needed(coverage):
            return ()
        interval = fit_interval(mos_pred[rest], spread[rest], mos_true[rest], coverage, floor)
        held[fold], width[fold] = inside(interval, mos_pred[fold], spread[fold], mos_true[fold])
    return by_subset(held, width, subsets)
