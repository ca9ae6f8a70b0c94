"""Quarter turns of frames, for videos that state how to hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorRange, Frame, PixelFormat

_CHANNELS = {
    PixelFormat.I420: (1, 1, 1),
    PixelFormat.NV12: (1, 2),
    PixelFormat.NV21: (1, 2),
    PixelFormat.P010: (1, 2),
    PixelFormat.RGB: (3,),
    PixelFormat.BGR: (3,),
    PixelFormat.RGBA: (4,),
    PixelFormat.BGRA: (4,),
    PixelFormat.GRAY8: (1,),
}


def turn(frame: Frame, degrees: float) -> Frame:
    """`frame` turned by the nearest multiple of 90 degrees, counter-clockwise.

    The format stays, but for pictures whose chroma grid does not survive the turn (4:2:2, and 4:2:0
    with an odd side): these become full-range RGB.
    """
    quarters = round(degrees / 90) % 4
    if quarters == 0:
        return frame
    odd = frame.format.is_yuv and (frame.width % 2 or frame.height % 2)
    if frame.format not in _CHANNELS or odd:
        from leaf_edge.frames.rgb import to_rgb

        frame = Frame.from_array(to_rgb(frame), PixelFormat.RGB, ColorRange.FULL)
    planes = tuple(
        _turn_plane(plane, channels, quarters)
        for plane, channels in zip(frame.planes, _CHANNELS[frame.format], strict=True)
    )
    width, height = frame.width, frame.height
    if quarters % 2:
        width, height = height, width
    return Frame(planes, width, height, frame.format, frame.range, frame.matrix)


def _turn_plane(plane: NDArray[Any], channels: int, quarters: int) -> NDArray[Any]:
    grid = plane.reshape(plane.shape[0], -1, channels)
    turned = np.ascontiguousarray(np.rot90(grid, quarters))
    return turned.reshape(turned.shape[0], -1)
