"""RGB pictures to frames of any format: for tests, benchmarks and golden frames, not for speed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorMatrix, ColorRange, Frame, FrameError, PixelFormat


def to_format(
    rgb: NDArray[np.uint8],
    format: PixelFormat,
    matrix: ColorMatrix | None = None,
    range: ColorRange = ColorRange.FULL,
) -> Frame:
    """The picture `rgb` (uint8 [height, width, 3], full range) as a frame of `format`.

    matrix: needed for YUV and for GRAY8 (its luma weights); of no meaning for the RGB layouts.
    Computed in float64 from the definitions (BT.601-7 2.5, BT.709-6 3.2 to 3.5, BT.2020-2 table 4)
    and rounded once, halves up. Chroma is the mean of the pixels that a sample covers. Alpha is 255.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise FrameError(f"to_format takes uint8 RGB [height, width, 3]; found {rgb.dtype} {list(rgb.shape)}")
    if format.is_yuv:
        return _to_yuv(rgb, format, matrix, range)
    height, width = rgb.shape[:2]
    if format is PixelFormat.GRAY8:
        if matrix is None:
            raise FrameError("GRAY8 needs a matrix (bt601, bt709 or bt2020) for its luma weights")
        luma, _, _ = _components(rgb, matrix)
        return Frame((_quantise(luma, 8, range, chroma=False),), width, height, format, range)
    codes = _quantise(rgb / 255.0, 8, range, chroma=False)
    if format in (PixelFormat.BGR, PixelFormat.BGRA):
        codes = codes[:, :, ::-1]
    if format in (PixelFormat.RGBA, PixelFormat.BGRA):
        codes = np.concatenate([codes, np.full((height, width, 1), 255, np.uint8)], axis=2)
    return Frame.from_array(np.ascontiguousarray(codes), format, range)


def _to_yuv(
    rgb: NDArray[np.uint8], format: PixelFormat, matrix: ColorMatrix | None, range: ColorRange
) -> Frame:
    if matrix is None:
        raise FrameError(f"{format.name} needs a colour matrix (bt601, bt709 or bt2020); none was stated")
    height, width = rgb.shape[:2]
    bits = 10 if format is PixelFormat.P010 else 8
    packed = format in (PixelFormat.YUYV, PixelFormat.UYVY)
    luma, cb, cr = _components(rgb, matrix)
    y = _quantise(luma, bits, range, chroma=False)
    u, v = (_quantise(_box(plane, 1 if packed else 2), bits, range, chroma=True) for plane in (cb, cr))
    planes: tuple[NDArray[Any], ...]
    if format is PixelFormat.I420:
        planes = (y, u, v)
    elif packed:
        row = np.empty((height, 4 * u.shape[1]), np.uint8)
        first = 0 if format is PixelFormat.YUYV else 1
        row[:, first::2] = np.pad(y, ((0, 0), (0, width % 2)), "edge")
        row[:, 1 - first :: 4], row[:, 3 - first :: 4] = u, v
        planes = (row,)
    else:
        if format is PixelFormat.NV21:
            u, v = v, u
        chroma = np.stack([u, v], axis=2).reshape(u.shape[0], 2 * u.shape[1])
        # P010 has its 10 bits at the top of the word; nothing is lost in the product.
        shift = np.asarray(64 if format is PixelFormat.P010 else 1, y.dtype)
        planes = (y * shift, chroma * shift)
    return Frame(planes, width, height, format, range, matrix)


def _components(
    rgb: NDArray[np.uint8], matrix: ColorMatrix
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Y' in 0..1 and Cb, Cr in -0.5..0.5, at every pixel."""
    kr, kb = matrix.kr_kb
    red, green, blue = np.moveaxis(rgb / 255.0, 2, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    return luma, (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))


def _box(plane: NDArray[np.float64], sub_y: int) -> NDArray[np.float64]:
    """Means over 2 columns and `sub_y` rows; at an odd edge, over what is inside."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, height % sub_y), (0, width % 2)), "edge")
    cells = padded.reshape(padded.shape[0] // sub_y, sub_y, -1, 2)
    return np.asarray(cells.mean(axis=(1, 3)))


def _quantise(value: NDArray[np.float64], bits: int, range: ColorRange, chroma: bool) -> NDArray[Any]:
    """Code values of a signal (BT.709-6 3.4, 3.5; full range: JFIF 1.02), saturated."""
    top, step = (1 << bits) - 1, 1 << (bits - 8)
    if range is ColorRange.LIMITED:
        codes = value * ((224 if chroma else 219) * step) + (128 if chroma else 16) * step
    else:
        codes = value * top + (128 * step if chroma else 0)
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    return np.clip(np.floor(codes + 0.5), 0, top).astype(dtype)
