"""What every part of the label store stands on: the open file, transactions, reading and adding rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leaf_edge.teacher.schema import TABLES, StoreError, connect

_SINGLE = ("points", "faults")
"""Tables whose rows speak of one picture."""


class StoreFile:
    """An open label store without its meaning; see `store.LabelStore`."""

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

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Reads inside see the store as it is at the first of them; nobody is kept from writing."""
        self._db.execute("BEGIN")
        try:
            yield self._db
        finally:
            self._rollback()

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def labelled(self, table: str, teacher: str, version: str) -> set[str]:
        """Keys of the rows of `points`, `faults` (pictures), `pairs` or `plan` (`first second`)."""
        key = "sha256" if table in _SINGLE else "first || ' ' || second"
        sql = f"SELECT {key} FROM {table} WHERE teacher = ? AND version = ?"
        return {row[0] for row in self._db.execute(sql, (teacher, version))}

    def has(self, table: str, teacher: str, version: str, key: str) -> bool:
        """Whether the key is among `labelled`."""
        parts = key.split(" ")
        names = ("sha256",) if table in _SINGLE else ("first", "second")
        where = " AND ".join(f"{name} = ?" for name in names)
        sql = f"SELECT 1 FROM {table} WHERE teacher = ? AND version = ? AND {where}"
        return self._db.execute(sql, (teacher, version, *parts)).fetchone() is not None

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
