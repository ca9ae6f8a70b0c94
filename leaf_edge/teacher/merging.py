"""One label store taken into another."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from leaf_edge.teacher.schema import TABLES, Table, connect

_LABELLED = """
DELETE FROM failures WHERE kind = 'point' AND EXISTS (
    SELECT 1 FROM points p WHERE p.teacher = failures.teacher AND p.version = failures.version
    AND p.sha256 = failures.key);
DELETE FROM failures WHERE kind = 'pair' AND EXISTS (
    SELECT 1 FROM pairs p WHERE p.teacher = failures.teacher AND p.version = failures.version
    AND p.first || ' ' || p.second = failures.key)
"""


def merge_into(db: sqlite3.Connection, path: Path, other: Path) -> dict[str, int]:
    """Takes the rows of `other` into the open store `db` at `path`, in one transaction.

    Returns the number of new rows of each table. The rule of conflicts is in `LabelStore.merge`.
    """
    connect(other, create=False).close()  # checks what it is, and says so
    if other.samefile(path):
        return dict.fromkeys(TABLES, 0)
    db.execute("ATTACH ? AS other", (str(other),))
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            new = {name: _take(db, name, table) for name, table in TABLES.items()}
            for statement in _LABELLED.split(";"):
                new["failures"] -= db.execute(statement).rowcount
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    finally:
        db.execute("DETACH other")
    new["failures"] = max(new["failures"], 0)
    return new


def _take(db: sqlite3.Connection, name: str, table: Table) -> int:
    """Adds the other's rows of one table; returns how many have a key that was not here."""
    (before,) = db.execute(f"SELECT count(*) FROM main.{name}").fetchone()
    db.execute(
        f"INSERT INTO main.{name} SELECT * FROM other.{name} WHERE true "
        f"ON CONFLICT ({', '.join(table.key)}) DO {_on_conflict(name, table)}"
    )
    (after,) = db.execute(f"SELECT count(*) FROM main.{name}").fetchone()
    return int(after - before)


def _on_conflict(name: str, table: Table) -> str:
    if name in ("pictures", "plan"):
        return "NOTHING"
    values = list(table.values)
    rank = values
    if "created" in values:
        rank = ["created", *(value for value in values if value != "created")]
    if name == "failures":  # the latest news, and the most attempts
        rank = ["updated", *(value for value in values if value != "updated")]
    side = ">" if name == "failures" else "<"
    ours, theirs = (", ".join(f"{source}.{value}" for value in rank) for source in (name, "excluded"))
    setting = ", ".join(f"{value} = excluded.{value}" for value in values)
    return f"UPDATE SET {setting} WHERE ({theirs}) {side} ({ours})"
