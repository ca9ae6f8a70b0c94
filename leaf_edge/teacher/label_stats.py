"""What a label store says about its labels: how many, how consistent, how far to believe them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.teacher.components import Components
from leaf_edge.teacher.cycles import cycles
from leaf_edge.teacher.reliability_bins import against_mos, points_and_pairs
from leaf_edge.teacher.store import Identity, LabelStore, PairRow, PointRow

IDLE_S = 600.0
"""A longer time without a new label is a pause, not work."""

Stats = dict[str, Any]


def store_stats(store: LabelStore, mos: Mapping[str, float] | None = None, seed: int = 0) -> Stats:
    """Everything about a store, as JSON has it (numbers that do not exist are None).

    mos: human opinion 1..5 of pictures by SHA-256. seed: of the sample of triangles, where there are too many
    for all to be looked at.
    """
    rows = store.pictures()
    pictures = {
        "pictures": len(rows),
        "images": sum(row.frame is None and not row.recipe for row in rows),
        "clip_frames": sum(row.frame is not None and not row.recipe for row in rows),
        "synthetic_versions": sum(bool(row.recipe) for row in rows),
    }
    failures = store.failures()
    identities = sorted({*store.teachers(), *(Identity(f.teacher, f.version) for f in failures)})
    teachers = [_teacher(store, identity, mos, seed) for identity in identities]
    return {"store": str(store.path), **pictures, "teachers": teachers}


def _teacher(store: LabelStore, identity: Identity, mos: Mapping[str, float] | None, seed: int) -> Stats:
    points, pairs = store.points(*identity), store.pairs(*identity)
    failures = store.failures(*identity)
    stats: Stats = {
        **identity._asdict(),
        "points": len(points),
        "pairs": len(pairs),
        "faults": len(store.faults(*identity)),
        "planned_pairs": len(store.plan(*identity)),
        "failures": {
            "transient": sum(row.transient for row in failures),
            "permanent": sum(not row.transient for row in failures),
            "reasons": _reasons([row.reason for row in failures]),
        },
        "point_reliability": _mean([row.judgment.reliability for row in points]),
        "pair_reliability": _mean([row.judgment.reliability for row in pairs]),
        "images_per_hour": rate_per_hour([row.created for row in points]),
        "pairs_per_hour": rate_per_hour([row.created for row in pairs]),
        "order": order_consistency(pairs),
        "graph": graph(points, pairs),
        "cycles": cycles([(r.first, r.second, r.judgment.preference) for r in pairs], seed=seed),
        "points_and_pairs": points_and_pairs(points, pairs),
    }
    if mos is not None:
        stats["mos"] = against_mos(points, pairs, mos)
    return stats


def order_consistency(pairs: Sequence[PairRow]) -> Stats | None:
    """How much the order of presentation matters; None without pairs.

    same_choice: share of pairs in which both orders prefer the same picture (a preference of exactly 1/2 in
    one order only does not). mean_difference: mean absolute difference of the preferences. first_shown:
    how far the picture shown first is preferred, mean preference for it less 1/2 (-1/2..1/2; 0 is fair).
    """
    if not pairs:
        return None
    forward = np.array([row.judgment.forward for row in pairs])
    backward = np.array([row.judgment.backward for row in pairs])
    return {
        "same_choice": float(np.mean(np.sign(forward - 0.5) == np.sign(backward - 0.5))),
        "mean_difference": float(np.abs(forward - backward).mean()),
        "first_shown": float((forward - backward).mean() / 2),
    }


def graph(points: Sequence[PointRow], pairs: Sequence[PairRow]) -> Stats | None:
    """Connectedness of what was compared; None without pairs.

    pictures: that are in a pair. components: parts with no pair between them (1: one scale). largest: share
    of the pictures in the largest part. degree_least, degree_mean: pairs of a picture. uncompared: pictures
    with a point label and no pair.
    """
    if not pairs:
        return None
    keys = sorted({key for row in pairs for key in (row.first, row.second)})
    place = {key: number for number, key in enumerate(keys)}
    parts = Components(len(keys))
    degree = np.zeros(len(keys), np.int64)
    for row in pairs:
        a, b = place[row.first], place[row.second]
        parts.join(a, b)
        degree[[a, b]] += 1
    return {
        "pictures": len(keys),
        "components": parts.count,
        "largest": parts.sizes[0] / len(keys),
        "degree_least": int(degree.min()),
        "degree_mean": float(degree.mean()),
        "uncompared": sum(row.sha256 not in place for row in points),
    }


def rate_per_hour(created: Sequence[float]) -> float | None:
    """Labels an hour, of the times (Unix seconds) at which they were stored, pauses of ten minutes and more
    left out; None where all came at once.

    The batch that comes first, and first after a pause, is not counted: when its work began is not known.
    """
    times: NDArray[np.float64]
    times, counts = np.unique(np.asarray(created, np.float64), return_counts=True)
    gaps = np.diff(times)
    busy = gaps < IDLE_S
    seconds = float(gaps[busy].sum())
    return float(3600 * counts[1:][busy].sum() / seconds) if seconds > 0 else None


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _reasons(reasons: Sequence[str], shown: int = 5) -> dict[str, int]:
    """The most frequent ones."""
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:shown])
