"""Planar samples of any depth and subsampling to one of the formats that a `Frame` may have.

Used where a file's own layout is not one of them. Lossless where the target can hold the samples;
what is rounded or resampled is listed in docs/frames.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorMatrix, ColorRange, Frame, PixelFormat

Plane = NDArray[Any]  # uint8, or uint16 with the value in the lower bits

_STRIP = 64  # rows converted to RGB at a time, to keep float temporaries small


def frame_from_yuv(
    planes: tuple[Plane, Plane, Plane],
    bits: int,
    sub_x: int,
    sub_y: int,
    matrix: ColorMatrix,
    range_: ColorRange,
    **more: Any,
) -> Frame:
    """A frame of Y, Cb, Cr planes (uint8 for 8 bits, uint16 above, value in the lower bits).

    sub_x, sub_y: luma pixels that a chroma sample covers along each axis, 1, 2 or 4.
    8-bit 4:2:0 becomes I420 without a copy and 8-bit 4:2:2 YUYV; deeper 4:2:0 and 4:2:2 become P010;
    all else full-range RGB by `matrix` and `range_`.
    """
    luma, cb, cr = planes
    height, width = luma.shape
    if (sub_x, sub_y) == (2, 2) and bits == 8:
        return Frame((luma, cb, cr), width, height, PixelFormat.I420, range_, matrix, **more)
    if (sub_x, sub_y) == (2, 1) and bits == 8:
        return Frame((_yuyv(luma, cb, cr),), width, height, PixelFormat.YUYV, range_, matrix, **more)
    if sub_x == 2 and sub_y in (1, 2):
        if sub_y == 1:
            cb, cr = _mean_of_row_pairs(cb), _mean_of_row_pairs(cr)
        chroma = np.empty((cb.shape[0], 2 * cb.shape[1]), np.uint16)
        chroma[:, 0::2], chroma[:, 1::2] = _p010_sample(cb, bits), _p010_sample(cr, bits)
        return Frame(
            (_p010_sample(luma, bits), chroma), width, height, PixelFormat.P010, range_, matrix, **more
        )
    rgb = _rgb(luma, cb, cr, bits, sub_x, sub_y, matrix, range_)
    return Frame.from_array(rgb, PixelFormat.RGB, ColorRange.FULL, **more)


def frame_from_gray(plane: Plane, bits: int, range_: ColorRange, **more: Any) -> Frame:
    """A GRAY8 frame of one plane; more than 8 bits are rounded to 8 within the same range."""
    if bits > 8:
        wide = plane.astype(np.uint32)
        if range_ is ColorRange.FULL:
            top = (1 << bits) - 1
            wide = (wide * 255 + top // 2) // top
        else:
            wide = (wide + np.uint32(1 << (bits - 9))) >> np.uint32(bits - 8)
        plane = np.minimum(wide, 255).astype(np.uint8)
    height, width = plane.shape
    return Frame((plane,), width, height, PixelFormat.GRAY8, range_, **more)


def _yuyv(luma: Plane, cb: Plane, cr: Plane) -> NDArray[np.uint8]:
    height, width = luma.shape
    out = np.empty((height, 4 * cb.shape[1]), np.uint8)
    out[:, 0::2][:, :width] = luma
    if width % 2:
        out[:, -2] = luma[:, -1]  # the pixel that only fills the last pair
    out[:, 1::4], out[:, 3::4] = cb, cr
    return out


def _p010_sample(plane: Plane, bits: int) -> NDArray[np.uint16]:
    wide = plane.astype(np.uint32)
    if bits > 10:
        wide = (wide + np.uint32(1 << (bits - 11))) >> np.uint32(bits - 10)
    else:
        wide = wide << np.uint32(10 - bits)
    # A damaged stream may hold values above the stated depth.
    return np.minimum(wide, 1023).astype(np.uint16) << np.uint16(6)


def _mean_of_row_pairs(plane: Plane) -> Plane:
    wide = plane.astype(np.uint32)
    below = wide[np.minimum(np.arange(0, len(wide), 2) + 1, len(wide) - 1)]
    return ((wide[0::2] + below + 1) >> 1).astype(plane.dtype)


def _rgb(
    luma: Plane,
    cb: Plane,
    cr: Plane,
    bits: int,
    sub_x: int,
    sub_y: int,
    matrix: ColorMatrix,
    range_: ColorRange,
) -> NDArray[np.uint8]:
    """Full-range RGB [height, width, 3] by the standards' definition; chroma samples repeat."""
    height, width = luma.shape
    kr, kb = matrix.kr_kb
    kg = 1 - kr - kb
    step = 1 << (bits - 8)
    if range_ is ColorRange.LIMITED:
        black, luma_scale, chroma_scale = 16 * step, 255 / (219 * step), 255 / (224 * step)
    else:
        black, luma_scale, chroma_scale = 0, 255 / ((1 << bits) - 1), 255 / ((1 << bits) - 1)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        rows = np.arange(top, min(top + _STRIP, height))
        y = (luma[rows].astype(np.float32) - black) * np.float32(luma_scale)
        u, v = (
            np.repeat(c[rows // sub_y].astype(np.float32) - 128 * step, sub_x, axis=1)[:, :width]
            * np.float32(chroma_scale)
            for c in (cb, cr)
        )
        red = y + np.float32(2 * (1 - kr)) * v
        blue = y + np.float32(2 * (1 - kb)) * u
        green = (y - np.float32(kr) * red - np.float32(kb) * blue) / np.float32(kg)
        for channel, value in enumerate((red, green, blue)):
            out[rows, :, channel] = np.clip(np.floor(value + np.float32(0.5)), 0, 255)
    return out
