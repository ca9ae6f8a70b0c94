"""Every instruction set of this machine against the reference, byte for byte."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from views_inputs import CONTENT, frames_and_regions, make_frame

from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, Roi
from leaf_edge.views import ViewMaker, available_isas, make_views, reference

ISAS = available_isas()
MAKERS = {isa: ViewMaker(isa) for isa in ISAS}


def assert_same_bytes(frame: Frame, roi: Roi | None = None) -> None:
    expected = reference.make_views(frame, roi)
    for isa, maker in MAKERS.items():
        found = maker(frame, roi)
        assert found.dtype == np.uint8 and found.shape == expected.shape
        wrong = np.argwhere(found != expected)
        assert not len(wrong), (
            f"{isa}: {len(wrong)} bytes differ, the first at {wrong[0]} of {frame.format.name} "
            f"{frame.width}x{frame.height}, strides {[p.strides for p in frame.planes]}, region {roi}"
        )


def test_the_fastest_is_chosen() -> None:
    assert ISAS[0] == "scalar"
    assert ViewMaker().isa == ISAS[-1]
    assert [maker.isa for maker in MAKERS.values()] == ISAS


@given(frames_and_regions())
@settings(max_examples=150, deadline=None)
def test_any_frame(drawn: tuple[Frame, Roi | None]) -> None:
    assert_same_bytes(*drawn)


@pytest.mark.parametrize("content", CONTENT)
@pytest.mark.parametrize("fmt", list(PixelFormat))
def test_every_format_and_content(fmt: PixelFormat, content: str) -> None:
    padding, offset = len(content), int(fmt)
    for range_ in ColorRange:
        assert_same_bytes(make_frame(fmt, 317, 233, content, range_=range_, padding=padding, offset=offset))


@pytest.mark.parametrize("matrix", list(ColorMatrix))
@pytest.mark.parametrize("fmt", [f for f in PixelFormat if f.is_yuv])
def test_every_matrix(fmt: PixelFormat, matrix: ColorMatrix) -> None:
    for range_ in ColorRange:
        assert_same_bytes(make_frame(fmt, 97, 61, matrix=matrix, range_=range_))


# Each takes another path of the kernels: the usual cameras; box sums of 64 bits; one row or column;
# as many pixels as outputs; weights too large for 8-bit products.
SIZES = [
    (PixelFormat.NV12, 1920, 1080),
    (PixelFormat.NV21, 1280, 720),
    (PixelFormat.I420, 1081, 771),
    (PixelFormat.YUYV, 640, 480),
    (PixelFormat.UYVY, 1919, 33),
    (PixelFormat.RGB, 672, 448),
    (PixelFormat.BGRA, 450, 257),
    (PixelFormat.P010, 2111, 2113),
    (PixelFormat.GRAY8, 5003, 4001),
    (PixelFormat.NV12, 16384, 3),
    (PixelFormat.P010, 3, 16384),
    (PixelFormat.RGBA, 224, 224),
    (PixelFormat.I420, 1, 1),
    (PixelFormat.YUYV, 1, 300),
    (PixelFormat.P010, 300, 1),
]


@pytest.mark.parametrize(("fmt", "width", "height"), SIZES)
def test_sizes(fmt: PixelFormat, width: int, height: int) -> None:
    assert_same_bytes(make_frame(fmt, width, height, "extremes"))
    if width * height < 1 << 20:
        assert_same_bytes(make_frame(fmt, width, height, "max", range_=ColorRange.FULL))


@pytest.mark.parametrize("fmt", [PixelFormat.NV12, PixelFormat.UYVY, PixelFormat.RGB, PixelFormat.P010])
def test_regions_at_every_alignment(fmt: PixelFormat) -> None:
    frame = make_frame(fmt, 190, 150, padding=3, offset=1)
    for shift in range(0, 34, 3):
        assert_same_bytes(frame, Roi(shift, shift // 2, 190 - 2 * shift, 97))


def test_geometry_may_change_between_frames() -> None:
    frames = [
        make_frame(PixelFormat(n % 11), 40 + 37 * n % 300, 30 + 53 * n % 200, seed=n) for n in range(22)
    ]
    expected = [reference.make_views(frame) for frame in frames]
    for isa in ISAS:
        for n in [*range(0, 22, 2), *range(22), *range(21, -1, -1)]:
            assert np.array_equal(make_views(frames[n], isa=isa), expected[n])


def test_one_maker_serves_threads() -> None:
    maker = ViewMaker()
    frames = [make_frame(PixelFormat.NV12, 320 + 16 * n, 240, seed=n) for n in range(4)]
    expected = [reference.make_views(frame) for frame in frames]
    right: list[bool] = []

    def work(number: int) -> None:
        for _ in range(50):
            right.append(bool(np.array_equal(maker(frames[number]), expected[number])))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(right) == 200 and all(right)


def test_out_is_written_and_returned() -> None:
    frame = make_frame(PixelFormat.NV12, 640, 360)
    out: NDArray[np.uint8] = np.full((2, 3, 224, 224), 7, np.uint8)
    assert make_views(frame, out=out) is out
    assert np.array_equal(out, reference.make_views(frame))


def test_planes_are_not_copied() -> None:
    # The core's own allocations are counted in runtime/tests/views_test.cpp.
    maker = ViewMaker()
    frame = make_frame(PixelFormat.NV12, 1920, 1080, padding=64)
    out = maker(frame)
    tracemalloc.start()
    try:
        for _ in range(20):
            maker(frame, out=out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024, f"{peak} bytes"
