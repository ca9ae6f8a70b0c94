"""When more ratings no longer pay: the learning curve of the calibration, and what doubling would gain.

Random parts of the ratings are fitted and judged on the rest, at growing sizes. The mean square error of a
fit with a fixed number of parameters falls as a + c / n towards what no rating can remove; from that curve
follows what twice as many ratings would gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leaf_edge.calibration.curve import MIN_LABELS, choose_shape, fit_curve
from leaf_edge.calibration.curve_shapes import Shape
from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.contract import MOS_MAX, MOS_MIN
from leaf_edge.ranks import spearman

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Predict = Callable[[Indices], Floats]
"""Fits on the ratings at these positions; gives the MOS of all, [n]."""

TOLERANCE = 0.02
"""MOS. A fifth of the least half-width that an interval has (`interval.FLOOR`)."""
CONFIDENCE = 0.9
FEWEST = 20
"""Ratings below which the rule does not speak: sizes from `MIN_LABELS` on, and some left to judge by."""
_REPEATS = 40
_SIZES = 5
_BOOTSTRAPS = 400
_NEWEST = 0.25
"""Part of the ratings, the latest, that is compared with what the earlier ones foretell."""
_SURPRISE = 3.0
"""Standard errors by which the newest ratings may be off."""


@dataclass(frozen=True)
class StopAdvice:
    """stop: whether more ratings no longer pay. ratings: n. sizes: of the parts that were fitted. rmse, srcc:
    on the rest, mean over repeats, for each size. gain, gain_high: fall in RMSE (MOS) that doubling n is
    expected to bring, and its upper bound at `CONFIDENCE`. floor: RMSE that no number of ratings removes.
    surprise: standard errors by which the newest quarter is off what the earlier ratings foretell, above 0
    worse. sentence: all this for people."""

    stop: bool
    ratings: int
    sizes: tuple[int, ...]
    rmse: tuple[float, ...]
    srcc: tuple[float, ...]
    gain: float
    gain_high: float
    floor: float
    surprise: float
    sentence: str


def stop_rule(
    raw: ArrayLike,
    mos: ArrayLike,
    *,
    tolerance: float = TOLERANCE,
    predict: Predict | None = None,
    seed: int = 0,
) -> StopAdvice:
    """Whether to go on rating.

    raw: scores [n]. mos: 1..5 [n], in the order in which the ratings came. tolerance: MOS; a gain below it
    is not worth twice the ratings. predict: how a calibration learns, where it is not the curve of
    `fit_curve` (a fine-tuned head, say). Deterministic for a seed. Raises `CalibrationError` for values
    out of range or a tolerance that is not above 0.
    """
    x, y = np.asarray(raw, np.float64), np.asarray(mos, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise CalibrationError(f"expected one MOS for each raw score; found shapes {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CalibrationError("raw scores and MOS must be finite")
    if len(y) and (y.min() < MOS_MIN or y.max() > MOS_MAX):
        raise CalibrationError(f"MOS are {y.min():g} to {y.max():g}; expected {MOS_MIN:g} to {MOS_MAX:g}")
    if not tolerance > 0:
        raise CalibrationError(f"the tolerance is {tolerance:g} MOS; expected more than 0")
    if len(y) < FEWEST:
        return _too_few(len(y))
    fewest_parameters = 2 if predict is None else 0
    predict = predict or _curve_of_one_shape(x, y)
    sizes = np.unique(np.geomspace(MIN_LABELS, 0.8 * len(y), _SIZES).astype(int))
    squared, order = _learning_curve(predict, y, sizes, np.random.default_rng([seed, 0]))
    gain, high, floor = _gain_of_doubling(squared, sizes, len(y), np.random.default_rng([seed, 1]))
    # the parts of few ratings may look flat by chance; regression theory knows better for any line or curve
    theory = [np.sqrt(1 + fewest_parameters / m) for m in (len(y), 2 * len(y))]
    high = max(high, float(np.sqrt(squared[:, -1].mean()) * (theory[0] - theory[1])))
    surprise = _surprise(predict, y)
    stop = high < tolerance and surprise < _SURPRISE
    rmse = np.sqrt(squared.mean(axis=0))
    return StopAdvice(
        stop,
        len(y),
        tuple(map(int, sizes)),
        tuple(map(float, rmse)),
        tuple(map(float, np.nanmean(order, axis=0))),
        gain,
        high,
        floor,
        surprise,
        _sentence(stop, len(y), float(rmse[-1]), gain, high, tolerance, surprise),
    )


def _curve_of_one_shape(x: Floats, y: Floats) -> Predict:
    """The shape that all ratings carry, for every part: choosing it anew for each costs much and changes
    the number of parameters along the learning curve."""
    try:
        return partial(_by_curve, x, y, choose_shape(x, y))
    except CalibrationError:
        return partial(_by_curve, x, y, "line")


def _by_curve(x: Floats, y: Floats, shape: Shape, seen: Indices) -> Floats:
    try:
        curve = fit_curve(x[seen], y[seen], shape)
    except (
        CalibrationError
    ):  # these few ratings do not rise with the score: nothing is better than their mean
        return np.full(len(y), y[seen].mean())
    return np.asarray(curve(x), np.float64)


def _learning_curve(
    predict: Predict, y: Floats, sizes: Indices, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Mean square error and SRCC on the ratings left out, [repeats, sizes]. The parts of one repeat grow."""
    squared, order = np.empty((_REPEATS, len(sizes))), np.empty((_REPEATS, len(sizes)))
    for r in range(_REPEATS):
        mixed = rng.permutation(len(y))
        rest = mixed[sizes[-1] :]
        for k, size in enumerate(sizes):
            told = predict(mixed[:size])[rest]
            squared[r, k] = np.mean((told - y[rest]) ** 2)
            order[r, k] = spearman(told, y[rest]) if np.ptp(told) > 0 else 0.0
    return squared, order


def _gain_of_doubling(
    squared: Floats, sizes: Indices, n: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """(expected gain in RMSE, its upper bound over bootstrapped repeats, RMSE in the limit). The bound
    speaks of the chance in how the ratings were parted, not of which frames were rated."""
    gains = np.empty(_BOOTSTRAPS)
    for b in range(_BOOTSTRAPS):
        gains[b] = _gain(squared[rng.integers(len(squared), size=len(squared))].mean(axis=0), sizes, n)[0]
    gain, floor = _gain(squared.mean(axis=0), sizes, n)
    return gain, max(gain, float(np.quantile(gains, CONFIDENCE))), floor


def _gain(squared: Floats, sizes: Indices, n: int) -> tuple[float, float]:
    """Least squares of a + c / size, a and c not negative; larger sizes count more, being nearer to n."""
    inverse = 1.0 / sizes
    weight = np.sqrt(sizes)
    mean_x, mean_y = np.average(inverse, weights=weight), np.average(squared, weights=weight)
    power = weight @ (inverse - mean_x) ** 2
    slope = max(0.0, float(weight @ ((inverse - mean_x) * (squared - mean_y)) / power)) if power > 0 else 0.0
    slope = min(slope, float(mean_y / mean_x))
    floor = max(0.0, float(mean_y - slope * mean_x))
    return float(np.sqrt(floor + slope / n) - np.sqrt(floor + slope / (2 * n))), float(np.sqrt(floor))


def _surprise(predict: Predict, y: Floats) -> float:
    """How much worse the newest ratings are foretold by the earlier ones than random ones are, in standard
    errors: a camera or a scene that changed shows here, whatever the learning curve says."""
    newest = max(5, round(_NEWEST * len(y)))
    earlier = np.arange(len(y) - newest)
    late = (predict(earlier)[-newest:] - y[-newest:]) ** 2
    folds = np.array_split(np.random.default_rng(0).permutation(earlier), 5)
    early = np.concatenate(
        [(predict(np.setdiff1d(earlier, fold))[fold] - y[fold]) ** 2 for fold in folds if len(fold)]
    )
    error = float(np.sqrt(late.var() / len(late) + early.var() / len(early)))
    return float(late.mean() - early.mean()) / error if error > 0 else 0.0


def _too_few(n: int) -> StopAdvice:
    nan = float("nan")
    text = f"Go on: {n} ratings are too few to tell what more would gain; {FEWEST} are the least."
    return StopAdvice(False, n, (), (), (), nan, nan, nan, nan, text)


def _sentence(
    stop: bool, n: int, rmse: float, gain: float, high: float, tolerance: float, surprise: float
) -> str:
    numbers = (
        f"with {n} ratings the error is about {rmse:.3f} MOS, and {2 * n} would take {gain:.3f} off it "
        f"({CONFIDENCE:.0%} sure of less than {high:.3f}; worth it from {tolerance:g})"
    )
    if stop:
        return f"Stop: {numbers}."
    if high < tolerance:
        return (
            f"Go on: the newest ratings are off what the earlier ones foretell by {surprise:.1f} standard "
            f"errors, so the frames have changed; otherwise {numbers}."
        )
    return f"Go on: {numbers}."
