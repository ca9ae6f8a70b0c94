"""From raw quality to MOS: a monotone curve of as many degrees of freedom as the labels carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Curve
from leaf_edge.calibration.curve_shapes import LABELS, MIN_SLOPE, Floats, Map, fit_shape
from leaf_edge.calibration.curve_shapes import SHAPES as SHAPES
from leaf_edge.calibration.curve_shapes import Shape as Shape
from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.contract import MOS_MAX, MOS_MIN

Folds = Sequence[NDArray[np.intp]]
"""Positions of the labels of each fold; together they are all labels, once each."""
KNOTS = 33
"""Of the fitted part; the tails have their own."""
MIN_LABELS = 10
FOLDS = 5
_TAIL = 0.25
"""MOS from an end of the scale where the fit hands over to a tail that never reaches it."""
_REACH = 16.0
"""How far a tail goes, in raw ranges of the labels: no frame's raw score is beyond."""


def fit_curve(raw: NDArray[Any], mos: NDArray[Any], shape: Shape | None = None) -> Curve:
    """The curve for raw scores [n] with human MOS [n] in 1..5, sampled into knots.

    shape: one of `SHAPES`; by default `choose_shape`. The curve rises strictly, far beyond the scores
    that were fitted too, and stays inside 1..5.
    Raises `CalibrationError` for fewer than `MIN_LABELS` labels, values that are not finite or outside of
    1..5, scores or MOS that are all alike, or scores that fall as MOS rises.
    """
    x, y = checked(raw, mos)
    return _sampled(fit_shape(shape or choose_shape(x, y), x, y), x)


@dataclass(frozen=True)
class ShapeError:
    """Held-out error of one shape. rmse: in MOS. gap: its mean squared error above the best one's; error: the
    standard error of that gap. near: whether the gap is within it."""

    shape: Shape
    rmse: float
    gap: float
    error: float

    @property
    def near(self) -> bool:
        return self.gap <= self.error


@dataclass(frozen=True)
class ShapeChoice:
    """shape: the one to take. table: every shape's held-out error, simplest first."""

    shape: Shape
    table: tuple[ShapeError, ...]
    labels: int

    @property
    def why(self) -> str:
        """The rule and the figures that it went by, in two sentences."""
        best = min(self.table, key=lambda row: row.gap)
        errors = ", ".join(f"{row.shape} {row.rmse:.3f}" for row in self.table)
        chosen = next(row for row in self.table if row.shape == self.shape)
        why = (
            f"{self.shape} has the least held-out error, and no simpler one is within a standard error of it"
            if chosen == best
            else f"{self.shape} is the simplest shape within one standard error of the best, {best.shape}"
        )
        return f"{why}. Held-out RMSE in MOS with {self.labels} labels: {errors}."


def compare_shapes(raw: NDArray[Any], mos: NDArray[Any], folds: Folds | None = None) -> ShapeChoice:
    """The simplest shape whose cross-validated squared error is within one standard error of the best.

    The standard error is that of the paired difference (Hastie, Tibshirani and Friedman, The Elements of
    Statistical Learning, 2nd ed., section 7.10, where it is of the error itself). Shapes that need more
    labels (`LABELS`) are not tried. folds: by default 5, at random. Raises as `fit_curve`.
    """
    x, y = checked(raw, mos)
    folds = folds or random_folds(len(x))
    tried = [s for s in SHAPES if len(x) >= LABELS[s]]
    squared = {s: (held_out_mos(x, y, s, folds) - y) ** 2 for s in tried}
    best = min(tried, key=lambda s: squared[s].mean())
    table = []
    for s in tried:
        gap = squared[s] - squared[best]
        rmse = float(np.sqrt(squared[s].mean()))
        table.append(ShapeError(s, rmse, float(gap.mean()), float(gap.std() / np.sqrt(len(gap)))))
    return ShapeChoice(next(row.shape for row in table if row.near), tuple(table), len(x))


def choose_shape(raw: NDArray[Any], mos: NDArray[Any]) -> Shape:
    """The shape of `compare_shapes`."""
    return compare_shapes(raw, mos).shape


def held_out_mos(raw: NDArray[Any], mos: NDArray[Any], shape: Shape, folds: Folds | None = None) -> Floats:
    """MOS of each frame by a curve that has not seen its label, nor any of its fold: [n]. folds: by default
    5, at random."""
    x, y = checked(raw, mos)
    out = np.empty_like(y)
    for fold in folds or random_folds(len(x)):
        seen = np.setdiff1d(np.arange(len(x)), fold)
        out[fold] = np.clip(fit_shape(shape, x[seen], y[seen])(x[fold]), MOS_MIN, MOS_MAX)
    return out


def random_folds(n: int, count: int = FOLDS) -> list[NDArray[np.intp]]:
    """The same folds for the same n."""
    return np.array_split(np.random.default_rng(0).permutation(n), min(count, n))


def checked(raw: NDArray[Any], mos: NDArray[Any], least: int = MIN_LABELS) -> tuple[Floats, Floats]:
    """Both as float64. Raises `CalibrationError` where they cannot be calibrated on (see `fit_curve`)."""
    x, y = np.asarray(raw, np.float64), np.asarray(mos, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise CalibrationError(f"expected one MOS for each raw score; found shapes {x.shape} and {y.shape}")
    if len(x) < least:
        raise CalibrationError(f"a curve needs at least {least} labels; found {len(x)}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CalibrationError("raw scores and MOS must be finite")
    if y.min() < MOS_MIN or y.max() > MOS_MAX:
        raise CalibrationError(
            f"MOS must be {MOS_MIN:g} to {MOS_MAX:g}; found {y.min():g} to {y.max():g} (rescale the labels)"
        )
    if np.ptp(x) < 1e-6:
        raise CalibrationError("all raw scores are alike: the model does not tell these frames apart")
    if np.ptp(y) < 1e-6:
        raise CalibrationError(f"all MOS are {y[0]:g}: rate frames of good and of bad quality")
    if np.polyfit(x, y, 1)[0] <= 0:
        raise CalibrationError("raw scores fall as MOS rises: labels or model are the wrong way round")
    return x, y


def _sampled(curve: Map, x: Floats) -> Curve:
    """Knots where the curve is inside the scale, within a quarter of a raw range of `x`, and tails.

    A tail goes on with the slope of its end and nears the end of the scale without reaching it, as a
    hyperbola, so that of two hopeless frames the worse one still scores lower.
    """
    span = np.ptp(x)
    dense = np.linspace(x.min() - span / 4, x.max() + span / 4, 4097)
    height = curve(dense)
    inside = np.flatnonzero((height > MOS_MIN + _TAIL) & (height < MOS_MAX - _TAIL))
    if len(inside) < 2:
        raise CalibrationError("the fitted curve leaves the scale of 1 to 5 at once; check the labels")
    raw = np.linspace(dense[inside[0]], dense[inside[-1]], KNOTS)
    mos = np.clip(curve(raw), MOS_MIN + _TAIL, MOS_MAX - _TAIL)
    floor = MIN_SLOPE * np.arange(KNOTS) / KNOTS
    mos = np.maximum.accumulate(mos - floor) + floor
    mos -= max(0.0, mos[-1] - (MOS_MAX - _TAIL))
    least = MIN_SLOPE / span
    reach = _REACH * span
    low_raw, low = _tail(mos[0] - MOS_MIN, max(least, (mos[1] - mos[0]) / (raw[1] - raw[0])), reach)
    high_raw, high = _tail(MOS_MAX - mos[-1], max(least, (mos[-1] - mos[-2]) / (raw[-1] - raw[-2])), reach)
    return Curve(
        tuple(np.concatenate([raw[0] - low_raw[::-1], raw, raw[-1] + high_raw])),
        tuple(np.concatenate([MOS_MIN + low[::-1], mos, MOS_MAX - high])),
    )


def _tail(room: float, slope: float, reach: float) -> tuple[Floats, Floats]:
    """Distances in raw from the end of a curve, to `reach` or beyond, and the room that is left there to the
    end of the scale. A steep end nears it within a small part of the raw range, and takes more knots to go
    as far.
    """
    last = max(8.0, np.ceil(np.log2(reach * slope / room)))
    steps: Floats = np.exp2(np.arange(-2.0, last + 1.0))
    return steps * room / slope, room / (1 + steps)
