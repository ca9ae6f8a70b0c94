"""Leases: which process works on which key, so that several processes share the work of one store."""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path


def new_owner() -> str:
    """A name for this process: `host:process id:its start:random`, none of which another one has."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}:{secrets.token_hex(4)}"


def _started(pid: int) -> str:
    """Start of a process in clock ticks (proc(5), field 22): tells a process id from a later use of it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def is_gone(owner: str) -> bool:
    """Whether `owner` is a process of this machine that has ended, so that its leases need not expire."""
    parts = owner.split(":")
    if len(parts) != 4 or parts[0] != socket.gethostname() or not parts[1].isdigit():
        return False
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return parts[2] != _started(int(parts[1]))


def claim(
    db: sqlite3.Connection, kind: str, keys: Sequence[str], owner: str, seconds: float, limit: int | None
) -> list[str]:
    """Inside a transaction: leases those of `keys` that are free, in order, at most `limit`."""
    now = time.time()
    db.execute("DELETE FROM leases WHERE expires <= ?", (now,))
    others = db.execute("SELECT DISTINCT owner FROM leases WHERE owner <> ?", (owner,)).fetchall()
    for (other,) in others:
        if is_gone(other):
            db.execute("DELETE FROM leases WHERE owner = ?", (other,))
    mine: list[str] = []
    for key in keys:
        if limit is not None and len(mine) >= limit:
            break
        done = db.execute(
            "INSERT INTO leases VALUES (?, ?, ?, ?) ON CONFLICT (kind, key) DO UPDATE "
            "SET expires = excluded.expires WHERE owner = excluded.owner",
            (kind, key, owner, now + seconds),
        )
        if done.rowcount:
            mine.append(key)
    return mine


def release(db: sqlite3.Connection, kind: str, keys: Sequence[str], owner: str) -> None:
    """Inside a transaction: gives leases back; those of other owners stay."""
    db.executemany(
        "DELETE FROM leases WHERE kind = ? AND key = ? AND owner = ?", [(kind, key, owner) for key in keys]
    )
