"""What the tests of hostile bundles share: a good signed bundle, ways to break it, a watch on writes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures"
SCHEMA1, SCHEMA2 = FIXTURES / "schema1.leaf", FIXTURES / "schema2.leaf"
PUBLIC = FIXTURES / "fixtures.pub.pem"

Attack = Callable[[Path, Path], object]
"""Breaks the bundle's folder, the first; the second is the folder of the canary."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.chown", "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.unpack_archive",
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
}  # fmt: skip
_seen: list[str] | None = None


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    if event in _CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & _WRITES):
        _seen.append(f"{event} {args!r}")


sys.addaudithook(_hook)


@contextmanager
def nothing_is_written() -> Iterator[None]:
    """Fails where the interpreter opens a file for writing, changes a name or starts a program meanwhile."""
    global _seen
    _seen = []
    try:
        yield
        assert _seen == []
    finally:
        _seen = None


def snapshot(root: Path, but: Path | None = None) -> dict[str, tuple[Any, ...]]:
    """Everything about the files under `root`, except under `but`: kind, size, time, contents."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")):
        if but is not None and (path == but or but in path.parents):
            continue
        status = path.lstat()
        inside: Any = None
        if path.is_symlink():
            inside = str(path.readlink())
        elif stat.S_ISREG(status.st_mode) and status.st_size < 1 << 20:
            inside = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino, inside)
    return found


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the manifest's JSON and writes it in the form of leaf-edge."""
    stated = json.loads((folder / "manifest.json").read_text())
    change(stated)
    (folder / "manifest.json").write_text(json.dumps(stated, indent=2, ensure_ascii=False) + "\n")


def put(folder: Path, name: str, data: bytes) -> None:
    """Writes a file of the bundle and states its size and hash, as an attacker without the key can."""
    (folder / name).write_bytes(data)
    entry = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit(folder, lambda m: m["files"].update({name: entry}))


def replace_by_link(name: str, to: str) -> Attack:
    """Puts a link in place of a file or a folder."""

    def attack(folder: Path, outside: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        path.symlink_to(to.replace("OUTSIDE", str(outside)))

    return attack


def fifo(name: str) -> Attack:
    """Puts a pipe in place of a file."""

    def attack(folder: Path, outside: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return attack


def text_edit(old: str, new: str) -> Attack:
    """The manifest's text changed by hand."""

    def attack(folder: Path, outside: Path) -> None:
        path = folder / "manifest.json"
        text = path.read_text()
        assert re.search(old, text), old
        path.write_text(re.sub(old, lambda match: new, text, count=1))

    return attack
