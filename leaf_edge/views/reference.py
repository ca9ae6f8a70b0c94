"""The two views in plain NumPy integers: the specification that every kernel must match byte for byte.

Derivation and error bounds: docs/views.md. Nothing here is tuned for speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorMatrix, ColorRange, Frame, FrameError, PixelFormat, Roi

SIZE = 224  # pixels along each side of a view
GRID = 7  # fragment cells along each side
PATCH = SIZE // GRID  # fragment side, native pixels
VIEWS_VERSION = 1  # of this contract; a bundle states the one that its student was trained on

MEAN_BITS = 16  # fraction bits of a box mean
COEF_BITS = 20  # fraction bits of a colour coefficient


@dataclass(frozen=True)
class Axis:
    """Box filter along one axis: output i sums `count[i]` samples from `first[i]`.

    The first sample weighs `w_first`, the last `w_last` (0 where there is only one), those
    between `w_inner`; the weights of every output sum to `total`.
    """

    first: NDArray[np.int64]
    count: NDArray[np.int64]
    w_first: NDArray[np.int64]
    w_last: NDArray[np.int64]
    w_inner: int
    total: int


def box_axis(offset: int, length: int, sub: int) -> Axis:
    """The filter from luma pixels [offset, offset + length) to SIZE outputs.

    sub: luma pixels that one sample of the plane covers along this axis, 1 or 2. Samples that
    stick out of the region count with the part inside.
    """
    g = math.gcd(length, SIZE)
    n, m = length // g, SIZE // g  # a luma pixel is m units long, an output n units
    i = np.arange(SIZE, dtype=np.int64)
    lo, hi = i * n + offset * m, (i + 1) * n + offset * m
    span = sub * m
    first, last = lo // span, (hi - 1) // span
    w_first = np.minimum((first + 1) * span, hi) - lo
    w_last = np.where(last > first, hi - last * span, 0)
    return Axis(first, last - first + 1, w_first, w_last, span, n)


def box_mean(plane: NDArray[np.integer], y: Axis, x: Axis) -> NDArray[np.int64]:
    """Box means of one component [rows, columns] as int64 [SIZE, SIZE] with MEAN_BITS fraction bits."""
    rows = _box_sum(plane.astype(np.int64), y)
    sums = _box_sum(rows.T, x).T
    # total <= 16384^2 and samples < 2^10, so that sums * scale < 2^64 (docs/views.md)
    area = y.total * x.total
    scale = ((1 << 54) + area // 2) // area
    product = sums.astype(np.uint64) * np.uint64(scale)
    return ((product + np.uint64(1 << 37)) >> np.uint64(38)).astype(np.int64)


def _box_sum(samples: NDArray[np.int64], axis: Axis) -> NDArray[np.int64]:
    out = np.empty((SIZE, samples.shape[1]), np.int64)
    for i in range(SIZE):
        a, n = int(axis.first[i]), int(axis.count[i])
        out[i] = axis.w_first[i] * samples[a]
        if n > 1:
            out[i] += axis.w_inner * samples[a + 1 : a + n - 1].sum(axis=0)
            out[i] += axis.w_last[i] * samples[a + n - 1]
    return out


def color_coefficients(
    fmt: PixelFormat, matrix: ColorMatrix | None, range_: ColorRange
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Integer form of the colour standards' definitions.

    Returns (coefs int64 [3, 3] with COEF_BITS fraction bits, zero int64 [3]): the output channel
    is sum(coefs[channel, k] * (sample[k] - zero[k])), in 8-bit full-range code values; samples
    are in order (Y, Cb, Cr) or (R, G, B).
    """
    bits = 10 if fmt is PixelFormat.P010 else 8
    step = 1 << (bits - 8)
    limited = range_ is ColorRange.LIMITED
    luma = 255 / (219 * step) if limited else 255 / ((1 << bits) - 1)
    black = 16 * step if limited else 0
    if not fmt.is_yuv:
        real = np.eye(3) * luma
        zero = np.full(3, black, np.int64)
    else:
        assert matrix is not None  # Frame checks it
        kr, kb = matrix.kr_kb
        kg = 1 - kr - kb
        chroma = 255 / (224 * step) if limited else 255 / ((1 << bits) - 1)
        cr, cb = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
        real = np.array([[luma, 0, cr], [luma, -cb * kb / kg, -cr * kr / kg], [luma, cb, 0]])
        zero = np.array([black, 128 * step, 128 * step], np.int64)
    return np.floor(real * (1 << COEF_BITS) + 0.5).astype(np.int64), zero


def _to_rgb(samples: list[NDArray[np.int64]], fraction_bits: int, frame: Frame) -> NDArray[np.uint8]:
    """Three components [224, 224] with `fraction_bits` fraction bits to uint8 [3, 224, 224]."""
    coefs, zero = color_coefficients(frame.format, frame.matrix, frame.range)
    shift = COEF_BITS + fraction_bits
    out = np.empty((3, SIZE, SIZE), np.uint8)
    for channel in range(3):
        total = np.full((SIZE, SIZE), 1 << (shift - 1), np.int64)
        for k in range(3):
            total += coefs[channel, k] * (samples[k] - (zero[k] << fraction_bits))
        out[channel] = np.clip(total >> shift, 0, 255)
    return out


def components(frame: Frame) -> list[tuple[NDArray[np.integer], int, int]]:
    """The three components of a frame as (plane [rows, columns], sub_x, sub_y), in the order of
    `color_coefficients`. Strided views, no copies but for P010's shift."""
    p, f = frame.planes, frame.format
    w = frame.width
    if f in (PixelFormat.NV12, PixelFormat.NV21, PixelFormat.P010):
        y, uv = (p[0] >> 6, p[1] >> 6) if f is PixelFormat.P010 else p
        u, v = uv[:, 0::2], uv[:, 1::2]
        if f is PixelFormat.NV21:
            u, v = v, u
        return [(y, 1, 1), (u, 2, 2), (v, 2, 2)]
    if f is PixelFormat.I420:
        return [(p[0], 1, 1), (p[1], 2, 2), (p[2], 2, 2)]
    if f in (PixelFormat.YUYV, PixelFormat.UYVY):
        o = 1 if f is PixelFormat.UYVY else 0
        y = p[0][:, o::2][:, :w]
        return [(y, 1, 1), (p[0][:, 1 - o :: 4], 2, 1), (p[0][:, 3 - o :: 4], 2, 1)]
    if f is PixelFormat.GRAY8:
        return [(p[0], 1, 1)] * 3
    step = 4 if f in (PixelFormat.RGBA, PixelFormat.BGRA) else 3
    order = (2, 1, 0) if f in (PixelFormat.BGR, PixelFormat.BGRA) else (0, 1, 2)
    return [(p[0][:, c::step], 1, 1) for c in order]


def check_roi(frame: Frame, roi: Roi | None) -> Roi:
    """`roi`, or the whole frame. Raises `FrameError` where it is empty or leaves the frame."""
    if roi is None:
        return Roi(0, 0, frame.width, frame.height)
    x, y, w, h = roi
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > frame.width or y + h > frame.height:
        raise FrameError(
            f"region of interest {w}x{h} at ({x}, {y}) is empty or leaves the "
            f"{frame.width}x{frame.height} frame"
        )
    return Roi(*roi)


def global_view(frame: Frame, roi: Roi | None = None) -> NDArray[np.uint8]:
    """G: the region area-averaged (exact box filter, aspect not kept). uint8 RGB [3, 224, 224]."""
    r = check_roi(frame, roi)
    means = [
        box_mean(plane, box_axis(r.y, r.height, sub_y), box_axis(r.x, r.width, sub_x))
        for plane, sub_x, sub_y in components(frame)
    ]
    return _to_rgb(means, MEAN_BITS, frame)


def fragment_starts(length: int) -> NDArray[np.int64]:
    """First native pixel of the patch in each of the GRID cells along an axis of `length` pixels.

    The patch is centred in its cell and pushed inside the region; where the region is shorter
    than a patch, the start is negative and indices are clamped (edges repeat).
    """
    k = np.arange(GRID, dtype=np.int64)
    start = ((2 * k + 1) * length) // (2 * GRID) - PATCH // 2
    if length < PATCH:
        return np.full(GRID, (length - PATCH) // 2, np.int64)
    return np.clip(start, 0, length - PATCH)


def _fragment_index(offset: int, length: int, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    index: NDArray[np.int64] = starts[:, None] + np.arange(PATCH)
    return index.clip(0, length - 1).reshape(-1) + offset


def fragments_view(
    frame: Frame,
    roi: Roi | None = None,
    starts_y: NDArray[np.int64] | None = None,
    starts_x: NDArray[np.int64] | None = None,
) -> NDArray[np.uint8]:
    """F: a 7x7 mosaic of 32x32 patches at native resolution. uint8 RGB [3, 224, 224].

    starts_y, starts_x: int64 [7], other patch starts along each axis (training moves them); the
    centres by default. Chroma of subsampled formats is the sample that covers the pixel.
    """
    r = check_roi(frame, roi)
    ys = _fragment_index(r.y, r.height, fragment_starts(r.height) if starts_y is None else starts_y)
    xs = _fragment_index(r.x, r.width, fragment_starts(r.width) if starts_x is None else starts_x)
    samples = [
        plane[np.ix_(ys // sub_y, xs // sub_x)].astype(np.int64) for plane, sub_x, sub_y in components(frame)
    ]
    return _to_rgb(samples, 0, frame)


def make_views(frame: Frame, roi: Roi | None = None) -> NDArray[np.uint8]:
    """Both views of a frame: uint8 [2, 3, 224, 224], G then F, RGB planes, full range."""
    return np.stack([global_view(frame, roi), fragments_view(frame, roi)])
