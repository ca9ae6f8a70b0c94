"""Which frames to have rated next: hard ones, unlike each other, over the whole range of scores.

Greedy: of the stretch of raw scores with the fewest ratings, the frame that is farthest from all that are
rated or chosen (k-center; Sener and Savarese, ICLR 2018, arXiv 1708.00489), its distance weighted by how
hard the frame is for the model. Even stretches, because a monotone map from raw score to MOS can only be
fitted where there are ratings; distance, because a second frame of the same scene teaches little.

Hard and unusual frames are not like the rest: their MOS lie off the curve, to one side. So a part of the
choice is plain: drawn by chance from the stretch, for the curve to be fitted without that bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.ranks import ranks

Floats = NDArray[np.float64]

PLAIN = 0.5
"""Share of plain frames: hard ones teach a fine-tune, plain ones a curve (docs/suggest.md has figures)."""
MAX_STRETCHES = 10
_PER_STRETCH = 3
"""Ratings that a stretch should get at least, so that few ratings make few stretches."""
_DIMENSIONS = 32
"""Principal components that distance is measured in; the rest of learned features is mostly noise."""
_CAP = 0.95
"""Quantile of first distances beyond which a frame counts as no farther: strays are not the whole choice."""
_EASIEST = 0.25
"""Weight of the easiest frame, where the hardest has 1."""
_HARD, _FAR = 0.8, 0.8
"""Difficulty and distance from which a reason mentions them."""


@dataclass(frozen=True)
class Suggestion:
    """index: position of the frame. difficulty: rank among all frames, 0 (easiest) to 1. distance: to the
    nearest frame that was rated or chosen before, in units of the typical such distance at the start.
    low, high: its stretch of raw scores, which had `ratings` ratings and choices so far. reason: a sentence.
    """

    index: int
    difficulty: float
    distance: float
    low: float
    high: float
    ratings: int
    reason: str


def difficulty(spread: ArrayLike, disagreement: ArrayLike | None = None) -> Floats:
    """Mean rank, 0 (easiest) to 1, of the model's own uncertainty [N] and, where given, of the teacher's
    disagreement with it [N]; NaN in the latter where there is no teacher's word, which counts as the middle.
    """
    hard = _share(np.asarray(spread, np.float64))
    if disagreement is None:
        return hard
    told = np.asarray(disagreement, np.float64)
    known = np.isfinite(told)
    other = np.full(len(told), 0.5)
    other[known] = _share(told[known])
    mean: Floats = (hard + other) / 2
    return mean


def suggest(
    features: ArrayLike,
    raw: ArrayLike,
    spread: ArrayLike,
    count: int,
    *,
    rated: Sequence[int] = (),
    disagreement: ArrayLike | None = None,
    plain: float = PLAIN,
) -> list[Suggestion]:
    """At most `count` frames to rate next, the most useful first; each prefix is a choice of its own.

    features: [N, D], what makes frames alike. raw: the model's scores [N]. spread: its uncertainty [N].
    rated: positions that have ratings already; never suggested. disagreement: see `difficulty`.
    plain: share, 0 to 1, of frames drawn by chance from their stretch, in between the others.
    Deterministic. Raises `CalibrationError` for shapes that do not fit, values that are not finite,
    positions out of range, or a count below 1.
    """
    x, scores = np.asarray(features, np.float64), np.asarray(raw, np.float64)
    taken = _checked(x, scores, np.asarray(spread, np.float64), count, rated, disagreement, plain)
    hard = difficulty(spread, disagreement)
    weight = _EASIEST + (1 - _EASIEST) * hard
    points = _reduced(x)
    edges, stretch = _stretches(scores, count + int(taken.sum()))
    ratings = np.bincount(stretch[taken], minlength=len(edges) - 1)
    distance, unit, cap = _first_distances(points, np.flatnonzero(taken))
    open_ = ~taken
    lot = np.random.default_rng(0).permutation(len(scores))
    chosen: list[Suggestion] = []
    while len(chosen) < count and open_.any():
        filled = np.where(np.bincount(stretch[open_], minlength=len(ratings)) > 0, ratings, np.iinfo(int).max)
        neediest = open_ & (filled[stretch] == filled.min())
        by_lot = int((len(chosen) + 1) * plain) > int(len(chosen) * plain)
        gain = np.where(neediest, lot if by_lot else weight * np.minimum(distance, cap), -1.0)
        best = int(gain.argmax())
        place = int(stretch[best])
        parts = (float(hard[best]), float(min(distance[best], cap) / unit), edges[place], edges[place + 1])
        chosen.append(_suggestion(best, *parts, int(ratings[place]), bool(taken.any() or chosen), by_lot))
        open_[best] = False
        ratings[place] += 1
        distance = np.minimum(distance, np.linalg.norm(points - points[best], axis=1))
    return chosen


def _checked(
    x: Floats,
    raw: Floats,
    spread: Floats,
    count: int,
    rated: Sequence[int],
    disagreement: ArrayLike | None,
    plain: float,
) -> NDArray[np.bool_]:
    n = len(raw)
    told = np.zeros(n) if disagreement is None else np.asarray(disagreement, np.float64)
    if raw.ndim != 1 or n < 1 or x.ndim != 2 or len(x) != n or spread.shape != (n,) or told.shape != (n,):
        raise CalibrationError(
            "expected features [N, D] and raw, spread and disagreement [N], N >= 1; found "
            f"{list(x.shape)}, {list(raw.shape)}, {list(spread.shape)} and {list(told.shape)}"
        )
    if not (np.isfinite(x).all() and np.isfinite(raw).all() and np.isfinite(spread).all()):
        raise CalibrationError("features, raw scores and spreads must be finite")
    if not 0 <= plain <= 1:
        raise CalibrationError(f"the share of plain frames is {plain:g}; expected 0 to 1")
    if count < 1:
        raise CalibrationError(f"{count} frames to suggest; expected 1 or more")
    positions = np.asarray(rated, np.intp).reshape(-1)
    if len(positions) and (positions.min() < 0 or positions.max() >= n):
        raise CalibrationError(
            f"rated frames are {positions.min()} to {positions.max()}; expected positions in 0 to {n - 1}"
        )
    taken = np.zeros(n, np.bool_)
    taken[positions] = True
    return taken


def _share(values: Floats) -> Floats:
    """Ranks over their greatest, 0 to 1; 1/2 where all are alike."""
    if len(values) < 2 or np.ptp(values) == 0:
        return np.full(len(values), 0.5)
    return ranks(values) / (len(values) - 1)


def _reduced(x: Floats) -> Floats:
    """Standardised features on their first principal components, float64 [N, <= 32]."""
    scale = x.std(axis=0)
    z = (x - x.mean(axis=0))[:, scale > 1e-12] / scale[scale > 1e-12]
    if z.shape[1] <= _DIMENSIONS:
        return np.asarray(z, np.float64)
    _, axes = np.linalg.eigh(z.T @ z)
    reduced: Floats = z @ axes[:, -_DIMENSIONS:]
    return reduced


def _stretches(raw: Floats, ratings: int) -> tuple[Floats, NDArray[np.intp]]:
    """Ends [B + 1] of equal stretches between the 1st and 99th percentile, and the stretch of each frame."""
    count = int(np.clip(ratings // _PER_STRETCH, 1, MAX_STRETCHES))
    low, high = np.quantile(raw, [0.01, 0.99])
    inner = np.linspace(low, high, count + 1)[1:-1]
    edges = np.concatenate([[raw.min()], inner, [raw.max()]])
    return edges, np.searchsorted(inner, raw, side="right")


def _first_distances(points: Floats, taken: NDArray[np.intp]) -> tuple[Floats, float, float]:
    """Distance [N] to the nearest rated frame, or to the middle of all where none is rated; the typical one
    (never 0); and the cap."""
    if len(taken):
        distance = np.full(len(points), np.inf)
        for i in taken:
            np.minimum(distance, np.linalg.norm(points - points[i], axis=1), out=distance)
    else:
        distance = (
            np.linalg.norm(points - points.mean(axis=0), axis=1) if points.size else np.zeros(len(points))
        )
    unit = float(np.median(distance[distance > 0])) if (distance > 0).any() else 1.0
    cap = max(float(np.quantile(distance, _CAP)), unit)
    if not len(taken):  # nothing is near to anything yet: the hardest frame comes first
        distance = np.full(len(points), cap)
    return distance, unit, cap


def _suggestion(
    index: int,
    hard: float,
    distance: float,
    low: float,
    high: float,
    ratings: int,
    compared: bool,
    by_lot: bool,
) -> Suggestion:
    number = "none" if ratings == 0 else str(ratings)
    parts = [f"raw {low:.3f} to {high:.3f} has {number} rated or chosen so far"]
    if by_lot:
        return Suggestion(index, hard, distance, low, high, ratings, f"{parts[0]}; plain, drawn by chance")
    if hard >= _HARD:
        parts.append("hardest of all" if hard >= 1 else f"harder than {100 * hard:.0f} % of frames")
    if not compared:
        parts.append("the first to be rated")
    elif distance >= _FAR:
        parts.append(f"unlike what is rated or chosen ({distance:.1f} times the typical distance)")
    return Suggestion(index, hard, distance, low, high, ratings, "; ".join(parts))
