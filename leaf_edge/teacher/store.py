"""The label store: pictures, and what teachers say of them, in one SQLite file.

Several processes may use one file at once (WAL, a busy timeout, leases); a process that is killed at any
moment leaves whole rows. Labels are never overwritten: the first one of a teacher and version stays.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leaf_edge.contract import FAULTS, LEVELS
from leaf_edge.teacher import leases
from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.recipe import canonical_json, recipe_sha256
from leaf_edge.teacher.rows import FailureRow, FaultRow, Identity, PairRow, PictureRow, PointRow
from leaf_edge.teacher.schema import TABLES, StoreError, connect

__all__ = [
    "FailureRow",
    "FaultRow",
    "Identity",
    "LabelStore",
    "PairRow",
    "PictureRow",
    "PointRow",
    "StoreError",
]

_SHA256 = re.compile(r"[0-9a-f]{64}")


class LabelStore:
    """An open label store; a context manager, for one thread.

    create: make the file where there is none. Raises FileNotFoundError where there is none and `create` is
    false, `StoreError` for a file that is no label store or is of a newer version.
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self.path = Path(path)
        self._db = connect(self.path, create=create)

    def close(self) -> None:
        """Closes the file; SQLite folds the write-ahead log in when the last one leaves."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing of what is written inside; an outer transaction includes inner ones."""
        if self._db.in_transaction:
            yield self._db
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:  # no room, no right to write, locked for a minute
            self._rollback()
            raise StoreError(f"{self.path}: {error}") from error
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # Pictures

    def add_pictures(self, rows: Iterable[PictureRow]) -> int:
        """Adds pictures; those that are there stay as they are. Returns how many were new.

        Raises ValueError for an identity that is no SHA-256, or not that of the recipe.
        """
        return self._insert("pictures", [_picture_values(row) for row in rows])

    def pictures(self) -> list[PictureRow]:
        """All pictures, in the order of their identities."""
        return [_picture(row) for row in self._db.execute("SELECT * FROM pictures ORDER BY sha256")]

    def picture(self, sha256: str) -> PictureRow | None:
        """One picture, None where the store does not have it."""
        row = self._db.execute("SELECT * FROM pictures WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else _picture(row)

    # Labels

    def put_points(self, teacher: str, version: str, labels: Iterable[tuple[str, PointJudgment]]) -> int:
        """Stores point labels, in one transaction. A label that is there stays. Returns how many were new.

        Raises ValueError for a picture that the store does not have; then none is stored.
        """
        now = time.time()
        rows = [
            (sha256, teacher, version, *judgment.levels, judgment.mos, judgment.reliability, now)
            for sha256, judgment in labels
        ]
        return self._insert("points", rows)

    def put_pairs(self, teacher: str, version: str, labels: Iterable[tuple[str, str, PairJudgment]]) -> int:
        """Stores pair labels as `put_points` does, turned so that first < second."""
        now = time.time()
        rows = []
        for first, second, judgment in labels:
            if first == second:
                raise ValueError(f"a pair is of the picture {first} and itself; expected two pictures")
            a, b, j = (first, second, judgment) if first < second else (second, first, judgment.swapped())
            rows.append((a, b, teacher, version, j.forward, j.backward, j.reliability, now))
        return self._insert("pairs", rows)

    def put_faults(self, teacher: str, version: str, labels: Iterable[tuple[str, Sequence[float]]]) -> int:
        """Stores severities of `contract.FAULTS` (8 values of 0..1) as `put_points` does."""
        rows = []
        for sha256, severities in labels:
            if len(severities) != len(FAULTS) or not all(0 <= float(value) <= 1 for value in severities):
                raise ValueError(f"expected {len(FAULTS)} severities of 0 to 1; found {severities}")
            rows.append((sha256, teacher, version, *map(float, severities)))
        return self._insert("faults", rows)

    def points(self, teacher: str | None = None, version: str | None = None) -> list[PointRow]:
        """Point labels, of one teacher and version where given, ordered by teacher, version, picture."""
        return [
            PointRow(row[0], row[1], row[2], PointJudgment(tuple(row[3 : 3 + len(LEVELS)]), row[-2]), row[-1])
            for row in self._select("points", teacher, version)
        ]

    def pairs(self, teacher: str | None = None, version: str | None = None) -> list[PairRow]:
        """Pair labels, ordered by teacher, version, first, second."""
        return [
            PairRow(row[0], row[1], row[2], row[3], PairJudgment(*row[4:7]), row[7])
            for row in self._select("pairs", teacher, version)
        ]

    def faults(self, teacher: str | None = None, version: str | None = None) -> list[FaultRow]:
        """Fault labels, ordered by teacher, version, picture."""
        return [
            FaultRow(row[0], row[1], row[2], tuple(row[3:]))
            for row in self._select("faults", teacher, version)
        ]

    def teachers(self) -> list[Identity]:
        """Who labelled anything here, in order."""
        union = " UNION ".join(f"SELECT teacher, version FROM {t}" for t in ("points", "pairs", "faults"))
        return [Identity(*row) for row in self._db.execute(f"{union} ORDER BY teacher, version")]

    # The plan of pairs, and what failed

    def add_plan(self, teacher: str, version: str, pairs: Iterable[tuple[str, str]]) -> int:
        """Pairs that this teacher is to judge, in one transaction. Returns how many were new."""
        return self._insert("plan", [(*sorted(pair), teacher, version) for pair in pairs])

    def plan(self, teacher: str, version: str) -> list[tuple[str, str]]:
        """Pairs to judge or judged already, in order."""
        return [(row[0], row[1]) for row in self._select("plan", teacher, version)]

    def put_failures(
        self, teacher: str, version: str, kind: str, failures: Iterable[tuple[str, Failure]]
    ) -> None:
        """Notes judgments that could not be had; one that failed before counts one attempt more."""
        now = time.time()
        with self.transaction() as db:
            db.executemany(
                "INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET "
                "reason = excluded.reason, transient = excluded.transient, attempts = attempts + 1, "
                "updated = excluded.updated",
                [(kind, key, teacher, version, f.reason, int(f.transient), now) for key, f in failures],
            )

    def clear_failures(self, teacher: str, version: str, kind: str, keys: Iterable[str]) -> None:
        """Forgets failures of what has been judged since."""
        with self.transaction() as db:
            db.executemany(
                "DELETE FROM failures WHERE teacher = ? AND version = ? AND kind = ? AND key = ?",
                [(teacher, version, kind, key) for key in keys],
            )

    def failures(self, teacher: str | None = None, version: str | None = None) -> list[FailureRow]:
        """What failed, ordered by teacher, version, kind, key."""
        return [
            FailureRow(row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6], row[7])
            for row in self._select("failures", teacher, version)
        ]

    # Leases

    def claim(
        self, kind: str, keys: Sequence[str], owner: str, seconds: float, limit: int | None = None
    ) -> list[str]:
        """Those of `keys`, in order and at most `limit`, that `owner` (`leases.new_owner()`) may work on for
        `seconds`: free ones, its own, and those whose lease expired or whose process has ended."""
        with self.transaction() as db:
            return leases.claim(db, kind, keys, owner, seconds, limit)

    def release(self, kind: str, keys: Sequence[str], owner: str) -> None:
        """Gives leases back. Those of other owners stay."""
        with self.transaction() as db:
            leases.release(db, kind, keys, owner)

    # Whole stores

    def merge(self, other: str | Path) -> dict[str, int]:
        """Takes in the rows of another store. Returns the number of new rows of each table.

        Where both have a label of the same picture, teacher and version, the older one stays (of two of the
        same second, the smaller by its values), so that the order of merging does not matter. The path of a
        picture that both have stays that of this store. Failures of what is labelled go.
        """
        from leaf_edge.teacher.merging import merge_into

        return merge_into(self._db, self.path, Path(other))

    def clip_frames(self, sha256: str, every: int) -> int | None:
        """How many frames of a clip are in the store already, None where it was not read to its end."""
        row = self._db.execute(
            "SELECT frames FROM clips WHERE sha256 = ? AND every = ?", (sha256, every)
        ).fetchone()
        return None if row is None else int(row[0])

    def add_clip(self, sha256: str, every: int, rows: Sequence[PictureRow]) -> int:
        """Adds all frames of a clip at once. Returns how many were new."""
        with self.transaction() as db:
            new = self.add_pictures(rows)
            db.execute("INSERT OR IGNORE INTO clips VALUES (?, ?, ?)", (sha256, every, len(rows)))
            return new

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> int:
        marks = ", ".join("?" * len(TABLES[table].columns))
        key = ", ".join(TABLES[table].key)
        with self.transaction() as db:
            before = db.total_changes
            try:
                db.executemany(
                    f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({key}) DO NOTHING",
                    rows,
                )
            except sqlite3.IntegrityError as error:
                raise ValueError(f"{table}: {_explain(error)}") from None
            return db.total_changes - before

    def _select(self, table: str, teacher: str | None, version: str | None) -> Iterator[tuple[Any, ...]]:
        wanted = {"teacher": teacher, "version": version}
        where = [f"{name} = ?" for name, value in wanted.items() if value is not None]
        condition = f"WHERE {' AND '.join(where)} " if where else ""
        order = ", ".join(TABLES[table].key)
        values = [value for value in wanted.values() if value is not None]
        return iter(self._db.execute(f"SELECT * FROM {table} {condition}ORDER BY {order}", values))


def _explain(error: sqlite3.IntegrityError) -> str:
    if "FOREIGN KEY" in str(error):
        return "a label is of a picture that is not in the store; add_pictures comes first"
    return str(error)


def _picture_values(row: PictureRow) -> tuple[Any, ...]:
    if not _SHA256.fullmatch(row.sha256):
        raise ValueError(
            f"a picture's identity is {row.sha256!r}; expected a SHA-256 of 64 lower-case hexadecimal digits"
        )
    if row.recipe and recipe_sha256(row.recipe) != row.sha256:
        raise ValueError(
            f"picture {row.sha256} has a recipe whose identity is {recipe_sha256(row.recipe)}; "
            "expected the same"
        )
    recipe = canonical_json(row.recipe) if row.recipe else ""
    return (row.sha256, row.source, row.frame, recipe, row.width, row.height)


def _picture(row: tuple[Any, ...]) -> PictureRow:
    sha256, source, frame, recipe, width, height = row
    return PictureRow(sha256, source, frame, json.loads(recipe) if recipe else {}, width, height)
