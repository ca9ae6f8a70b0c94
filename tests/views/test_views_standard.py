"""The reference against float64 arithmetic on the colour standards' definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from views_inputs import CONTENT, exact_rgb, exact_views, frames_and_regions, make_frame

from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, Roi
from leaf_edge.views.reference import color_coefficients, fragment_starts, make_views

# Before the last rounding, in code values: derived in docs/views.md, "How exact it is".
ERROR_8_BIT = 0.0003
ERROR_10_BIT = 0.0011


def assert_near_exact(frame: Frame, roi: Roi | None = None) -> None:
    error = ERROR_10_BIT if frame.format is PixelFormat.P010 else ERROR_8_BIT
    difference = np.abs(make_views(frame, roi) - exact_views(frame, roi))
    assert difference.max() <= 0.5 + error


@given(frames_and_regions())
@settings(max_examples=40, deadline=None)
def test_within_half_a_code_value(drawn: tuple[Frame, Roi | None]) -> None:
    assert_near_exact(*drawn)


@pytest.mark.parametrize("content", CONTENT)
@pytest.mark.parametrize("fmt", [PixelFormat.P010, PixelFormat.NV12, PixelFormat.RGB])
def test_within_half_a_code_value_for_every_content(fmt: PixelFormat, content: str) -> None:
    assert_near_exact(make_frame(fmt, 641, 359, content))


@pytest.mark.parametrize("side", [(16384, 5), (5, 16384), (4099, 2111)])
def test_within_half_a_code_value_for_the_largest_sums(side: tuple[int, int]) -> None:
    # The reciprocal of the area has its fewest digits where the sides share none with 224.
    assert_near_exact(make_frame(PixelFormat.P010, *side, "extremes", range_=ColorRange.FULL))


def cube(fmt: PixelFormat, matrix: ColorMatrix, range_: ColorRange) -> tuple[NDArray[np.int64], Frame]:
    """Every combination of code values a few apart, with the ends; and a frame of that description."""
    top = 1023 if fmt is PixelFormat.P010 else 255
    axis = np.unique(np.r_[0:top:11, 16, 64, 235, 240, 128, 512, top].clip(0, top))
    samples = np.stack([v.ravel() for v in np.meshgrid(axis, axis, axis, indexing="ij")])
    return samples, make_frame(fmt, 2, 2, matrix=matrix, range_=range_)


@pytest.mark.parametrize("range_", list(ColorRange))
@pytest.mark.parametrize("matrix", list(ColorMatrix))
@pytest.mark.parametrize("fmt", [PixelFormat.NV12, PixelFormat.P010])
def test_colour_coefficients(fmt: PixelFormat, matrix: ColorMatrix, range_: ColorRange) -> None:
    samples, frame = cube(fmt, matrix, range_)
    coefs, zero = color_coefficients(fmt, matrix, range_)
    found = np.clip(coefs @ (samples - zero[:, None]) / 2**20, 0, 255)
    error = ERROR_10_BIT if fmt is PixelFormat.P010 else ERROR_8_BIT
    assert np.abs(found - exact_rgb(samples.astype(float), frame)).max() <= error


# Code values of 100 % colour bars, limited range, 8 bits: what every test generator sends.
BARS = {
    ColorMatrix.BT601: {
        (255, 255, 0): (210, 16, 146),
        (0, 255, 255): (170, 166, 16),
        (0, 255, 0): (145, 54, 34),
        (255, 0, 255): (106, 202, 222),
        (255, 0, 0): (81, 90, 240),
        (0, 0, 255): (41, 240, 110),
    },
    ColorMatrix.BT709: {
        (255, 255, 0): (219, 16, 138),
        (0, 255, 255): (188, 154, 16),
        (0, 255, 0): (173, 42, 26),
        (255, 0, 255): (78, 214, 230),
        (255, 0, 0): (63, 102, 240),
        (0, 0, 255): (32, 240, 118),
    },
}


@pytest.mark.parametrize("fmt", [f for f in PixelFormat if f.is_yuv])
@pytest.mark.parametrize("matrix", list(BARS))
def test_colour_bars(fmt: PixelFormat, matrix: ColorMatrix) -> None:
    greys = {(255, 255, 255): (235, 128, 128), (0, 0, 0): (16, 128, 128)}
    for rgb, (y, cb, cr) in {**greys, **BARS[matrix]}.items():
        frame = make_frame(fmt, 38, 34, matrix=matrix)
        if fmt in (PixelFormat.YUYV, PixelFormat.UYVY):
            order = (y, cb, y, cr) if fmt is PixelFormat.YUYV else (cb, y, cr, y)
            frame.planes[0].reshape(-1, 4)[:] = order
        else:
            codes = (cr, cb) if fmt is PixelFormat.NV21 else (cb, cr)
            shift = 8 if fmt is PixelFormat.P010 else 0
            frame.planes[0][:] = y << shift
            if fmt is PixelFormat.I420:
                frame.planes[1][:], frame.planes[2][:] = codes
            else:
                frame.planes[1][:, 0::2], frame.planes[1][:, 1::2] = codes[0] << shift, codes[1] << shift
        views = make_views(frame).astype(int)
        assert np.abs(views - np.reshape(rgb, (3, 1, 1))).max() <= 2  # the codes are rounded


def test_ten_bits_keep_what_eight_lose() -> None:
    # A ramp of 64 codes of 10 bits: 16 of 8 bits. Cutting to 8 bits first would darken it by 3/8 of
    # a code on average.
    width, height = 448, 224
    ramp = np.linspace(256, 320, width).astype(np.uint16)
    luma = np.tile(ramp << 6, (height, 1))
    chroma = np.full((height // 2, width), 512 << 6, np.uint16)
    frame = Frame(
        (luma, chroma), width, height, PixelFormat.P010, range=ColorRange.LIMITED, matrix=ColorMatrix.BT709
    )
    grey = make_views(frame)[0, 1]
    exact = 255 * (ramp.reshape(224, 2).mean(1) - 64) / 876
    assert np.abs(grey - exact).max() <= 0.5 + ERROR_10_BIT
    assert abs(grey.mean() - exact.mean()) < 0.05
    assert np.unique(grey).size == int(exact[-1].round() - exact[0].round()) + 1


@pytest.mark.parametrize("range_", list(ColorRange))
def test_ten_bits_agree_with_eight(range_: ColorRange) -> None:
    eight = make_frame(PixelFormat.NV12, 301, 257, range_=range_)
    scale = 4 if range_ is ColorRange.LIMITED else 1023 / 255
    planes = tuple(np.rint(p.astype(float) * scale).astype(np.uint16) << 6 for p in eight.planes)
    ten = Frame(planes, 301, 257, PixelFormat.P010, range=range_, matrix=eight.matrix)
    difference = np.abs(make_views(ten).astype(int) - make_views(eight))
    # Limited codes are four times as large; full ones are rounded, and chroma's zero moves by half.
    assert difference.max() <= (1 if range_ is ColorRange.LIMITED else 2)


def test_alpha_and_padding_do_not_show() -> None:
    for fmt, plain in ((PixelFormat.RGBA, PixelFormat.RGB), (PixelFormat.BGRA, PixelFormat.BGR)):
        with_alpha = make_frame(fmt, 65, 47, padding=5)
        pixels = np.array(with_alpha.planes[0]).reshape(47, 65, 4)[..., :3]
        without = Frame.from_array(np.ascontiguousarray(pixels), plain, ColorRange.LIMITED)
        assert np.array_equal(make_views(with_alpha), make_views(without))


def test_region_is_the_same_as_the_cut_picture() -> None:
    frame = make_frame(PixelFormat.RGB, 300, 200)
    image = frame.planes[0].reshape(200, 300, 3)
    cut = Frame.from_array(np.ascontiguousarray(image[31:150, 57:290]), range=frame.range)
    assert np.array_equal(make_views(frame, Roi(57, 31, 233, 119)), make_views(cut))


@pytest.mark.parametrize("length", [32, 33, 64, 223, 224, 225, 1080, 1920, 16384])
def test_patches_stand_in_the_centre_of_their_cells(length: int) -> None:
    starts = fragment_starts(length)
    centres = (np.arange(7) + 0.5) * length / 7
    inside = np.clip(centres - 16, 0, length - 32)
    assert np.all(np.abs(starts - inside) < 1)
    assert starts[0] >= 0 and starts[-1] + 32 <= length
    if length >= 7 * 32:
        assert np.all(np.diff(starts) >= 32)  # no pixel twice


def test_patches_of_a_small_region_repeat_its_edges() -> None:
    image = np.arange(9 * 10, dtype=np.uint8).reshape(9, 10)
    patch = make_views(Frame.from_array(image, PixelFormat.GRAY8))[1, 0, :32, :32]
    padded = np.pad(image, ((12, 11), (11, 11)), mode="edge")
    assert np.array_equal(patch, padded)
