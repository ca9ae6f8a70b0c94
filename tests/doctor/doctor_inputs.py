"""Machines made of files: a root folder, tools that are real scripts, a Python with other libraries."""

from __future__ import annotations

import os
from pathlib import Path

from leaf_edge.doctor import Check, Host


def write(root: Path, name: str, text: str) -> None:
    """A file below a root, by its absolute name."""
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def tool(folder: Path, name: str, script: str) -> None:
    """An executable shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def host(
    tmp_path: Path, *, path: str | None = None, python_path: Path | None = None, **fields: object
) -> Host:
    """A host whose root is `tmp_path`/root and whose PATH is `tmp_path`/bin."""
    (tmp_path / "root").mkdir(exist_ok=True)
    env = {"PATH": path or str(tmp_path / "bin"), "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    if python_path is not None:
        env["PYTHONPATH"] = os.fspath(python_path)
    return Host(**{"root": tmp_path / "root", "env": env, **fields})  # type: ignore[arg-type]


def by_key(checks: list[Check]) -> dict[str, Check]:
    return {check.key: check for check in checks}
