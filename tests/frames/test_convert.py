"""RGB to every format: against the standards' definitions, and through the views."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from frame_inputs import photograph

from leaf_edge.frames import ColorMatrix, ColorRange, Frame, FrameError, PixelFormat, to_format
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.views import make_views


@pytest.mark.parametrize("size", [(640, 360), (301, 227)])
@pytest.mark.parametrize("fmt", list(PixelFormat))
def test_global_view_agrees_with_that_of_the_picture(fmt: PixelFormat, size: tuple[int, int]) -> None:
    picture = photograph(*size, noise=0)
    expected = make_views(Frame.from_array(picture))[0].astype(int)
    if fmt is PixelFormat.GRAY8:
        expected = np.einsum("c,chw->hw", [0.2126, 0.7152, 0.0722], expected)[None]
    for matrix, range_ in itertools.product(ColorMatrix, ColorRange):
        if fmt is PixelFormat.GRAY8 and matrix is not ColorMatrix.BT709:
            continue
        found = make_views(to_format(picture, fmt, matrix, range_))[0].astype(int)
        # Rounding of three codes, and cells of the view that cut through a chroma sample.
        assert np.abs(found - expected).max() <= 3
        assert np.abs(found - expected).mean() <= 0.6


@pytest.mark.parametrize("range_", list(ColorRange))
@pytest.mark.parametrize("fmt", [f for f in PixelFormat if f is not PixelFormat.GRAY8])
def test_flat_colours_come_back(fmt: PixelFormat, range_: ColorRange) -> None:
    worst = 0
    for matrix in ColorMatrix:
        for color in itertools.product((0, 90, 255), repeat=3):
            picture = np.full((3, 5, 3), color, np.uint8)
            back = to_rgb(to_format(picture, fmt, matrix, range_)).astype(int)
            worst = max(worst, int(np.abs(back - picture).max()))
    # 8-bit limited range keeps 219 luma and 224 chroma steps of 255.
    assert worst <= (2 if fmt.is_yuv and fmt is not PixelFormat.P010 else 1)


@pytest.mark.parametrize(
    ("matrix", "color", "expected"),
    [
        (ColorMatrix.BT601, (255, 0, 0), (81, 90, 240)),
        (ColorMatrix.BT601, (0, 0, 255), (41, 240, 110)),
        (ColorMatrix.BT709, (255, 0, 0), (63, 102, 240)),
        (ColorMatrix.BT709, (0, 255, 0), (173, 42, 26)),
        (ColorMatrix.BT709, (255, 255, 255), (235, 128, 128)),
    ],
)
def test_colour_bars_have_their_known_codes(
    matrix: ColorMatrix, color: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    """100 % bars in limited range, as printed in broadcast references."""
    frame = to_format(np.full((2, 2, 3), color, np.uint8), PixelFormat.I420, matrix, ColorRange.LIMITED)
    assert tuple(int(plane[0, 0]) for plane in frame.planes) == expected


def test_p010_codes_fill_the_upper_ten_bits() -> None:
    white = np.full((2, 2, 3), 255, np.uint8)
    limited = to_format(white, PixelFormat.P010, ColorMatrix.BT2020, ColorRange.LIMITED)
    full = to_format(white, PixelFormat.P010, ColorMatrix.BT2020, ColorRange.FULL)
    assert limited.planes[0][0, 0] == 940 << 6 and limited.planes[1][0, 0] == 512 << 6
    assert full.planes[0][0, 0] == 1023 << 6


def test_chroma_at_an_odd_edge_is_the_mean_of_what_is_inside() -> None:
    picture = np.zeros((3, 3, 3), np.uint8)
    picture[2, 2] = (0, 0, 255)
    frame = to_format(picture, PixelFormat.I420, ColorMatrix.BT601, ColorRange.LIMITED)
    assert frame.planes[1].tolist() == [[128, 128], [128, 240]]


def test_same_samples_in_all_layouts_of_a_subsampling() -> None:
    picture = photograph(33, 21)
    frames = {f: to_format(picture, f, ColorMatrix.BT709, ColorRange.LIMITED) for f in PixelFormat}
    i420, nv12, nv21 = (frames[f].planes for f in (PixelFormat.I420, PixelFormat.NV12, PixelFormat.NV21))
    assert np.array_equal(nv12[1][:, 0::2], i420[1]) and np.array_equal(nv12[1][:, 1::2], i420[2])
    assert np.array_equal(nv21[1][:, 0::2], i420[2]) and np.array_equal(nv21[1][:, 1::2], i420[1])
    yuyv, uyvy = (frames[f].planes[0] for f in (PixelFormat.YUYV, PixelFormat.UYVY))
    assert np.array_equal(yuyv[:, 0::2], uyvy[:, 1::2]) and np.array_equal(yuyv[:, 1::2], uyvy[:, 0::2])
    assert np.array_equal(yuyv[:, 0::2][:, :33], i420[0])


def test_what_cannot_be_converted_is_refused() -> None:
    picture = photograph(4, 4)
    with pytest.raises(FrameError, match="needs a colour matrix"):
        to_format(picture, PixelFormat.NV12)
    with pytest.raises(FrameError, match="needs a matrix"):
        to_format(picture, PixelFormat.GRAY8)
    with pytest.raises(FrameError, match=r"uint8 RGB \[height, width, 3\]; found uint8 \[4, 4\]"):
        to_format(picture[:, :, 0], PixelFormat.RGB)
