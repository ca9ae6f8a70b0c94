"""The label store's notes on the work itself: plans, failures, leases, clips that were read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from leaf_edge.teacher import leases
from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.rows import FailureRow
from leaf_edge.teacher.store_file import StoreFile


class Bookkeeping(StoreFile):
    """Who is to do what, and what could not be done; see `store.LabelStore`."""

    def add_plan(self, teacher: str, version: str, pairs: Iterable[tuple[str, str]]) -> int:
        """Pairs that this teacher is to judge, in one transaction. Returns how many were new."""
        return self._insert("plan", [(*sorted(pair), teacher, version) for pair in pairs])

    def plan(self, teacher: str, version: str) -> list[tuple[str, str]]:
        """Pairs to judge or judged already, in order."""
        return [(row[0], row[1]) for row in self._select("plan", teacher, version)]

    def put_failures(
        self, teacher: str, version: str, kind: str, failures: Iterable[tuple[str, Failure]]
    ) -> None:
        """Notes judgments that could not be had; one that failed before counts one attempt more. What has
        its label by now, from another process, did not fail; and a label takes its failure away."""
        now = time.time()
        table = {"point": "points", "pair": "pairs"}[kind]
        with self.transaction() as db:
            db.executemany(
                "INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET "
                "reason = excluded.reason, transient = excluded.transient, attempts = attempts + 1, "
                "updated = excluded.updated",
                [
                    (kind, key, teacher, version, failure.reason, int(failure.transient), now)
                    for key, failure in failures
                    if not self.has(table, teacher, version, key)
                ],
            )

    def _forget_failures(self, teacher: str, version: str, kind: str, keys: Iterable[str]) -> None:
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

    def clip_frames(self, sha256: str, every: int) -> int | None:
        """How many frames of a clip are in the store already, None where it was not read to its end."""
        row = self._db.execute(
            "SELECT frames FROM clips WHERE sha256 = ? AND every = ?", (sha256, every)
        ).fetchone()
        return None if row is None else int(row[0])
