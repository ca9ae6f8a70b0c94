"""Agreement of predicted and human quality."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leaf_edge.evaluation import bootstrap
from leaf_edge.evaluation.bootstrap import Estimate
from leaf_edge.evaluation.fit import Fit, fit_logistic
from leaf_edge.extras import require

_CHUNK = 1_000_000
"""Most numbers in one array of resamples times pictures: bounds memory."""
OUTLIER_DEVIATIONS = 2.0
"""An error beyond so many standard deviations of the picture's ratings is an outlier."""


class Agreement(NamedTuple):
    """srcc, plcc, krcc: Spearman, Pearson (no fit), Kendall tau-b. rmse: in the inputs' unit. pictures: N."""

    srcc: float
    plcc: float
    krcc: float
    rmse: float
    pictures: int


@dataclass(frozen=True)
class Measures:
    """What `measure` found; each number with its interval.

    srcc, plcc, krcc: Spearman, Pearson, Kendall tau-b of predictions as they are. rmse: their error,
    in MOS. plcc_fitted, rmse_fitted: the same after the map `fit`. outlier_ratio: share of pictures
    whose fitted prediction errs by more than `OUTLIER_DEVIATIONS` deviations of its ratings (after VQEG
    and ITU-T P.1401); NaN without deviations. coverage: share of MOS inside the model's intervals;
    None without intervals. width: mean width of those, in MOS. pictures: N. groups: independent scenes.
    notes: why a number is missing or is not what was asked for.
    """

    srcc: Estimate
    plcc: Estimate
    plcc_fitted: Estimate
    krcc: Estimate
    rmse: Estimate
    rmse_fitted: Estimate
    outlier_ratio: Estimate
    coverage: Estimate | None
    width: float | None
    fit: Fit
    pictures: int
    groups: int
    notes: tuple[str, ...]


def _vectors(predicted: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a: NDArray[np.float64] = np.asarray(predicted, np.float64)
    b: NDArray[np.float64] = np.asarray(truth, np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
        raise ValueError(f"expected two vectors of one length, 2 or more; found {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("expected finite values; found NaN or infinity")
    return a, b


def agreement(predicted: ArrayLike, truth: ArrayLike) -> Agreement:
    """Correlations and error of two vectors [N], N >= 2; NaN where one of them is constant.

    Raises ValueError for unequal lengths, fewer than two values or values that are not finite.
    """
    stats = require("scipy.stats", "train")
    a, b = _vectors(predicted, truth)
    rmse = float(np.sqrt(np.mean((a - b) ** 2)))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return Agreement(np.nan, np.nan, np.nan, rmse, len(a))
    return Agreement(
        float(stats.spearmanr(a, b).statistic),
        float(stats.pearsonr(a, b).statistic),
        float(stats.kendalltau(a, b).statistic),
        rmse,
        len(a),
    )


def measure(
    predicted: ArrayLike,
    truth: ArrayLike,
    *,
    deviations: ArrayLike | None = None,
    groups: Sequence[Hashable] | None = None,
    intervals: tuple[ArrayLike, ArrayLike] | None = None,
    parameters: int = 4,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Measures:
    """Every number of `Measures` for predictions and MOS, [N] each, N >= 2.

    deviations: standard deviation of each picture's ratings in MOS, NaN where unknown, [N].
    groups: of each picture; scenes are resampled whole. intervals: lower and upper ends that the
    model gives, [N] each. parameters: of the logistic fit, 4 or 5. resamples: of the percentile
    bootstrap, 0 for no intervals; the fit is made anew in each. confidence: 0 to 1, ends excluded.
    Raises ValueError for vectors or settings that are not so.
    """
    a, b = _vectors(predicted, truth)
    if not 0 < confidence < 1 or resamples < 0:
        raise ValueError(f"expected confidence in 0..1 and resamples from 0; found {confidence}, {resamples}")
    if groups is not None and len(groups) != len(a):
        raise ValueError(f"expected a group for each of {len(a)} pictures; found {len(groups)}")
    plain = agreement(a, b)
    fit = fit_logistic(a, b, parameters)
    fitted = fit(a)
    notes = [f"fit: {fit.kind}, because {fit.reason}"] if fit.reason else []
    spread = np.full(len(a), np.nan) if deviations is None else np.asarray(deviations, np.float64)
    inside, width = None, None
    if intervals is not None:
        low, high = (np.asarray(end, np.float64) for end in intervals)
        if low.shape != a.shape or high.shape != a.shape:
            raise ValueError(f"expected interval ends of shape {a.shape}; found {low.shape} and {high.shape}")
        inside, width = ((b >= low) & (b <= high)).astype(np.float64), float(np.mean(high - low))
    if spread.shape != a.shape:
        raise ValueError(f"expected deviations of shape {a.shape}; found {spread.shape}")
    known = np.isfinite(spread) & (spread > 0)
    if not known.any():
        notes.append("outlier ratio: the set gives no deviation of the ratings")
    elif not known.all():
        notes.append(f"outlier ratio: of the {known.sum()} pictures with a deviation above 0")
    limit = np.where(known, OUTLIER_DEVIATIONS * spread, np.inf)
    values = {
        "srcc": plain.srcc,
        "plcc": plain.plcc,
        "plcc_fitted": agreement(fitted, b).plcc,
        "krcc": plain.krcc,
        "rmse": plain.rmse,
        "rmse_fitted": float(np.sqrt(np.mean((fitted - b) ** 2))),
        "outlier_ratio": float(np.mean((np.abs(fitted - b) > limit)[known])) if known.any() else np.nan,
    }
    if inside is not None:
        values["coverage"] = float(inside.mean())
    estimates = {name: Estimate(value) for name, value in values.items()}
    if resamples:
        drawn = bootstrap.draw(len(a), resamples, seed, groups)
        parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in values}
        rows = max(1, _CHUNK // len(a))
        for weights in (drawn[i : i + rows] for i in range(0, resamples, rows)):
            again = fit.refit(weights, a, b)
            parts["srcc"].append(bootstrap.spearman(a, b, weights))
            parts["plcc"].append(bootstrap.pearson(a, b, weights))
            parts["krcc"].append(bootstrap.kendall(a, b, weights))
            parts["plcc_fitted"].append(bootstrap.pearson(again, b, weights))
            parts["rmse"].append(np.sqrt(bootstrap.mean((a - b) ** 2, weights)))
            parts["rmse_fitted"].append(np.sqrt(bootstrap.mean((again - b) ** 2, weights)))
            beyond = (np.abs(again - b) > limit).astype(np.float64)
            parts["outlier_ratio"].append(bootstrap.mean(beyond[:, known], weights[:, known]))
            if inside is not None:
                parts["coverage"].append(bootstrap.mean(inside, weights))
        for name, value in values.items():
            estimates[name] = bootstrap.interval(value, np.concatenate(parts[name]), confidence)
    count = len(a) if groups is None else len(set(groups))
    return Measures(
        **{name: estimates[name] for name in estimates if name != "coverage"},
        coverage=estimates.get("coverage"),
        width=width,
        fit=fit,
        pictures=len(a),
        groups=count,
        notes=tuple(notes),
    )
