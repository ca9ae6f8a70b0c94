"""Frames and where they come from."""

from leaf_edge.frames.convert import to_format
from leaf_edge.frames.folder import FolderSource
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
from leaf_edge.frames.images import decode_image, read_image
from leaf_edge.frames.opening import kind_of, open_source
from leaf_edge.frames.source import Source, SourceError, SourceOptions

__all__ = [
    "MAX_DIMENSION",
    "ColorMatrix",
    "ColorRange",
    "FolderSource",
    "Frame",
    "FrameError",
    "PixelFormat",
    "Roi",
    "Source",
    "SourceError",
    "SourceOptions",
    "decode_image",
    "kind_of",
    "open_source",
    "plane_shapes",
    "read_image",
    "to_format",
]
