"""A bundle's curve and interval for one camera, from a few ratings of its pictures, without a new export.

The curve that the bundle has was fitted on hundreds of labels, so it is the prior: a few ratings may move it
or stretch it along the raw score, and many may replace it. Its heights and its tails stay, so what comes out
rises strictly and stays inside 1..5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Curve, Interval
from leaf_edge.calibration.coverage import Coverage, held_out_coverage
from leaf_edge.calibration.curve import (
    MIN_LABELS,
    Folds,
    checked,
    choose_shape,
    fit_curve,
    held_out_mos,
    random_folds,
)
from leaf_edge.calibration.curve_shapes import Floats, least_squares
from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.calibration.interval import fit_interval, labels_needed

Change = Literal["keep", "shift", "line", "refit"]
CHANGES: tuple[Change, ...] = ("keep", "shift", "line", "refit")
"""From the simplest. keep: the bundle's curve. shift: moved along the raw score. line: moved and stretched.
refit: a new curve, from `REFIT_FROM` ratings on."""
REFIT_FROM = 40
_MANY = 10
"""Folds from `REFIT_FROM` ratings on; fewer ratings are each held out alone."""
_PRIOR_SHIFT, _PRIOR_STRETCH = 0.15, 0.35
"""Standard deviations of the prior: shift in raw units (0.6 MOS), natural logarithm of the stretch."""
_LEAST_NOISE = 0.2
"""MOS: least error of one rating that the prior is weighed against."""


class Scored(NamedTuple):
    """Outputs of one encoding on the rated pictures: raw [n], spread [n] (raw units)."""

    raw: NDArray[Any]
    spread: NDArray[Any]


class Calibrated(NamedTuple):
    """Of one encoding."""

    curve: Curve
    interval: Interval


@dataclass(frozen=True)
class ChangeError:
    """Held-out error of one change, mean over encodings. rmse: in MOS. gap: of its mean squared error above
    the best one's; error: the standard error of that gap."""

    change: Change
    rmse: float
    gap: float
    error: float


@dataclass(frozen=True)
class Recalibration:
    """change: the one that was taken. encodings: new curve and interval of each. table: held-out errors,
    simplest first. coverage: held-out coverage of each encoding that was scored, by subset; empty with too
    few ratings."""

    change: Change
    why: str
    encodings: dict[str, Calibrated]
    table: tuple[ChangeError, ...]
    coverage: dict[str, tuple[Coverage, ...]]
    ratings: int

    def rmse(self, change: Change) -> float:
        """Held-out RMSE in MOS. Raises KeyError for a change that was not tried."""
        return {row.change: row.rmse for row in self.table}[change]


def recalibrate(
    old: Mapping[str, Calibrated],
    scored: Mapping[str, Scored],
    mos: NDArray[Any],
    subsets: Sequence[str] | None = None,
) -> Recalibration:
    """New calibrations from human MOS [n], 1..5.

    old: of every encoding of the bundle. scored: outputs of those encodings that could run here, one at
    least; the others take over the change of the first, which moves them alike because both write the same
    raw scale. The change is one for all encodings, so that they go on agreeing: the simplest whose held-out
    squared error is within one standard error of the best one's, and never one that is worse than keeping the
    curve by more than that. Below 40 ratings each is held out alone, else they are in ten folds.
    The interval is conformal, from the held-out errors of the change that was taken, with the old one's
    coverage and floor.
    Raises `CalibrationError` for fewer than 10 ratings or than the coverage needs, for MOS or scores that are
    all alike, and for scores that fall as MOS rises.
    """
    if not scored or not scored.keys() <= old.keys():
        raise ValueError(f"expected outputs of some of {sorted(old)}; found {sorted(scored)}")
    y = np.asarray(mos, np.float64)
    for name, outputs in scored.items():
        try:
            checked(outputs.raw, y)
        except CalibrationError as error:
            raise CalibrationError(str(error).replace("labels", "ratings") + f" (encoding {name})") from None
    need = max([MIN_LABELS, *(labels_needed(old[name].interval.coverage) for name in scored)])
    if len(y) < need:
        raise CalibrationError(f"an interval of this bundle's coverage needs {need} ratings; found {len(y)}")
    folds = _folds(len(y))
    tried = [c for c in CHANGES if c != "refit" or (len(y) >= REFIT_FROM and scored.keys() == old.keys())]
    held_out = {c: {n: _held_out(c, old[n].curve, s.raw, y, folds) for n, s in scored.items()} for c in tried}
    change, table, why = _choose(held_out, y)
    new: dict[str, Calibrated] = {}
    coverage: dict[str, tuple[Coverage, ...]] = {}
    names = list(subsets) if subsets is not None else [""] * len(y)
    for name, outputs in scored.items():
        predicted, spread, was = held_out[change][name], np.asarray(outputs.spread, np.float64), old[name]
        fitted = fit_interval(predicted, spread, y, was.interval.coverage, was.interval.floor)
        interval = _with_cap(fitted, was.interval)
        new[name] = Calibrated(_apply(change, was.curve, outputs.raw, y), interval)
        coverage[name] = held_out_coverage(
            predicted, spread, y, folds, names, interval.coverage, interval.floor
        )
    first = next(iter(scored))
    for name in old.keys() - scored.keys():
        curve = old[name].curve
        if change != "keep":
            curve = _moved(curve, *_moves(change, old[first].curve, scored[first].raw, y))
        quantile = new[first].interval.quantile
        was_interval = old[name].interval
        cap = was_interval.spread_cap
        new[name] = Calibrated(curve, Interval(was_interval.coverage, quantile, was_interval.floor, cap))
    return Recalibration(change, why, {name: new[name] for name in old}, table, coverage, len(y))


def _with_cap(fitted: Interval, old: Interval) -> Interval:
    """The cap of the many labels that the bundle was made with, raised where a rated picture has a larger
    spread: the few of one camera say nothing about what is too large."""
    cap = None
    if old.spread_cap is not None and fitted.spread_cap is not None:
        cap = max(old.spread_cap, fitted.spread_cap)
    return Interval(fitted.coverage, fitted.quantile, fitted.floor, cap)


def _folds(n: int) -> Folds:
    return random_folds(n, _MANY if n >= REFIT_FROM else n)


def _held_out(change: Change, curve: Curve, raw: NDArray[Any], y: Floats, folds: Folds) -> Floats:
    x = np.asarray(raw, np.float64)
    if change == "refit":
        return held_out_mos(x, y, choose_shape(x, y), folds)
    out = np.empty_like(y)
    for fold in folds:
        seen = np.setdiff1d(np.arange(len(y)), fold)
        out[fold] = _apply(change, curve, x[seen], y[seen])(x[fold])
    return out


def _apply(change: Change, curve: Curve, raw: NDArray[Any], y: Floats) -> Curve:
    if change == "keep":
        return curve
    if change == "refit":
        return fit_curve(raw, y)
    return _moved(curve, *_moves(change, curve, raw, y))


def _moves(change: Change, curve: Curve, raw: NDArray[Any], y: Floats) -> tuple[float, float, float]:
    """(middle, shift, stretch) of the most probable curve(middle + stretch (raw - middle) + shift)."""
    x = np.asarray(raw, np.float64)
    middle = float(x.mean())
    knots, heights = np.array(curve.raw), np.array(curve.mos)

    def moved(p: Floats, v: Floats) -> Floats:
        stretch = np.exp(p[1]) if len(p) > 1 else 1.0
        return np.asarray(np.interp(middle + stretch * (v - middle) + p[0], knots, heights))

    prior = np.array([_PRIOR_SHIFT, _PRIOR_STRETCH][: 1 if change == "shift" else 2])
    rest = moved(np.zeros(len(prior)), x) - y
    noise = max(_LEAST_NOISE, float(rest.std()))
    bound = np.array([2.0, np.log(5.0)])[: len(prior)]
    p = least_squares(moved, np.zeros(len(prior)), -bound, bound, x, y, prior / noise)
    return middle, float(p[0]), float(np.exp(p[1])) if len(p) > 1 else 1.0


def _moved(curve: Curve, middle: float, shift: float, stretch: float) -> Curve:
    """The curve over another axis: the same heights at the raw scores that now lead to them."""
    raw = middle + (np.array(curve.raw) - middle - shift) / stretch
    return Curve(tuple(raw.tolist()), curve.mos)


def _choose(
    held_out: Mapping[Change, Mapping[str, Floats]], y: Floats
) -> tuple[Change, tuple[ChangeError, ...], str]:
    squared = {
        change: np.mean([(mos - y) ** 2 for mos in by_encoding.values()], axis=0)
        for change, by_encoding in held_out.items()
    }
    best = min(squared, key=lambda change: float(squared[change].mean()))
    table = []
    for change, errors in squared.items():
        gap = errors - squared[best]
        rmse = float(np.sqrt(errors.mean()))
        table.append(ChangeError(change, rmse, float(gap.mean()), _standard_error(gap)))
    chosen = next(row.change for row in table if row.gap <= row.error)
    loss = squared[chosen] - squared["keep"]
    if loss.mean() > _standard_error(loss):
        chosen = "keep"
    errors_text = ", ".join(f"{row.change} {row.rmse:.3f}" for row in table)
    rule = (
        "it has the least held-out error, and no simpler change is within one standard error of it"
        if chosen == best
        else f"it is the simplest change within one standard error of the best, {best}"
    )
    return (
        chosen,
        tuple(table),
        f"{chosen}: {rule}. Held-out RMSE in MOS with {len(y)} ratings: {errors_text}.",
    )


def _standard_error(gap: Floats) -> float:
    return float(gap.std(ddof=1) / np.sqrt(len(gap)))
