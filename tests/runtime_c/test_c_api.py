"""The C library against Python: the same scores, bit for bit, and the same codes and remedies."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_build import ROOT, build_cpp, onnxruntime_library, run
from helpers_frames import packed
from numpy.typing import NDArray

import leaf_edge
from leaf_edge.bundle.errors import REMEDY, BundleCode
from leaf_edge.contract import FAULTS
from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, Roi
from leaf_edge.frames.frame import plane_shapes
from leaf_edge.runtime.tolerance import HALF

MODEL = ROOT / "leaf_edge" / "models" / "leaf-s.leaf"

Pipe = Callable[..., str]
Score = tuple[tuple[float, ...], str]


@pytest.fixture(scope="module")
def pipe() -> Pipe:
    """Runs runtime/tests/score_pipe.cpp on the libonnxruntime that Python uses."""
    environment = {**os.environ, "LEAF_ONNXRUNTIME": str(onnxruntime_library())}
    program = build_cpp("score_pipe") / "runtime" / "tests" / "score_pipe"

    def start(*arguments: str | Path, data: bytes = b"") -> str:
        return run([program, *arguments], data, env=environment).decode()

    return start


def make_frame(
    fmt: PixelFormat, width: int, height: int, matrix: ColorMatrix, range_: ColorRange, seed: int
) -> Frame:
    """A gradient with noise and bars, sharp or flat by `seed`, in planes with padded rows."""
    rng = np.random.default_rng(seed)
    planes: list[NDArray[Any]] = []
    for rows, columns in plane_shapes(fmt, width, height):
        y, x = np.mgrid[0:rows, 0:columns]
        bars = (x // (3 + seed % 5)) % 2 * (seed % 3) * 30
        noise = rng.normal(0.0, 1.0 + 7.0 * (seed % 4), (rows, columns))
        codes = np.clip(30 + 150 * y / rows + 20 * x / columns + bars + noise, 0, 255)
        padded = np.full((rows, columns + seed % 7), 0xA5, np.uint8)
        padded[:, :columns] = codes
        if fmt is PixelFormat.P010:
            planes.append((padded.astype(np.uint16) << 8)[:, :columns])
        else:
            planes.append(padded[:, :columns])
    return Frame(tuple(planes), width, height, fmt, range_, matrix if fmt.is_yuv else None)


def cases() -> list[tuple[Frame, Roi | None]]:
    """Every format with every matrix and range, in odd sizes, half of them with a region."""
    found: list[tuple[Frame, Roi | None]] = []
    for fmt in PixelFormat:
        for matrix in ColorMatrix if fmt.is_yuv else [ColorMatrix.BT601]:
            for range_ in ColorRange:
                seed = len(found)
                width, height = 65 + 197 * seed % 411, 41 + 131 * seed % 333
                frame = make_frame(fmt, width, height, matrix, range_, seed)
                found.append((frame, None))
                found.append((frame, Roi(seed % 9, seed % 5, width - 20 - seed % 11, height - 7 - seed % 4)))
    for fmt, width, height in (
        (PixelFormat.NV12, 1, 1),
        (PixelFormat.I420, 3, 2),
        (PixelFormat.RGB, 1280, 721),
    ):
        found.append((make_frame(fmt, width, height, ColorMatrix.BT2020, ColorRange.FULL, 5), None))
    return found


def parsed(line: str) -> Score:
    *numbers, reason = line.split(" ")
    return tuple(map(float, numbers)), reason


def python_scores(model: str | Path, frames: Sequence[tuple[Frame, Roi | None]]) -> list[Score]:
    scorer = leaf_edge.load(model)
    scores = [scorer.score(frame, roi) for frame, roi in frames]
    return [((s.mos, s.mos_lo, s.mos_hi, s.raw, *s.faults), s.reason) for s in scores]


@pytest.fixture(scope="module")
def frames() -> list[tuple[Frame, Roi | None]]:
    return cases()


@pytest.fixture(scope="module")
def expected(frames: list[tuple[Frame, Roi | None]]) -> list[Score]:
    return python_scores(MODEL, frames)


@pytest.mark.parametrize("batch", [1, 3, -5], ids=["one by one", "three at once", "five in flight"])
def test_c_and_python_give_the_same_scores(
    batch: int, pipe: Pipe, frames: list[tuple[Frame, Roi | None]], expected: list[Score]
) -> None:
    data = b"".join(packed(frame, roi) for frame, roi in frames)
    lines = pipe(MODEL, str(batch), data=data).splitlines()
    assert len(lines) == len(frames)
    for line, wanted, (frame, roi) in zip(lines, expected, frames, strict=True):
        assert parsed(line) == wanted, (frame.format.name, frame.matrix, frame.range, roi)


def test_the_frames_compared_are_of_many_kinds(
    frames: list[tuple[Frame, Roi | None]], expected: list[Score]
) -> None:
    assert {frame.format for frame, _ in frames} == set(PixelFormat)
    assert len({numbers[0] for numbers, _ in expected}) > len(frames) * 0.9
    assert len({reason for _, reason in expected}) >= 4
    assert {reason for _, reason in expected} <= {"", *FAULTS}


def test_another_bundle_and_its_tar_give_the_same_scores(
    pipe: Pipe, tiny_bundle: Path, tmp_path: Path, frames: list[tuple[Frame, Roi | None]]
) -> None:
    from leaf_edge.bundle import pack

    few = frames[::9]
    data = b"".join(packed(frame, roi) for frame, roi in few)
    wanted = python_scores(tiny_bundle, few)
    tar = tmp_path / "tiny.leaf.tar"
    pack(tiny_bundle, tar)
    for bundle in (tiny_bundle, tar):
        assert [parsed(line) for line in pipe(bundle, "1", data=data).splitlines()] == wanted


def test_codes_and_remedies_are_those_of_python(pipe: Pipe) -> None:
    rows = [line.split("\t") for line in pipe("--codes").splitlines()]
    remedies = {name: remedy for _, name, remedy in rows}
    for code in BundleCode:
        assert remedies.pop(code.value) == REMEDY[code]
    assert not {name for name in remedies if name.startswith("LEAF_E_")}
    for remedy in remedies.values():
        assert remedy
        assert not remedy.endswith(".")


def test_every_code_of_the_header_has_its_name(pipe: Pipe) -> None:
    text = (ROOT / "runtime" / "include" / "leaf_edge" / "leaf.h").read_text()
    stated = dict(re.findall(r"\b(LEAF_E_\w+) = (-\d+)", text))
    named = {name: code for code, name, _ in (line.split("\t") for line in pipe("--codes").splitlines())}
    assert len(stated) >= 29
    assert stated == {name: code for name, code in named.items() if name.startswith("LEAF_E_")}


def test_the_tolerance_of_engines_in_float16_is_that_of_python() -> None:
    source = (ROOT / "runtime/src/api/self_test.cpp").read_text(encoding="utf-8")
    found = re.search(r"kHalfMos = ([0-9.]+), kHalfFault = ([0-9.]+);", source)
    assert found and tuple(map(float, found.groups())) == (HALF.mos, HALF.faults)
