"""Builds of the C++ part that tests share: one at a time in each folder, whatever process asks for it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def find(*names: str) -> str:
    """A program's path, with those beside this Python first. Skips the test where there is none."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.skip(f"needs {' or '.join(names)} (`make cross` installs the Arm tools, `make test` the others)")


def run(command: Sequence[str | Path], data: bytes = b"", **options: object) -> bytes:
    """What a program prints. Fails the test with its output where it fails."""
    done = subprocess.run(command, input=data, capture_output=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, (done.stdout[-4000:] + done.stderr[-8000:]).decode(errors="replace")
    return bytes(done.stdout)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else who asks builds in `folder`; waits for its turn. The lock dies with its process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def configure(folder: Path, *options: str) -> bytes:
    """Configures the checkout's CMake project in `folder`, without CUDA; what CMake printed."""
    command = [find("cmake"), "-S", ROOT, "-B", folder, "-G", "Ninja"]
    command += [f"-DCMAKE_MAKE_PROGRAM={find('ninja')}", "-DLEAF_CUDA=OFF", *options]
    return run(command)


def build(name: str, targets: Sequence[str], *options: str) -> Path:
    """Builds `targets` (all where empty) in build/`name`; its folder. A warning fails the test."""
    folder = ROOT / "build" / name
    with locked(folder):
        log = configure(folder, "-DLEAF_TESTS=ON", *options)
        chosen = [argument for target in targets for argument in ("--target", target)]
        log += run([find("cmake"), "--build", folder, *chosen])
    assert b"warning:" not in log, log.decode()
    return folder
