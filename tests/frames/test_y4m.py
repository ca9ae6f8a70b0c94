"""y4m: every chroma layout and depth, headers of all sorts, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from frame_inputs import random_bytes, y4m
from hypothesis import given, settings
from hypothesis import strategies as st

from leaf_edge.frames import (
    ColorMatrix,
    ColorRange,
    Frame,
    PixelFormat,
    SourceError,
    SourceOptions,
    open_source,
    to_format,
)
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.frames.y4m import parse_header

FAIL = SourceOptions(on_error="fail")


def read(
    tmp_path: Path, data: bytes, options: SourceOptions = FAIL, said: list[str] | None = None
) -> list[Frame]:
    path = tmp_path / "a.y4m"
    path.write_bytes(data)
    with open_source(path, options, notice=None if said is None else said.append) as source:
        return list(source)


def fault(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        read(tmp_path, data)
    return str(caught.value).removeprefix(f"{caught.value.source}: ")


@pytest.mark.parametrize("tag", ["", "C420", "C420jpeg", "C420mpeg2", "C420paldv"])
def test_420_is_given_as_it_is(tmp_path: Path, tag: str) -> None:
    data = [random_bytes(7 * 5 + 2 * 4 * 3, seed) for seed in range(3)]
    frames = read(tmp_path, y4m(f"F30000:1001 Ip A1:1 {tag}", data, 7, 5))
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time_s for frame in frames] == [pytest.approx(i * 1001 / 30000) for i in range(3)]
    for frame, expected in zip(frames, data, strict=True):
        assert frame.format is PixelFormat.I420
        assert b"".join(plane.tobytes() for plane in frame.planes) == expected


def test_422_becomes_yuyv_without_loss(tmp_path: Path) -> None:
    width, height, half = 7, 3, 4
    data = random_bytes(height * (width + 2 * half))
    (frame,) = read(tmp_path, y4m("C422", [data], width, height))
    row = frame.planes[0]
    assert frame.format is PixelFormat.YUYV
    found = (row[:, 0::2][:, :width], row[:, 1::4], row[:, 3::4])
    assert b"".join(part.tobytes() for part in found) == data


@pytest.mark.parametrize(("tag", "bits"), [("p9", 9), ("p10", 10), ("p12", 12), ("p14", 14), ("p16", 16)])
def test_deep_420_becomes_p010(tmp_path: Path, tag: str, bits: int) -> None:
    top = (1 << bits) - 1
    luma = np.array([[0, 1, top // 2, top - 1, top, 2]] * 4, "<u2")
    cb, cr = np.full((2, 3), top // 3, "<u2"), np.full((2, 3), top, "<u2")
    (frame,) = read(tmp_path, y4m(f"C420{tag}", [luma.tobytes() + cb.tobytes() + cr.tobytes()]))
    assert frame.format is PixelFormat.P010
    assert all(np.all(plane % 64 == 0) for plane in frame.planes)
    scale = 2.0 ** (bits - 10)
    for found, samples in (
        (frame.planes[0], luma),
        (frame.planes[1][:, 0::2], cb),
        (frame.planes[1][:, 1::2], cr),
    ):
        error = np.abs((found >> 6) - np.minimum(samples / scale, 1023))
        assert error.max() <= (0 if bits <= 10 else 0.5)


def test_deep_422_keeps_luma_and_averages_chroma_rows(tmp_path: Path) -> None:
    luma = np.arange(18, dtype="<u2").reshape(3, 6) * 50
    cb = np.array([[100] * 3, [201] * 3, [400] * 3], "<u2")
    (frame,) = read(tmp_path, y4m("C422p10", [luma.tobytes() + cb.tobytes() * 2], 6, 3))
    assert frame.format is PixelFormat.P010
    assert np.array_equal(frame.planes[0] >> 6, luma)
    assert (frame.planes[1] >> 6).tolist() == [[151] * 6, [400] * 6]


@pytest.mark.parametrize("range_", list(ColorRange))
@pytest.mark.parametrize("matrix", list(ColorMatrix))
def test_444_becomes_rgb_by_the_stated_matrix(
    tmp_path: Path, matrix: ColorMatrix, range_: ColorRange
) -> None:
    colors = np.array(
        [[[255, 0, 0], [0, 255, 0], [9, 60, 255], [255, 255, 255], [128, 30, 77], [0, 0, 0]]] * 4
    )
    packed = to_format(
        np.repeat(colors, 2, axis=1).astype(np.uint8), PixelFormat.YUYV, matrix, range_
    ).planes[0]
    planes = (packed[:, 0::4], packed[:, 1::4], packed[:, 3::4])
    options = SourceOptions(matrix=matrix, range=range_, on_error="fail")
    (frame,) = read(tmp_path, y4m("C444", [b"".join(plane.tobytes() for plane in planes)]), options)
    assert (frame.format, frame.range, frame.matrix) == (PixelFormat.RGB, ColorRange.FULL, None)
    assert np.abs(to_rgb(frame).astype(int) - colors).max() <= 2


def test_444_alpha_and_411(tmp_path: Path) -> None:
    grey = bytes([90]) * 24 + bytes([128]) * 48
    options = SourceOptions(range=ColorRange.FULL, on_error="fail")
    (with_alpha,) = read(tmp_path, y4m("C444alpha", [grey + random_bytes(24)]), options)
    assert np.all(to_rgb(with_alpha) == 90)
    (quarter,) = read(tmp_path, y4m("C411", [bytes([90]) * 24 + bytes([128]) * 16]), options)
    assert quarter.format is PixelFormat.RGB and np.all(to_rgb(quarter) == 90)


@pytest.mark.parametrize(
    ("tag", "range_", "sample", "expected"),
    [
        ("mono", "FULL", 200, 200),
        ("mono10", "FULL", 1023, 255),
        ("mono12", "FULL", 2048, 128),
        ("mono16", "FULL", 32767, 127),
        ("mono10", "LIMITED", 940, 235),
        ("mono12", "LIMITED", 256, 16),
        ("mono16", "LIMITED", 65535, 255),
    ],
)
def test_mono(tmp_path: Path, tag: str, range_: str, sample: int, expected: int) -> None:
    plane = np.full((4, 6), sample, "u1" if tag == "mono" else "<u2")
    (frame,) = read(tmp_path, y4m(f"C{tag} XCOLORRANGE={range_}", [plane.tobytes()]))
    assert (frame.format, frame.range.name) == (PixelFormat.GRAY8, range_)
    assert np.all(frame.planes[0] == expected)


def test_colour_defaults_are_announced_once(tmp_path: Path) -> None:
    said: list[str] = []
    small = [bytes(36)] * 3
    frames = read(tmp_path, y4m("F25:1", small), said=said)
    assert {(frame.matrix, frame.range) for frame in frames} == {(ColorMatrix.BT601, ColorRange.LIMITED)}
    assert len(said) == 1
    assert "states no range, taken as limited" in said[0]
    assert "states no colour matrix, taken as bt601" in said[0]
    assert str(tmp_path / "a.y4m") in said[0]


@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((1279, 719), ColorMatrix.BT601),
        ((1280, 528), ColorMatrix.BT709),
        ((406, 720), ColorMatrix.BT709),
        ((720, 576), ColorMatrix.BT601),
    ],
)
def test_default_matrix_by_size(tmp_path: Path, size: tuple[int, int], matrix: ColorMatrix) -> None:
    width, height = size
    chroma = 2 * ((width + 1) // 2) * ((height + 1) // 2)
    (frame,) = read(tmp_path, y4m("", [bytes(width * height + chroma)], *size))
    assert frame.matrix is matrix


def test_nothing_is_announced_where_all_is_stated(tmp_path: Path) -> None:
    said: list[str] = []
    options = SourceOptions(matrix=ColorMatrix.BT2020, on_error="fail")
    (frame,) = read(tmp_path, y4m("XYSCSS=420JPEG XCOLORRANGE=FULL", [bytes(36)]), options, said)
    assert (frame.matrix, frame.range) == (ColorMatrix.BT2020, ColorRange.FULL)
    assert said == []


def test_the_user_overrules_the_file_and_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    options = SourceOptions(matrix=ColorMatrix.BT709, range=ColorRange.LIMITED)
    (frame,) = read(tmp_path, y4m("XCOLORRANGE=FULL", [bytes(36)]), options, said)
    assert frame.range is ColorRange.LIMITED
    assert len(said) == 1 and "states full range, read as limited because you state it" in said[0]


def test_fps_is_that_of_the_file_else_of_the_user(tmp_path: Path) -> None:
    stated = SourceOptions(fps=10)
    assert read(tmp_path, y4m("F0:0", [bytes(36)] * 2), stated)[1].time_s == pytest.approx(0.1)
    assert read(tmp_path, y4m("", [bytes(36)] * 2))[1].time_s is None
    said: list[str] = []
    assert read(tmp_path, y4m("F50:1", [bytes(36)] * 2), stated, said)[1].time_s == pytest.approx(0.02)
    assert any("the stated fps is not used" in line for line in said)


def test_interlaced_is_announced(tmp_path: Path) -> None:
    said: list[str] = []
    read(tmp_path, y4m("It XCOLORRANGE=FULL", [bytes(36)]), SourceOptions(matrix=ColorMatrix.BT601), said)
    assert len(said) == 1 and "is interlaced" in said[0]


@pytest.mark.parametrize("every", [1, 2, 3, 7, 20])
def test_every_is_slicing(tmp_path: Path, every: int) -> None:
    data = [random_bytes(36, seed) for seed in range(10)]
    frames = read(tmp_path, y4m("F25:1", data, frame_tags=" Ip"), SourceOptions(every=every, on_error="fail"))
    assert [frame.index for frame in frames] == list(range(0, 10, every))
    assert [frame.planes[0].tobytes() for frame in frames] == [part[:24] for part in data[::every]]
    path = tmp_path / "a.y4m"
    path.write_bytes(y4m("F25:1", data))
    assert open_source(path, SourceOptions(every=every)).length == len(data[::every])


def test_it_can_be_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(y4m("", [random_bytes(36)]))
    source = open_source(path)
    first, second = list(source), list(source)
    assert len(first) == len(second) == 1
    assert first[0].planes[0].tobytes() == second[0].planes[0].tobytes()


def test_frames_outlive_the_source(tmp_path: Path) -> None:
    data = [random_bytes(36, seed) for seed in range(4)]
    frames = read(tmp_path, y4m("", data))
    assert [frame.planes[0].tobytes() for frame in frames] == [part[:24] for part in data]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty; expected y4m"),
        (b"RIFF\n", "is not y4m: expected it to begin with YUV4MPEG2"),
        (b"YUV4MPEG2 W4 H4", "header does not end within 15 bytes"),
        (b"YUV4MPEG2 W4 H4 " + b"x" * 9000, "header does not end within 4096 bytes"),
        (y4m("", [], 0, 4), "states W0; expected W1 to W16384"),
        (y4m("", [], 4, 16385), "states H16385; expected H1 to H16384"),
        (b"YUV4MPEG2 H4\n", "states W; expected W1 to W16384"),
        (y4m("F30", []), "states F30; expected a ratio, as F30:1"),
        (y4m("C421", []), "chroma C421 is not known; expected C420"),
        (y4m("C420p11", []), "chroma C420p11 is not known"),
        (y4m("", []), "holds no frame"),
        (y4m("", [bytes(36), bytes(35)]), "frame 1 is cut short: 35 of 36 bytes"),
        (y4m("", [bytes(37), bytes(36)]), "frame 1 is damaged: expected a line that begins with FRAME"),
        (
            y4m("", [bytes(36)]) + b"FRA",
            "frame 1 is damaged: expected a line that begins with FRAME, found b'FRA'",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, data: bytes, expected: str) -> None:
    assert expected in fault(tmp_path, data)


@pytest.mark.parametrize("every", [1, 2])
def test_whole_frames_come_before_the_problem(tmp_path: Path, every: int) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(y4m("", [bytes(36)] * 3 + [bytes(9)]))
    with open_source(path, SourceOptions(every=every)) as source:
        frames = list(source)
    assert len(frames) == len(range(0, 3, every))
    assert [str(problem) for problem in source.problems] == [f"{path}: frame 3 is cut short: 9 of 36 bytes"]


def test_a_lying_header_costs_no_memory(tmp_path: Path) -> None:
    assert "frame 0 is cut short: 10 of" in fault(tmp_path, y4m("C444p16", [bytes(10)], 16384, 16384))


@settings(max_examples=300, deadline=None)
@given(
    start=st.sampled_from([b"", b"YUV4MPEG2", b"YUV4MPEG2 W4 H4 ", b"YUV4MPEG2 W4 H4 C"]),
    rest=st.binary(max_size=60),
)
def test_no_header_crashes_the_reader(start: bytes, rest: bytes) -> None:
    try:
        header = parse_header("x", start + rest)
    except SourceError as error:
        assert error.source == "x"
    else:
        assert header.frame_bytes > 0


@settings(max_examples=100, deadline=None)
@given(
    tag=st.sampled_from(["C420", "C422p12", "C444", "Cmono9", "C411", "C420p10"]),
    edits=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=5),
    cut=st.integers(0, 250),
)
def test_no_bytes_crash_the_source(
    tmp_path_factory: pytest.TempPathFactory, tag: str, edits: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(y4m(tag, [random_bytes(96, seed) for seed in range(2)])[:cut])
    for place, value in edits:
        if data:
            data[place % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "fuzz.y4m"
    path.write_bytes(bytes(data))
    with open_source(path) as source:
        frames = list(source)
    assert frames or source.problems
