"""Raw frames from files and pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from frame_inputs import photograph, random_bytes, y4m

from leaf_edge.frames import (
    ColorMatrix,
    ColorRange,
    Frame,
    FrameError,
    PixelFormat,
    SourceError,
    SourceOptions,
    open_source,
    plane_shapes,
    to_format,
)
from leaf_edge.frames.rgb import to_rgb

NV12 = SourceOptions(format=PixelFormat.NV12, size=(6, 4), on_error="fail")


def packed(frame: Frame, pitch: list[int] | None = None) -> bytes:
    """The bytes of a frame as a camera dumps them, rows filled up to `pitch` with junk."""
    out = b""
    for number, plane in enumerate(frame.planes):
        for row in plane:
            out += row.tobytes()
            if pitch is not None:
                out += random_bytes(pitch[number] - row.nbytes, seed=len(out))
    return out


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (1, 1)])
@pytest.mark.parametrize("fmt", list(PixelFormat))
def test_every_format_comes_back(tmp_path: Path, fmt: PixelFormat, size: tuple[int, int]) -> None:
    matrix = ColorMatrix.BT709 if fmt.is_yuv else None
    originals = [
        to_format(photograph(*size, seed=seed), fmt, ColorMatrix.BT709, ColorRange.LIMITED)
        for seed in range(3)
    ]
    path = tmp_path / "dump.raw"
    path.write_bytes(b"".join(packed(frame) for frame in originals))
    options = SourceOptions(
        format=fmt, size=size, fps=50, matrix=matrix, range=ColorRange.LIMITED, on_error="fail"
    )
    said: list[str] = []
    with open_source(path, options, notice=said.append) as source:
        assert (source.kind, source.fps, source.length) == ("raw", 50, 3)
        frames = list(source)
    assert said == []
    for number, (frame, original) in enumerate(zip(frames, originals, strict=True)):
        assert (frame.format, frame.matrix, frame.range) == (fmt, matrix, ColorRange.LIMITED)
        assert (frame.index, frame.time_s, frame.source) == (number, pytest.approx(number / 50), str(path))
        for plane, expected in zip(frame.planes, original.planes, strict=True):
            assert np.array_equal(plane, expected)


@pytest.mark.parametrize(
    ("fmt", "stated", "pitch"),
    [
        (PixelFormat.NV12, (64,), [64, 64]),
        (PixelFormat.NV12, (64, 32), [64, 32]),
        (PixelFormat.I420, (64,), [64, 32, 32]),
        (PixelFormat.I420, (64, 40, 48), [64, 40, 48]),
        (PixelFormat.P010, (63,), [63, 63]),
        (PixelFormat.RGB, (100,), [100]),
        (PixelFormat.UYVY, (33,), [33]),
    ],
)
def test_pitch(tmp_path: Path, fmt: PixelFormat, stated: tuple[int, ...], pitch: list[int]) -> None:
    original = to_format(photograph(13, 9), fmt, ColorMatrix.BT601, ColorRange.FULL)
    path = tmp_path / "dump.raw"
    path.write_bytes(packed(original, pitch) * 2)
    options = SourceOptions(format=fmt, size=(13, 9), pitch=stated, range=ColorRange.FULL, on_error="fail")
    frames = list(open_source(path, options))
    assert len(frames) == 2
    assert [plane.strides[0] for plane in frames[1].planes] == pitch
    assert np.array_equal(to_rgb(frames[1]), to_rgb(original))


def test_defaults_are_announced_once(tmp_path: Path) -> None:
    path = tmp_path / "dump.raw"
    path.write_bytes(bytes(36 * 5))
    said: list[str] = []
    frames = list(open_source(path, NV12, notice=said.append))
    assert {(frame.matrix, frame.range) for frame in frames} == {(ColorMatrix.BT601, ColorRange.LIMITED)}
    assert len(said) == 1 and "taken as bt601" in said[0] and "taken as limited" in said[0]
    said.clear()
    gray = SourceOptions(format=PixelFormat.GRAY8, size=(6, 6))
    assert next(iter(open_source(path, gray, notice=said.append))).range is ColorRange.FULL
    assert len(said) == 1 and "taken as full" in said[0]


@pytest.mark.parametrize("every", [1, 2, 3, 7, 20])
def test_every_is_slicing(tmp_path: Path, every: int) -> None:
    path = tmp_path / "dump.raw"
    data = [random_bytes(36, seed) for seed in range(10)]
    path.write_bytes(b"".join(data))
    options = SourceOptions(format=PixelFormat.NV12, size=(6, 4), every=every, fps=10, on_error="fail")
    source = open_source(path, options)
    assert source.length == len(data[::every])
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(0, 10, every))
    assert [frame.time_s for frame in frames] == [pytest.approx(i / 10) for i in range(0, 10, every)]
    assert [frame.planes[0].tobytes() for frame in frames] == [part[:24] for part in data[::every]]


@pytest.mark.parametrize("every", [1, 2])
def test_a_short_last_frame_is_named(tmp_path: Path, every: int) -> None:
    path = tmp_path / "dump.raw"
    path.write_bytes(bytes(36 * 3 + 35))
    options = SourceOptions(format=PixelFormat.NV12, size=(6, 4), every=every)
    source = open_source(path, options)
    assert [frame.index for frame in source] == list(range(0, 3, every))
    assert [str(problem) for problem in source.problems] == [f"{path}: frame 3 is cut short: 35 of 36 bytes"]
    with pytest.raises(SourceError, match="cut short: 35 of 36"):
        list(open_source(path, NV12))


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dump.raw"
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="holds no frame"):
        list(open_source(path, NV12))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SourceOptions(format=PixelFormat.NV12), "size is not stated"),
        (SourceOptions(size=(6, 4)), "format is not stated"),
        (SourceOptions(), "is of no known kind by its extension or first bytes; raw frames need"),
        (
            SourceOptions(format=PixelFormat.NV12, size=(6, 4), pitch=(5,)),
            "pitch of plane 0 is 5 bytes; expected at least a row of 6",
        ),
        (
            SourceOptions(format=PixelFormat.P010, size=(6, 4), pitch=(12, 11)),
            "pitch of plane 1 is 11 bytes; expected at least a row of 12",
        ),
        (
            SourceOptions(format=PixelFormat.NV12, size=(6, 4), pitch=(6, 6, 6)),
            "NV12 has 2 plane(s); 3 values of pitch were stated",
        ),
        (
            SourceOptions(format=PixelFormat.RGB, size=(6, 4), matrix=ColorMatrix.BT709),
            "RGB has no colour matrix, but BT709 was stated",
        ),
        (
            SourceOptions(format=PixelFormat.GRAY8, size=(6, 4), pitch=(1 << 30,)),
            "a frame would take 4294967296",
        ),
    ],
)
def test_statements_that_do_not_fit_always_raise(
    tmp_path: Path, options: SourceOptions, expected: str
) -> None:
    path = tmp_path / "dump.raw"
    path.write_bytes(bytes(36))
    with pytest.raises(SourceError) as caught:
        open_source(path, options)
    assert expected in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"every": 0}, "every is 0; expected 1 or more"),
        ({"fps": 0.0}, "fps is 0.0; expected a number above 0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"size": (0, 4)}, "size is 0x4; expected 1 to 16384"),
        ({"pitch": ()}, "pitch is"),
        ({"pitch": (0,)}, "pitch is"),
        ({"on_error": "ignore"}, "on_error is 'ignore'; expected skip or fail"),
    ],
)
def test_options_out_of_range(wrong: dict[str, object], expected: str) -> None:
    with pytest.raises(FrameError) as caught:
        SourceOptions(**wrong)  # type: ignore[arg-type]
    assert expected in str(caught.value)


READER = """
import sys
from leaf_edge.frames import *
options = eval(sys.argv[1])
said = []
with open_source("-", options, notice=said.append) as source:
    frames = list(source)
    assert source.length is None or len(sys.argv) > 2, source.length
    again = list(source)
print(source.kind, [f.index for f in frames], [int(f.planes[0].sum()) for f in frames], len(said))
print(frames[0].source if frames else None, [str(p) for p in source.problems])
"""


def through_pipe(data: bytes, options: str) -> subprocess.CompletedProcess[str]:
    """Run a process that reads frames from its standard input, a pipe."""
    done = subprocess.run(
        [sys.executable, "-c", READER, options], input=data, capture_output=True, check=False
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def luma_sum(data: bytes) -> int:
    return sum(data[:24])


def test_standard_input_gives_raw_frames() -> None:
    data = [random_bytes(36, seed) for seed in range(5)]
    done = through_pipe(b"".join(data), "SourceOptions(format=PixelFormat.NV12, size=(6, 4), every=2)")
    sums = [luma_sum(part) for part in data[::2]]
    assert done.stdout.splitlines()[0] == f"raw [0, 2, 4] {sums} 1", done.stderr
    assert done.stdout.splitlines()[1] == "- ['-: was read already; a pipe gives its frames once']"


def test_standard_input_gives_y4m_by_its_first_bytes() -> None:
    data = [random_bytes(36, seed) for seed in range(5)]
    done = through_pipe(y4m("F25:1", data), "SourceOptions(every=3)")
    assert done.stdout.startswith(f"y4m [0, 3] {[luma_sum(part) for part in data[::3]]} 1"), done.stderr


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (b"", "SourceOptions(format=PixelFormat.NV12, size=(6, 4), on_error='fail')", "-: holds no frame"),
        (
            b"\0" * 40,
            "SourceOptions(format=PixelFormat.NV12, size=(6, 4), on_error='fail')",
            "-: frame 1 is cut short: 4 of 36",
        ),
        (b"\0" * 40, "SourceOptions()", "-: standard input is not y4m; raw frames need a format and a size"),
        (b"", "SourceOptions()", "-: standard input is not y4m"),
        (
            y4m("", []),
            "SourceOptions(format=PixelFormat.NV12, size=(6, 4))",
            "-: is y4m by its first bytes; format, size describe(s) raw",
        ),
    ],
)
def test_standard_input_that_does_not_fit(data: bytes, options: str, expected: str) -> None:
    done = through_pipe(data, options)
    assert done.returncode == 1 and expected in done.stderr


def test_a_slow_writer_and_a_named_pipe(tmp_path: Path) -> None:
    """Frames come through a FIFO in pieces that do not match them."""
    fifo = tmp_path / "camera"
    os.mkfifo(fifo)
    data = [random_bytes(36, seed) for seed in range(4)]
    stream = b"".join(data)
    script = "import sys, time\nout = open(sys.argv[1], 'wb', 0)\nd = bytes.fromhex(sys.argv[2])\n" + (
        "for i in range(0, len(d), 25):\n    out.write(d[i:i + 25])\n    time.sleep(0.01)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(fifo), stream.hex()])
    with writer, open_source(fifo, NV12) as source:
        frames = list(source)
        assert source.length is None
    assert [frame.planes[0].tobytes() for frame in frames] == [part[:24] for part in data]
    with pytest.raises(SourceError, match="was read already"):
        list(source)


def test_frame_size_follows_the_shapes() -> None:
    """Guards the byte counts above: 6 x 4 NV12 is 24 luma and 12 chroma samples."""
    assert plane_shapes(PixelFormat.NV12, 6, 4) == [(4, 6), (2, 6)]
