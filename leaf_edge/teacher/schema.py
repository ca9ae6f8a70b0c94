"""The tables of the label store, and how its file is opened and checked.

The columns are listed once, here: the store, its merge and the Parquet files all go by `TABLES`.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from leaf_edge.contract import FAULTS, LEVELS

SCHEMA_VERSION = 1
"""Raised with each change of the tables; a store of a newer version is refused."""
APPLICATION_ID = 0x4C454146
"""`LEAF`: the mark in the file's header by which SQLite's `file` magic tells whose database it is."""

BUSY_SECONDS = 60.0
"""How long a process waits for another one's transaction."""


class StoreError(OSError):
    """A label store, or an export of one, that cannot be read or used. The text says what to do."""


@dataclass(frozen=True)
class Table:
    """columns: names and SQLite types, in order. key: the columns that identify a row."""

    columns: dict[str, str]
    key: tuple[str, ...]
    checks: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that are not part of the key."""
        return tuple(name for name in self.columns if name not in self.key)


_IDENTITY = {"teacher": "TEXT NOT NULL", "version": "TEXT NOT NULL"}
_PICTURE = "TEXT NOT NULL REFERENCES pictures(sha256)"

TABLES: dict[str, Table] = {
    "pictures": Table(
        {
            "sha256": "TEXT NOT NULL",
            "source": "TEXT NOT NULL",
            "frame": "INTEGER",
            "recipe": "TEXT NOT NULL",
            "width": "INTEGER NOT NULL",
            "height": "INTEGER NOT NULL",
        },
        ("sha256",),
    ),
    "points": Table(
        {"sha256": _PICTURE, **_IDENTITY}
        | {level: "REAL NOT NULL" for level in LEVELS}
        | {"expectation": "REAL NOT NULL", "reliability": "REAL NOT NULL", "created": "REAL NOT NULL"},
        ("teacher", "version", "sha256"),
    ),
    "pairs": Table(
        {"first": _PICTURE, "second": _PICTURE, **_IDENTITY}
        | {name: "REAL NOT NULL" for name in ("forward", "backward", "reliability", "created")},
        ("teacher", "version", "first", "second"),
        "CHECK (first < second)",
    ),
    "faults": Table(
        {"sha256": _PICTURE, **_IDENTITY} | {fault: "REAL NOT NULL" for fault in FAULTS},
        ("teacher", "version", "sha256"),
    ),
    "plan": Table(
        {"first": _PICTURE, "second": _PICTURE, **_IDENTITY},
        ("teacher", "version", "first", "second"),
        "CHECK (first < second)",
    ),
    "failures": Table(
        {"kind": "TEXT NOT NULL", "key": "TEXT NOT NULL", **_IDENTITY}
        | {"reason": "TEXT NOT NULL", "transient": "INTEGER NOT NULL"}
        | {"attempts": "INTEGER NOT NULL", "updated": "REAL NOT NULL"},
        ("teacher", "version", "kind", "key"),
    ),
}
"""What a store holds and an export carries. Leases and clips already read are of the file alone."""

_LOCAL = """
CREATE TABLE leases (
    kind TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE clips (
    sha256 TEXT NOT NULL, every INTEGER NOT NULL, frames INTEGER NOT NULL,
    PRIMARY KEY (sha256, every)
) WITHOUT ROWID;
CREATE INDEX points_of ON points (sha256);
"""


def _create_sql() -> str:
    parts = []
    for name, table in TABLES.items():
        columns = ", ".join(f"{column} {kind}" for column, kind in table.columns.items())
        checks = f", {table.checks}" if table.checks else ""
        parts.append(
            f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({', '.join(table.key)}){checks}) WITHOUT ROWID;"
        )
    return "\n".join(parts) + _LOCAL


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """An open, checked store; a new one where there is none and `create` says so.

    Raises FileNotFoundError where there is none, `StoreError` for what is no store or of a newer version.
    """
    if not path.exists() and not create:
        raise FileNotFoundError(
            f"{path}: no label store there; `leaf-edge label` makes one, `leaf-edge labels import` reads one"
        )
    if path.is_dir():
        raise StoreError(f"{path} is a folder; expected the file of a label store")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder, to hold {path.name}")
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path}: {error}") from None
    try:
        _check_or_create(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreError(f"{path} cannot be used as a label store: {error}") from None
    except BaseException:
        connection.close()
        raise
    return connection


def _check_or_create(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN")  # one moment of the file: another process may be making the store
    try:
        application, version, tables = _identity(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")  # it only read
    if application != APPLICATION_ID and tables:
        raise StoreError(f"{path} is an SQLite database of another program, not a label store")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {version}; this LEAF-Edge reads up to {SCHEMA_VERSION}. "
            "Use the newer LEAF-Edge that wrote it"
        )
    _write_ahead(connection)
    # A commit survives the end of the process at any moment; a power cut may take the last ones, which
    # are then made again. Either way the file is whole (sqlite.org/pragma.html#pragma_synchronous).
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    if application == APPLICATION_ID:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _identity(connection)[0] != APPLICATION_ID:  # else another process was first
            for statement in _create_sql().split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _identity(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Application id, schema version, number of tables."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return application, version, tables


def _write_ahead(connection: sqlite3.Connection) -> None:
    """WAL mode. The switch does not wait for other connections by itself, so it is tried again."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
