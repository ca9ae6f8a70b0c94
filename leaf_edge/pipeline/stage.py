"""A stage that is done once for its inputs: a folder named by them, and a mark when it is complete."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaf_edge.frames import kind_of
from leaf_edge.recipes import as_plain

_MARK = "done.json"


def fingerprint(*inputs: Any) -> str:
    """SHA-256 over plain values, recipes and paths, hexadecimal."""
    text = json.dumps([as_plain(value) for value in inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def frame_files(sources: Sequence[str]) -> list[Path]:
    """Images and clips among files and folders, as they are ingested: hidden ones in folders are left out."""
    files: set[Path] = set()
    for source in map(Path, sources):
        if not source.is_dir():
            files.add(source)
            continue
        for path in source.rglob("*"):
            hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
            if not hidden and kind_of(path) is not None and path.is_file():
                files.add(path)
    return sorted(files)


def listing(sources: Sequence[str]) -> list[list[Any]]:
    """Path, size and time of change of every frame or clip: what tells that frames are others."""
    return [[str(path), *changed(path)] for path in frame_files(sources)]


def changed(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds: what tells that a file is another, unread."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@dataclass(frozen=True)
class Done:
    """A completed stage. skipped: it was complete before. result: plain values of its own. seconds: what it
    took when it ran."""

    name: str
    folder: Path
    result: dict[str, Any]
    seconds: float
    skipped: bool


def stage(
    root: Path,
    name: str,
    inputs: Sequence[Any],
    outputs: Sequence[str],
    work: Callable[[Path], dict[str, Any]],
    keep: str = "",
) -> Done:
    """Runs `work(folder)` unless it is complete for these inputs.

    The folder is root/NAME-KEY, KEY of the inputs, or of `keep` where a stage adds to what it made for
    other inputs. What an interrupted run left is there for `work` to go on with. outputs: files in the
    folder that must still be there, as they were, for the stage to count as complete.
    """
    print_ = fingerprint(*inputs)
    folder = root / f"{name}-{(keep or print_)[:12]}"
    mark = folder / _MARK
    known = _read(mark)
    if known and known["inputs"] == print_ and known["outputs"] == _digests(folder, outputs):
        return Done(name, folder, known["result"], known["seconds"], True)
    mark.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    result = work(folder)
    seconds = round(time.monotonic() - began, 1)
    entry = {"inputs": print_, "outputs": _digests(folder, outputs), "result": result, "seconds": seconds}
    part = folder / f"{_MARK}.part"
    part.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
    part.replace(mark)
    return Done(name, folder, result, seconds, False)


def _read(mark: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    keys = ("inputs", "outputs", "result", "seconds")
    return found if isinstance(found, dict) and all(key in found for key in keys) else None


def _digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: file_digest(folder / name) if (folder / name).is_file() else "" for name in names}
