"""Labels of a store as arrays: what joint distillation learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS, LEVEL_MOS, LEVELS, MOS_MAX, MOS_MIN
from leaf_edge.teacher.rows import PictureRow
from leaf_edge.teacher.store import LabelStore

Floats = NDArray[np.float32]
_MOS = np.array(LEVEL_MOS, np.float32)


@dataclass(frozen=True)
class TeacherLabels:
    """Labels of N pictures and M pairs, teachers merged.

    keys: identity of each picture. levels: float32 [N, 5], probabilities of `contract.LEVELS`, NaN without a
    point label; reliability: float32 [N]. faults: float32 [N, 8], NaN where none is known.
    pairs: int64 [M, 2], positions; preference: float32 [M] for the first; pair_reliability: float32 [M].
    groups: what belongs to one scene and stays on one side of a split. rows: of the store, if there is one.
    """

    keys: tuple[str, ...]
    levels: Floats
    reliability: Floats
    faults: Floats
    pairs: NDArray[np.int64]
    preference: Floats
    pair_reliability: Floats
    groups: tuple[str, ...]
    rows: tuple[PictureRow, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        n, m = len(self.keys), len(self.pairs)
        shapes = {
            "levels": (self.levels.shape, (n, len(LEVELS))),
            "reliability": (self.reliability.shape, (n,)),
            "faults": (self.faults.shape, (n, len(FAULTS))),
            "pairs": (self.pairs.shape, (m, 2)),
            "preference": (self.preference.shape, (m,)),
            "pair_reliability": (self.pair_reliability.shape, (m,)),
        }
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise ValueError(f"{name} has shape {list(found)}; expected {list(expected)}")
        if m and not (self.pairs.min() >= 0 and self.pairs.max() < n):
            raise ValueError(f"pairs name pictures {self.pairs.min()} to {self.pairs.max()} of {n}")

    @property
    def quality(self) -> Floats:
        """Expected quality [N] in raw units, 0 to 1; NaN without a point label."""
        raw: Floats = (self.levels @ _MOS - MOS_MIN) / (MOS_MAX - MOS_MIN)
        return raw

    @property
    def pointed(self) -> NDArray[np.bool_]:
        """Which pictures have a point label."""
        return np.isfinite(self.levels[:, 0])

    def subset(self, keep: NDArray[np.bool_]) -> TeacherLabels:
        """The pictures that `keep` [N] names, and the pairs among them."""
        place = np.cumsum(keep) - 1
        among = keep[self.pairs].all(axis=1)
        chosen = np.flatnonzero(keep)
        return TeacherLabels(
            tuple(self.keys[i] for i in chosen),
            self.levels[keep],
            self.reliability[keep],
            self.faults[keep],
            place[self.pairs[among]],
            self.preference[among],
            self.pair_reliability[among],
            tuple(self.groups[i] for i in chosen),
            tuple(self.rows[i] for i in chosen) if self.rows else (),
        )

    def split(self, share: float) -> tuple[TeacherLabels, TeacherLabels]:
        """(training, held out): whole groups, `share` of them held out by a hash of their name, so that
        more labels later do not move a picture to the other side."""
        limit = int(share * 2**32)
        out = np.array(
            [
                int.from_bytes(hashlib.sha256(f"holdout:{g}".encode()).digest()[:4], "big") < limit
                for g in self.groups
            ],
            bool,
        )
        return self.subset(~out), self.subset(out)


class _Judged(Protocol):
    @property
    def teacher(self) -> str: ...


T = TypeVar("T", bound=_Judged)


def from_store(stores: Sequence[LabelStore], teachers: Sequence[str] = ()) -> TeacherLabels:
    """All labels of `stores` by `teachers` (their names; by default of every one).

    Where several teachers or versions judged one picture, their distributions are averaged by reliability.
    Raises ValueError where there is nothing to learn from, or a name is not among the teachers.
    """
    rows: dict[str, PictureRow] = {}
    for store in stores:
        for row in store.pictures():
            rows.setdefault(row.sha256, row)
    known = {t.teacher for store in stores for t in store.teachers()}
    missing = sorted(set(teachers) - known)
    if missing:
        raise ValueError(f"no labels by {missing[0]}; the store has: {', '.join(sorted(known)) or 'none'}")
    place = {sha: i for i, sha in enumerate(rows)}
    n = len(rows)
    levels, weight = np.zeros((n, len(LEVELS))), np.zeros(n)
    reliability, count = np.zeros(n), np.zeros(n)
    faults = np.full((n, len(FAULTS)), np.nan, np.float32)
    pairs: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for store in stores:
        for point in _of(store.points(), teachers):
            i = place[point.sha256]
            # a label without any reliability still says something where it is the only one
            w = point.judgment.reliability + 1e-3
            levels[i] += w * np.array(point.judgment.levels)
            weight[i] += w
            reliability[i] += point.judgment.reliability
            count[i] += 1
        for pair in _of(store.pairs(), teachers):
            key = place[pair.first], place[pair.second]
            pairs.setdefault(key, []).append((pair.judgment.preference, pair.judgment.reliability))
        for fault in _of(store.faults(), teachers):
            faults[place[fault.sha256]] = fault.severities
    if not (count.any() or pairs):
        raise ValueError("no point or pair label in the store: run leaf-edge label first")
    with np.errstate(invalid="ignore"):
        merged, sure = levels / weight[:, None], reliability / count
    weights = {k: [r + 1e-3 for _, r in told] for k, told in pairs.items()}
    return TeacherLabels(
        tuple(rows),
        merged.astype(np.float32),
        np.nan_to_num(sure).astype(np.float32),
        faults,
        np.array(list(pairs), np.int64).reshape(-1, 2),
        np.array(
            [np.average([p for p, _ in told], weights=weights[k]) for k, told in pairs.items()], np.float32
        ),
        np.array([np.mean([r for _, r in told]) for told in pairs.values()], np.float32),
        tuple(_group(row) for row in rows.values()),
        tuple(rows.values()),
    )


def _of(labels: Iterable[T], teachers: Sequence[str]) -> Iterable[T]:
    return (label for label in labels if not teachers or label.teacher in teachers)


def _group(row: PictureRow) -> str:
    """Versions of one clean picture belong together, and so do frames of one clip."""
    if row.recipe:
        return str(row.recipe["clean"])
    return row.source if row.frame is not None else row.sha256
