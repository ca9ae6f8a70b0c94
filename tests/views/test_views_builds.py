"""The C++ tests of the views in two more builds: with sanitizers, and for Arm under qemu."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers_build import ROOT, build, find, run
from helpers_frames import packed
from views_inputs import CONTENT, make_frame

from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, Roi
from leaf_edge.views import available_isas, reference

PROGRAMS = ("views_test", "checkviews", "views_pipe")
BYTES = 2 * 3 * 224 * 224


Run = Callable[..., bytes]


@pytest.fixture(scope="module")
def sanitized() -> Run:
    """Runs a program of a build that stops at the first error of memory or arithmetic."""
    find("c++", "g++", "clang++")
    folder = build("sanitize", PROGRAMS, "-DLEAF_SANITIZE=ON") / "runtime" / "tests"
    return lambda name, *arguments, data=b"": run([folder / name, *arguments], data)


@pytest.fixture(scope="module")
def arm() -> Run:
    """Runs a program of the build for 64-bit Arm, under qemu."""
    find("aarch64-linux-gnu-g++")
    qemu = find("qemu-aarch64-static", "qemu-aarch64")
    toolchain = ROOT / "runtime" / "cmake" / "aarch64-linux-gnu.cmake"
    folder = build("aarch64", PROGRAMS, f"-DCMAKE_TOOLCHAIN_FILE={toolchain}") / "runtime" / "tests"
    emulated: list[str | Path] = [qemu, "-L", "/usr/aarch64-linux-gnu"]
    return lambda name, *arguments, data=b"": run([*emulated, folder / name, *arguments], data)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("AUTO", "LEAF-Edge: CUDA off, no working nvcc found (set CUDACXX to one, or LEAF_CUDA=OFF)"),
        ("OFF", "LEAF-Edge: CUDA off (LEAF_CUDA=OFF)"),
        ("ON", "LEAF_CUDA is ON, but no working nvcc was found: put it on the PATH"),
    ],
)
def test_build_without_nvcc(
    wanted: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find("c++", "g++", "clang++")
    monkeypatch.setenv("CUDACXX", str(tmp_path / "nvcc"))  # where there is none, nothing else is tried
    command = [find("cmake"), "-S", str(ROOT), "-B", str(tmp_path), "-G", "Ninja"]
    command += [f"-DCMAKE_MAKE_PROGRAM={find('ninja')}", f"-DLEAF_CUDA={wanted}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert message in " ".join((done.stdout + done.stderr).split())
    assert (done.returncode == 0) == (wanted != "ON")


def test_c_interface_with_sanitizers(sanitized: Run) -> None:
    assert b"0 failures" in sanitized("views_test")


def test_kernels_with_sanitizers(sanitized: Run) -> None:
    output = sanitized("checkviews", "88", "7")
    for isa in available_isas()[1:]:
        assert f"checking {isa}".encode() in output


def test_c_interface_on_arm(arm: Run) -> None:
    assert b"0 failures" in arm("views_test")


def test_neon_against_plain_kernels(arm: Run) -> None:
    assert b"checking neon" in arm("checkviews", "66", "3")


def test_arm_against_reference(arm: Run) -> None:
    cases = arm_cases()
    data = b"".join(packed(frame, roi) for frame, roi in cases)
    found = {}
    for isa in ("scalar", "neon"):
        output = arm("views_pipe", isa, data=data)
        assert len(output) == BYTES * len(cases)
        found[isa] = np.frombuffer(output, np.uint8).reshape(-1, 2, 3, 224, 224)
    for n, (frame, roi) in enumerate(cases):
        expected = reference.make_views(frame, roi)
        for isa, views in found.items():
            assert np.array_equal(views[n], expected), (isa, frame.format.name, roi)


def arm_cases() -> list[tuple[Frame, Roi | None]]:
    cases: list[tuple[Frame, Roi | None]] = []
    for n, fmt in enumerate(PixelFormat):
        for k, content in enumerate(CONTENT):
            width, height = 40 + (173 * n + 311 * k) % 290, 1 + (97 * n + 211 * k) % 260
            matrix, range_ = ColorMatrix((n + k) % 3), ColorRange(k % 2)
            frame = make_frame(
                fmt, width, height, content, matrix=matrix, range_=range_, padding=5 * k, seed=n
            )
            cases.append((frame, Roi(k, 0, width - 7 * k, height) if k % 2 else None))
    for fmt, width, height in (
        (PixelFormat.NV12, 1280, 720),
        (PixelFormat.P010, 1, 1),
        (PixelFormat.RGB, 3, 2),
        (PixelFormat.P010, 2111, 2113),
    ):
        cases.append((make_frame(fmt, width, height, "extremes", range_=ColorRange.FULL), None))
    return cases
