"""A whole frame as an RGB picture: for kept frames, thumbnails and people, not for scoring.

The arithmetic is that of the fragments view (leaf_edge/views/reference.py): the same integer
coefficients, the same rounding, and chroma is the sample that covers the pixel. Every pixel of a
fragment therefore has the value that it has here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import Frame, PixelFormat
from leaf_edge.views.reference import COEF_BITS, color_coefficients, components

_STRIP = 64  # rows converted at a time; even, and small enough for the sums to stay in cache


def to_rgb(frame: Frame) -> NDArray[np.uint8]:
    """The frame as full-range RGB, uint8 [height, width, 3], contiguous and owned by the caller."""
    if frame.format.is_yuv:
        return _from_yuv(frame)
    coefs, zero = color_coefficients(frame.format, frame.matrix, frame.range)
    value = np.arange(256, dtype=np.int64) - zero[0]
    table = np.clip((coefs[0, 0] * value + (1 << (COEF_BITS - 1))) >> COEF_BITS, 0, 255).astype(np.uint8)
    out = np.empty((frame.height, frame.width, 3), np.uint8)
    if frame.format is PixelFormat.GRAY8:
        out[:] = table[frame.planes[0]][:, :, None]
        return out
    for channel, (plane, _, _) in enumerate(components(frame)):
        out[:, :, channel] = table[plane]
    return out


def _from_yuv(frame: Frame) -> NDArray[np.uint8]:
    coefs64, zero64 = color_coefficients(frame.format, frame.matrix, frame.range)
    # Sums fit 32 bits: |coef * (sample - zero)| < 2.3 * 2^20 * 256, and two of three terms are chroma
    # around zero.
    coefs, zero = coefs64.astype(np.int32), zero64.astype(np.int32)
    (luma, _, _), (cb, sub_x, sub_y), (cr, _, _) = components(frame)
    out = np.empty((frame.height, frame.width, 3), np.uint8)
    for top in range(0, frame.height, _STRIP):
        rows = min(_STRIP, frame.height - top)
        chroma_rows = slice(top // sub_y, (top + rows + sub_y - 1) // sub_y)
        y = (luma[top : top + rows].astype(np.int32) - zero[0]) * coefs[0, 0] + np.int32(1 << (COEF_BITS - 1))
        u = cb[chroma_rows].astype(np.int32) - zero[1]
        v = cr[chroma_rows].astype(np.int32) - zero[2]
        for channel in range(3):
            # The luma coefficient is the same for all three channels.
            chroma = np.repeat(u * coefs[channel, 1] + v * coefs[channel, 2], sub_x, axis=1)
            total = y + np.repeat(chroma, sub_y, axis=0)[:rows, : frame.width]
            total >>= COEF_BITS
            np.clip(total, 0, 255, out=total)
            out[top : top + rows, :, channel] = total
    return out
