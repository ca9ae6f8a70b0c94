"""From raw quality to MOS: a monotone curve of as many degrees of freedom as the labels carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Curve
from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.contract import MOS_MAX, MOS_MIN

Floats = NDArray[np.float64]
Shape = Literal["line", "logistic", "knots5", "knots9"]
SHAPES: tuple[Shape, ...] = ("line", "logistic", "knots5", "knots9")
"""From the simplest. line: two parameters. logistic: four (VQEG, as in ITU-T P.1401 annex A, with
free ends). knotsK: a monotone piecewise-linear curve with K knots at quantiles of the raw scores."""
KNOTS = 33
"""Of the fitted part; the tails have their own."""
MIN_LABELS = 10
_FOLDS = 5
_MIN_SLOPE = 1e-3
"""In MOS over the raw range: the curve never falls and never stalls, so that ranks survive it."""
_TAIL = 0.25
"""MOS from an end of the scale where the fit hands over to a tail that never reaches it."""


def fit_curve(raw: NDArray[Any], mos: NDArray[Any], shape: Shape | None = None) -> Curve:
    """The curve for raw scores [n] with human MOS [n] in 1..5, sampled into knots.

    shape: one of `SHAPES`; by default `choose_shape`. The curve rises strictly, far beyond the scores
    that were fitted too, and stays inside 1..5.
    Raises `CalibrationError` for fewer than `MIN_LABELS` labels, values that are not finite or outside of
    1..5, scores that are all alike, or scores that fall as MOS rises.
    """
    x, y = _checked(raw, mos)
    return _sampled(_fit(shape or choose_shape(x, y), x, y), x)


def choose_shape(raw: NDArray[Any], mos: NDArray[Any]) -> Shape:
    """The simplest shape whose 5-fold cross-validated RMSE is within one standard error of the best."""
    x, y = _checked(raw, mos)
    squared = {s: _held_out(s, x, y) for s in SHAPES}
    best = min(SHAPES, key=lambda s: squared[s].mean())
    for s in SHAPES:
        gap = squared[s] - squared[best]
        if gap.mean() <= gap.std() / np.sqrt(len(gap)):
            return s
    return best


def held_out_mos(raw: NDArray[Any], mos: NDArray[Any], shape: Shape) -> Floats:
    """MOS of each frame by a curve that has not seen its label: 5 folds, [n]."""
    x, y = _checked(raw, mos)
    out = np.empty_like(y)
    for fold in _folds(len(x)):
        seen = np.setdiff1d(np.arange(len(x)), fold)
        out[fold] = np.clip(_fit(shape, x[seen], y[seen])(x[fold]), MOS_MIN, MOS_MAX)
    return out


def _held_out(shape: Shape, x: Floats, y: Floats) -> Floats:
    return (held_out_mos(x, y, shape) - y) ** 2


def _folds(n: int) -> list[NDArray[np.intp]]:
    return np.array_split(np.random.default_rng(0).permutation(n), min(_FOLDS, n))


def _checked(raw: NDArray[Any], mos: NDArray[Any]) -> tuple[Floats, Floats]:
    x, y = np.asarray(raw, np.float64), np.asarray(mos, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise CalibrationError(f"expected one MOS for each raw score; found shapes {x.shape} and {y.shape}")
    if len(x) < MIN_LABELS:
        raise CalibrationError(f"a curve needs at least {MIN_LABELS} labels; found {len(x)}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CalibrationError("raw scores and MOS must be finite")
    if y.min() < MOS_MIN or y.max() > MOS_MAX:
        raise CalibrationError(
            f"MOS must be {MOS_MIN:g} to {MOS_MAX:g}; found {y.min():g} to {y.max():g} (rescale the labels)"
        )
    if np.ptp(x) < 1e-6:
        raise CalibrationError("all raw scores are alike: the model does not tell these frames apart")
    if np.polyfit(x, y, 1)[0] <= 0:
        raise CalibrationError("raw scores fall as MOS rises: labels or model are the wrong way round")
    return x, y


def _fit(shape: Shape, x: Floats, y: Floats) -> Callable[[Floats], Floats]:
    if shape == "line":
        slope, offset = np.polyfit(x, y, 1)
        return lambda v: slope * v + offset
    if shape == "logistic":
        return _logistic(x, y)
    return _knots(x, y, int(shape.removeprefix("knots")))


def _logistic(x: Floats, y: Floats) -> Callable[[Floats], Floats]:
    """lo + (hi - lo) / (1 + exp(-(v - middle) / width)), least squares by Levenberg and Marquardt.

    Parameters are lo, log(hi - lo), middle, log(width), so that any step keeps the curve rising.
    """

    def curve(p: Floats, v: Floats) -> Floats:
        z = np.clip((v - p[2]) / np.exp(p[3]), -60, 60)
        height: Floats = p[0] + np.exp(p[1]) / (1 + np.exp(-z))
        return height

    spread = np.ptp(y) + 0.1
    p = np.array([y.min() - 0.05, np.log(spread), np.median(x), np.log(np.ptp(x) / 4)])
    damping, error = 1e-2, float(((curve(p, x) - y) ** 2).sum())
    for _ in range(200):
        steps = 1e-6 * np.eye(4)
        jacobian = np.stack([(curve(p + s, x) - curve(p - s, x)) / 2e-6 for s in steps], axis=1)
        gradient = jacobian.T @ (curve(p, x) - y)
        normal = jacobian.T @ jacobian
        # bounds: ends at most a scale beyond 1..5, width at most ten raw ranges
        ridge = damping * (np.diag(np.diag(normal)) + 1e-9 * np.eye(4))
        trial = p - np.linalg.solve(normal + ridge, gradient)
        trial[0] = np.clip(trial[0], MOS_MIN - 4, MOS_MAX)
        trial[1] = np.clip(trial[1], np.log(0.1), np.log(12))
        trial[3] = np.clip(trial[3], np.log(np.ptp(x) / 50), np.log(10 * np.ptp(x)))
        new = float(((curve(trial, x) - y) ** 2).sum())
        if new < error:
            done = error - new < 1e-9 * error
            p, error, damping = trial, new, damping / 5
            if done:
                break
        else:
            damping *= 5
            if damping > 1e8:
                break
    return lambda v: curve(p, v)


def _knots(x: Floats, y: Floats, count: int) -> Callable[[Floats], Floats]:
    """Least squares over non-negative rises between knots at quantiles of `x`."""
    knots = np.unique(np.quantile(x, np.linspace(0, 1, count)))
    steps = np.clip((x[:, None] - knots[:-1]) / np.diff(knots), 0, 1)
    # cyclic coordinate descent; with at most 8 rises it settles within these sweeps
    rises, offset = np.full(len(knots) - 1, np.ptp(y) / (len(knots) - 1)), float(y.mean())
    power = (steps**2).sum(0)
    rest = y - offset - steps @ rises
    for _ in range(400):
        shift = float(rest.mean())
        offset, rest = offset + shift, rest - shift
        for k in range(len(rises)):
            new = max(_MIN_SLOPE, rises[k] + steps[:, k] @ rest / power[k])
            rest -= (new - rises[k]) * steps[:, k]
            rises[k] = new
    heights = offset + np.concatenate([[0.0], np.cumsum(rises)])
    slopes = rises / np.diff(knots)

    def curve(v: Floats) -> Floats:
        below = np.minimum(v - knots[0], 0) * slopes[0]  # the end pieces go on
        above = np.maximum(v - knots[-1], 0) * slopes[-1]
        height: Floats = np.interp(v, knots, heights) + below + above
        return height

    return curve


def _sampled(curve: Callable[[Floats], Floats], x: Floats) -> Curve:
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
    floor = _MIN_SLOPE * np.arange(KNOTS) / KNOTS
    mos = np.maximum.accumulate(mos - floor) + floor
    mos -= max(0.0, mos[-1] - (MOS_MAX - _TAIL))
    least = _MIN_SLOPE / span
    low_raw, low = _tail(mos[0] - MOS_MIN, max(least, (mos[1] - mos[0]) / (raw[1] - raw[0])))
    high_raw, high = _tail(MOS_MAX - mos[-1], max(least, (mos[-1] - mos[-2]) / (raw[-1] - raw[-2])))
    return Curve(
        tuple(np.concatenate([raw[0] - low_raw[::-1], raw, raw[-1] + high_raw])),
        tuple(np.concatenate([MOS_MIN + low[::-1], mos, MOS_MAX - high])),
    )


def _tail(room: float, slope: float) -> tuple[Floats, Floats]:
    """Distances in raw from the end of a curve, and the room that is left there to the end of the scale."""
    steps: Floats = np.exp2(np.arange(-2.0, 9.0))
    return steps * room / slope, room / (1 + steps)
