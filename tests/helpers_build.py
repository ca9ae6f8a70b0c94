"""Builds of the C++ part that tests share: one at a time in each folder, whatever process asks for it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEADERS = ROOT / "runtime" / "include" / "leaf_edge"


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


def configured(source: Path, folder: Path, *options: str) -> bytes:
    """Configures a CMake project in `folder`; what CMake printed."""
    ninja = f"-DCMAKE_MAKE_PROGRAM={find('ninja')}"
    return run([find("cmake"), "-S", source, "-B", folder, "-G", "Ninja", ninja, *options])


def configure(folder: Path, *options: str) -> bytes:
    """Configures the checkout's CMake project in `folder`; what CMake printed."""
    return configured(ROOT, folder, *options)


def make(folder: Path, targets: Sequence[str], *options: str) -> Path:
    """Configures `folder` and builds `targets` (all where empty) in it. A warning fails the test."""
    find("c++", "g++", "clang++")
    with locked(folder):
        log = configure(folder, *options)
        chosen = [argument for target in targets for argument in ("--target", target)]
        log += run([find("cmake"), "--build", folder, *chosen])
    assert b"warning:" not in log, log.decode()
    return folder


def build(name: str, targets: Sequence[str], *options: str) -> Path:
    """Builds `targets` with the tests and without CUDA in build/`name`, or in LEAF_BUILD/`name`."""
    folder = Path(os.environ.get("LEAF_BUILD", ROOT / "build")) / name
    return make(folder, targets, "-DLEAF_TESTS=ON", "-DLEAF_CUDA=OFF", *options)


def build_cpp(*targets: str) -> Path:
    """Builds `targets` as `make test-cpp` does, in build/cpp or the folder that LEAF_CPP_BUILD names."""
    folder = Path(os.environ.get("LEAF_CPP_BUILD", ROOT / "build" / "cpp"))
    return make(folder, targets, "-DLEAF_TESTS=ON", "-DLEAF_PYTHON=OFF")


def onnxruntime_library() -> Path:
    """libonnxruntime.so of the Python package. Skips the test where there is none."""
    package = pytest.importorskip("onnxruntime")
    for path in sorted(Path(package.__file__).parent.glob("capi/libonnxruntime.so*")):
        return path
    pytest.skip("the onnxruntime package has no libonnxruntime.so")


def declared() -> set[str]:
    """The functions that the headers declare with LEAF_API."""
    text = "\n".join(path.read_text() for path in sorted(HEADERS.glob("*.h")))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return set(re.findall(r"^LEAF_API\b[^;(]*?(\w+)\(", text, flags=re.MULTILINE))
