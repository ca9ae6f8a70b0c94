"""What is refused, and that the message says what was found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from views_inputs import make_frame

from leaf_edge import _native
from leaf_edge.frames import FrameError, PixelFormat, Roi
from leaf_edge.views import ViewMaker, available_isas, make_views, reference

FRAME = make_frame(PixelFormat.NV12, 40, 30)


OUTSIDE = [(-1, 0, 10, 10), (0, -1, 10, 10), (0, 0, 41, 30), (1, 0, 40, 30), (0, 1, 40, 30), (0, 0, 0, 5)]
OUTSIDE += [(0, 0, 5, 0), (40, 0, 1, 1), (5, 5, -2, 3), (2**31, 0, 1, 1), (0, 0, 2**40, 1)]


@pytest.mark.parametrize("roi", OUTSIDE)
def test_region_outside_of_the_frame(roi: tuple[int, int, int, int]) -> None:
    for function in (make_views, reference.make_views):
        with pytest.raises(FrameError, match=r"region of interest .* 40x30 frame"):
            function(FRAME, Roi(*roi))


def test_unknown_instruction_set() -> None:
    with pytest.raises(ValueError, match="unknown instruction set 'mmx'; expected auto, scalar, avx2"):
        ViewMaker("mmx")
    with pytest.raises(ValueError, match="unknown instruction set"):
        make_views(FRAME, isa="AVX2 ")


def test_instruction_set_of_another_machine() -> None:
    missing = {"avx2", "avx512", "neon"} - set(available_isas())
    assert missing  # no machine has all
    for isa in missing:
        with pytest.raises(ValueError, match=f"this machine has no {isa} kernels; it has: scalar"):
            ViewMaker(isa)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((2, 3, 224, 224), np.int8),
        np.zeros((3, 2, 224, 224), np.uint8),
        np.zeros((2, 224, 224, 3), np.uint8).transpose(0, 3, 1, 2),
        np.zeros((2, 3, 224, 448), np.uint8)[..., ::2],
        np.frombuffer(bytes(2 * 3 * 224 * 224), np.uint8).reshape(2, 3, 224, 224),
    ],
    ids=["dtype", "shape", "order", "gaps", "read-only"],
)
def test_unfit_out(out: Any) -> None:
    with pytest.raises(ValueError, match=r"out must be a writable C-contiguous uint8 \[2, 3, 224, 224\]"):
        make_views(FRAME, out=out)


def run_native(planes: Any, **change: int) -> None:
    arguments = {"width": 40, "height": 30, "format": 0, "matrix": 1, "range": 0}
    arguments |= {"x": 0, "y": 0, "roi_width": 40, "roi_height": 30} | change
    out = np.full((2, 3, 224, 224), 7, np.uint8)
    try:
        _native.ViewContext().run(planes, out=out, **arguments)
    finally:
        assert np.all(out == 7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 11}, "pixel format code is 11; expected 0 to 10"),
        ({"format": -1}, "pixel format code is -1"),
        ({"width": 0}, "frame is 0x30; expected 1 to 16384"),
        ({"height": 16385}, "frame is 40x16385"),
        ({"matrix": -1}, "colour matrix code is -1; expected 0"),
        ({"matrix": 3}, "colour matrix code is 3"),
        ({"range": 2}, "colour range code is 2; expected 0"),
        ({"x": 1}, "region of interest 40x30 at"),
        ({"x": 2**31 - 1, "roi_width": 2**31 - 1}, "region of interest"),
        ({"width": 42}, r"plane 0 of a 42x30 NV12 frame: expected uint8 \[30, 42\], found uint8 \[30, 40\]"),
        ({"format": 2}, r"I420 has 3 plane\(s\); 2 were given"),
    ],
)
def test_native_arguments(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_native(FRAME.planes, **change)


def test_native_planes() -> None:
    y, uv = FRAME.planes
    for planes in ((y,), (y, uv, uv), (y, y), (y.T.copy().T, uv), (y[:, ::2], uv), (y.astype(np.uint16), uv)):
        with pytest.raises(ValueError, match=r"NV12 has 2 plane|NV12 frame: (expected uint8|samples of)"):
            run_native(planes)
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        run_native(("not an array", uv))
