"""Frames and where they come from."""

from leaf_edge.frames.frame import (
    MAX_DIMENSION,
    ColorMatrix,
    ColorRange,
    Frame,
    FrameError,
    PixelFormat,
    Roi,
    plane_shapes,
)

__all__ = [
    "MAX_DIMENSION",
    "ColorMatrix",
    "ColorRange",
    "Frame",
    "FrameError",
    "PixelFormat",
    "Roi",
    "plane_shapes",
]
