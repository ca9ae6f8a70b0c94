"""Pictures of a store to a teacher's labels: points, then the pairs that these make worth asking."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from leaf_edge.frames import SourceError
from leaf_edge.teacher.interface import (
    Expanding,
    Failure,
    KnowsFaults,
    NeedsClean,
    Picture,
    Rgb,
    Teacher,
)
from leaf_edge.teacher.leases import new_owner
from leaf_edge.teacher.pair_plan import PairPlan, plan_pairs
from leaf_edge.teacher.pictures import AbsentError, PictureReader
from leaf_edge.teacher.store import LabelStore, PictureRow
from leaf_edge.teacher.work import OnStep, Patience, Task, work

_J = TypeVar("_J")


@dataclass(frozen=True)
class LabelOptions:
    """points, pairs: which are made. pair_plan: how pairs are chosen. versions: whether a teacher that makes
    no synthetic versions judges those that are in the store. seed: of the versions that a teacher makes.
    root: folder of relative paths. patience: with what fails."""

    points: bool = True
    pairs: bool = True
    pair_plan: PairPlan = field(default_factory=PairPlan)
    versions: bool = False
    seed: int = 0
    root: Path | None = None
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        if not (self.points or self.pairs):
            raise ValueError("neither points nor pairs are wanted; expected one of them at least")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected 0 or more")


@dataclass(frozen=True)
class Labelled:
    """What a run did. versions: synthetic versions it added. points, pairs: labels it made; *_s: seconds it
    took. failed: reason of each judgment that is missing because it failed, by `kind key`."""

    pictures: int
    versions: int
    points: int
    pairs: int
    points_s: float
    pairs_s: float
    failed: dict[str, str]


def label(
    store: LabelStore,
    teacher: Teacher,
    options: LabelOptions | None = None,
    on_step: OnStep = lambda kind, done, total, failed: None,
) -> Labelled:
    """Gives every picture of the store the labels of this teacher that it lacks.

    May be stopped at any moment and run again, and run by several processes at once: labels are stored batch
    by batch. The labels are those that one unbroken run would make, as far as the teacher itself repeats.
    on_step: called after each batch.
    """
    options = options or LabelOptions()
    # pairs want frames in any order; a point at a time they come as they lie in the clip
    spool = store.path.absolute().parent if options.pairs else None
    with PictureReader(options.root, spool=spool) as reader:
        return _Labelling(store, teacher, options, reader, on_step).run()


class _Labelling:
    def __init__(
        self,
        store: LabelStore,
        teacher: Teacher,
        options: LabelOptions,
        reader: PictureReader,
        on_step: OnStep,
    ) -> None:
        self._store = store
        self._teacher = teacher
        self._options = options
        self._reader = reader
        self._on_step = on_step
        self._owner = new_owner()
        self._identity = (teacher.name, teacher.version)
        self._rows: dict[str, PictureRow] = {}
        if isinstance(teacher, NeedsClean):
            teacher.with_clean(self._clean)

    def run(self) -> Labelled:
        versions = 0
        if isinstance(self._teacher, Expanding):
            clean = [row for row in self._store.pictures() if not row.recipe]
            versions = self._store.add_pictures(self._teacher.expand(clean, self._options.seed))
        self._rows = {row.sha256: row for row in self._store.pictures() if self._is_judged(row)}
        self._reader.expect(self._rows.values())
        points = pairs = 0
        start = time.monotonic()
        if self._options.points:
            points = self._work(self._point_task())
        middle = time.monotonic()
        if self._options.pairs:
            plan_pairs(self._store, self._identity, self._rows, self._owner, self._options.pair_plan)
            pairs = self._work(self._pair_task())
        failed = {
            f"{row.kind} {row.key}": row.reason
            for row in self._store.failures(*self._identity)
            if (row.kind == "point" and self._options.points) or (row.kind == "pair" and self._options.pairs)
        }
        end = time.monotonic()
        return Labelled(len(self._rows), versions, points, pairs, middle - start, end - middle, failed)

    def _is_judged(self, row: PictureRow) -> bool:
        if isinstance(self._teacher, Expanding):
            return bool(row.recipe) or self._teacher.assume_clean
        return not row.recipe or self._options.versions

    def _clean(self, sha256: str) -> Rgb:
        """For teachers that compare: pixels of a clean picture of the store."""
        row = self._store.picture(sha256)
        if row is None:
            raise KeyError(f"picture {sha256} is not in {self._store.path}")
        return self._reader.read(row).rgb

    def _work(self, task: Task) -> int:
        return work(self._store, task, self._owner, self._options.patience, self._on_step)

    # Points, and faults where they are known

    def _point_task(self) -> Task:
        keys = self._in_file_order()

        def missing() -> list[str]:
            done = self._store.labelled("points", *self._identity)
            return [key for key in keys if key not in done]

        def judge(batch: list[str]) -> dict[str, Failure]:
            pictures, failed = self._open(batch)
            answers = self._teacher.points(list(pictures.values())) if pictures else []
            judged, refused = _sort(list(pictures), answers)
            failed |= refused
            faults = {key: self._faults(pictures[key]) for key in judged}
            with self._store.transaction():
                self._store.put_points(*self._identity, judged.items())
                known = [(key, severities) for key, severities in faults.items() if severities is not None]
                self._store.put_faults(*self._identity, known)
                self._store.put_failures(*self._identity, "point", failed.items())
            return failed

        return self._task("point", "points", keys, missing, judge)

    def _task(
        self,
        kind: str,
        table: str,
        keys: Sequence[str],
        missing: Callable[[], list[str]],
        judge: Callable[[list[str]], dict[str, Failure]],
    ) -> Task:
        def is_done(key: str) -> bool:
            return self._store.has(table, *self._identity, key)

        batch = max(1, self._teacher.batch)
        return Task(kind, *self._identity, batch, len(keys), missing, is_done, judge)

    def _in_file_order(self) -> list[str]:
        """Pictures of one file, and versions of one picture, come together."""
        rows = self._rows.values()
        return [r.sha256 for r in sorted(rows, key=lambda r: (r.source, r.frame or 0, r.sha256))]

    def _faults(self, picture: Picture) -> tuple[float, ...] | None:
        if isinstance(self._teacher, KnowsFaults):
            return self._teacher.fault_severities(picture)
        return None

    def _open(self, keys: Sequence[str]) -> tuple[dict[str, Picture], dict[str, Failure]]:
        opened = self._reader.read_all(self._rows[key] for key in keys)
        pictures: dict[str, Picture] = {}
        failed: dict[str, Failure] = {}
        for key in keys:
            found = opened[key]
            if isinstance(found, SourceError):
                failed[key] = Failure(str(found), transient=isinstance(found, AbsentError))
            else:
                pictures[key] = found
        return pictures, failed

    # Pairs

    def _pair_task(self) -> Task:
        place = {key: number for number, key in enumerate(self._in_file_order())}
        planned = [
            pair for pair in self._store.plan(*self._identity) if pair[0] in place and pair[1] in place
        ]
        # near each other in their files, so that few are read twice
        planned.sort(key=lambda pair: sorted((place[pair[0]], place[pair[1]])))
        keys = [f"{first} {second}" for first, second in planned]

        def missing() -> list[str]:
            done = self._store.labelled("pairs", *self._identity)
            return [key for key in keys if key not in done]

        def judge(batch: list[str]) -> dict[str, Failure]:
            names = {key: key.split(" ") for key in batch}
            pictures, unreadable = self._open(sorted({name for both in names.values() for name in both}))
            failed: dict[str, Failure] = {}
            ready: list[str] = []
            for key, both in names.items():
                lost = next((unreadable[name] for name in both if name in unreadable), None)
                if lost is None:
                    ready.append(key)
                else:
                    failed[key] = lost
            asked = [(pictures[names[key][0]], pictures[names[key][1]]) for key in ready]
            judged, refused = _sort(ready, self._teacher.pairs(asked) if asked else [])
            failed |= refused
            labels = [(names[key][0], names[key][1], judgment) for key, judgment in judged.items()]
            with self._store.transaction():
                self._store.put_pairs(*self._identity, labels)
                self._store.put_failures(*self._identity, "pair", failed.items())
            return failed

        return self._task("pair", "pairs", keys, missing, judge)


def _sort(keys: Sequence[str], answers: Sequence[_J | Failure]) -> tuple[dict[str, _J], dict[str, Failure]]:
    """Answers by key: judgments, failures."""
    if len(answers) != len(keys):
        raise RuntimeError(f"the teacher gave {len(answers)} answers to {len(keys)} questions")
    judged: dict[str, _J] = {}
    failed: dict[str, Failure] = {}
    for key, answer in zip(keys, answers, strict=True):
        if isinstance(answer, Failure):
            failed[key] = answer
        else:
            judged[key] = answer
    return judged, failed
