"""Bootstrap of agreement: whole scenes are drawn, and all resamples are computed at once.

A resample is a row of weights: how often each picture was drawn. The statistics below take weights
[B, N] and give [B] values, each equal to the plain statistic on the repeated pictures.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leaf_edge.extras import require

Vector = NDArray[np.float64]

_KENDALL_MATRIX = 1500
"""Up to so many pictures Kendall's pairs are one matrix product; beyond, each resample is sorted."""
_LEAST_FINITE = 0.9
"""Share of resamples in which a statistic must be defined, for an interval to be given."""


class Estimate(NamedTuple):
    """A statistic and the ends of its percentile interval; NaN where it is undefined or not asked for."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


def draw(pictures: int, resamples: int, seed: int, groups: Sequence[Hashable] | None = None) -> Vector:
    """Weights [B, N], float64: as many groups as there are, drawn with replacement in each row.

    groups: of each picture, length N; pictures of a group come and go together, because they do not
    vary independently. None: each picture is its own group. Raises ValueError for another length.
    """
    if pictures < 1 or resamples < 1:
        raise ValueError(f"expected pictures and resamples; found {pictures} and {resamples}")
    if groups is None:
        member = np.arange(pictures)
    else:
        if len(groups) != pictures:
            raise ValueError(f"expected a group for each of {pictures} pictures; found {len(groups)}")
        first: dict[Hashable, int] = {}
        member = np.array([first.setdefault(group, len(first)) for group in groups])
    count = int(member.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights: Vector = drawn[:, member].astype(np.float64)
    return weights


def interval(value: float, samples: Vector, confidence: float) -> Estimate:
    """`value` with the percentile interval of `samples` [B]; no interval where too few are finite."""
    finite = samples[np.isfinite(samples)]
    if not np.isfinite(value) or len(finite) < _LEAST_FINITE * len(samples) or not len(finite):
        return Estimate(value)
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def pearson(x: Vector, y: Vector, weights: Vector) -> Vector:
    """Pearson's r [B] of x and y, [N] or one row a resample [B, N]; NaN where one is constant."""
    x, y = np.atleast_2d(x), np.atleast_2d(y)
    total = weights.sum(axis=1, keepdims=True)
    dx = x - np.sum(weights * x, axis=1, keepdims=True) / total
    dy = y - np.sum(weights * y, axis=1, keepdims=True) / total
    xx, yy = np.sum(weights * dx * dx, axis=1), np.sum(weights * dy * dy, axis=1)
    # squares that are nothing but rounding belong to a constant
    tiny = 1e-24 * total[:, 0]
    flat_x = xx <= tiny * (np.abs(x).max(axis=1) ** 2 + 1e-300)
    flat_y = yy <= tiny * (np.abs(y).max(axis=1) ** 2 + 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.sum(weights * dx * dy, axis=1) / np.sqrt(xx * yy)
    return np.where(flat_x | flat_y, np.nan, np.clip(r, -1.0, 1.0))


def _tied(x: Vector, weights: Vector) -> tuple[Vector, NDArray[np.intp]]:
    """How often each distinct value was drawn, [B, U] in rising order, and the value of each picture."""
    values, which = np.unique(x, return_inverse=True)
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(len(values)))
    counts: Vector = np.add.reduceat(weights[:, order], starts, axis=1)
    return counts, which


def ranks(x: Vector, weights: Vector) -> Vector:
    """Midranks [B, N] of the values x [N] in each resample, as repeated pictures would have them."""
    counts, which = _tied(x, weights)
    middle = np.cumsum(counts, axis=1) - (counts - 1) / 2
    return middle[:, which]


def spearman(x: Vector, y: Vector, weights: Vector) -> Vector:
    """Spearman's rho [B], midranks for ties; NaN where one side is constant."""
    return pearson(ranks(x, weights), ranks(y, weights), weights)


def kendall(x: Vector, y: Vector, weights: Vector) -> Vector:
    """Kendall's tau-b [B]; NaN where one side is constant."""
    if len(x) > _KENDALL_MATRIX:
        tau = require("scipy.stats", "train").kendalltau
        drawn = weights.astype(np.intp)
        return np.array([tau(np.repeat(x, w), np.repeat(y, w)).statistic for w in drawn], np.float64)
    signs = np.sign(x[:, None] - x[None]) * np.sign(y[:, None] - y[None])
    agreeing = np.einsum("bn,bn->b", weights @ signs, weights) / 2
    total = weights.sum(axis=1)
    pairs = total * (total - 1) / 2
    ties = [np.sum(c * (c - 1), axis=1) / 2 for c in (_tied(x, weights)[0], _tied(y, weights)[0])]
    free_x, free_y = pairs - ties[0], pairs - ties[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        tau_b = agreeing / np.sqrt(free_x * free_y)
    return np.where((free_x <= 0) | (free_y <= 0), np.nan, tau_b)


def mean(x: Vector, weights: Vector) -> Vector:
    """Mean [B] of x, [N] or [B, N]; NaN where nothing that counts was drawn."""
    total = weights.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Vector = np.sum(weights * np.atleast_2d(x), axis=1) / total
    return result
