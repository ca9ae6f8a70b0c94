"""The label store: pictures, and what teachers say of them, in one SQLite file.

Several processes may use one file at once (WAL, a busy timeout, leases); a process that is killed at any
moment leaves whole rows. Labels are never overwritten: the first one of a teacher and version stays.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from leaf_edge.contract import FAULTS, LEVELS
from leaf_edge.teacher.bookkeeping import Bookkeeping
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.recipe import canonical_json, recipe_sha256
from leaf_edge.teacher.rows import FailureRow, FaultRow, Identity, PairRow, PictureRow, PointRow
from leaf_edge.teacher.schema import StoreError

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


class LabelStore(Bookkeeping):
    """An open label store; a context manager, for one thread.

    create: make the file where there is none. Raises FileNotFoundError where there is none and `create` is
    false, `StoreError` for a file that is no label store or is of a newer version.
    """

    # Pictures

    def add_pictures(self, rows: Iterable[PictureRow]) -> int:
        """Adds pictures; those that are there stay as they are. Returns how many were new.

        Raises ValueError for an identity that is no SHA-256, or not that of the recipe.
        """
        return self._insert("pictures", [check_picture(row) for row in rows])

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
        with self.transaction():
            self._forget_failures(teacher, version, "point", [str(row[0]) for row in rows])
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
        with self.transaction():
            self._forget_failures(teacher, version, "pair", [f"{row[0]} {row[1]}" for row in rows])
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

    # Whole stores

    def merge(self, other: str | Path) -> dict[str, int]:
        """Takes in the rows of another store. Returns the number of new rows of each table.

        Where both have a label of the same picture, teacher and version, the older one stays (of two of the
        same second, the smaller by its values), so that the order of merging does not matter. The path of a
        picture that both have stays that of this store. Failures of what is labelled go.
        """
        from leaf_edge.teacher.merging import merge_into

        return merge_into(self._db, self.path, Path(other))

    def add_clip(self, sha256: str, every: int, rows: Sequence[PictureRow]) -> int:
        """Adds all frames of a clip at once. Returns how many were new."""
        with self.transaction() as db:
            new = self.add_pictures(rows)
            db.execute("INSERT OR IGNORE INTO clips VALUES (?, ?, ?)", (sha256, every, len(rows)))
            return new


def check_sha256(text: str) -> None:
    """Raises ValueError for anything but 64 lower-case hexadecimal digits."""
    if not _SHA256.fullmatch(text):
        raise ValueError(
            f"a picture's identity is {text!r}; expected a SHA-256 of 64 lower-case hexadecimal digits"
        )


def check_picture(row: PictureRow) -> tuple[Any, ...]:
    """The columns of a picture. Raises ValueError for an identity that is none, or not of the recipe."""
    check_sha256(row.sha256)
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
