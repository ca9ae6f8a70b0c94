"""Frames as the C library for Python takes them: planes in any library's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from leaf_edge.frames.frame import ColorMatrix, ColorRange, FrameError, PixelFormat, Roi

NativeInput: TypeAlias = tuple[Sequence[object], int, int, int, int, int, int, int, int, int]
"""Planes, width, height, format, matrix, range, and x, y, width, height of the region."""

_NO_MATRIX = -1  # LEAF_NO_MATRIX


class FrameLike(Protocol):
    """What is read of a frame: `leaf_edge.Frame`, `ArrayFrame`, or a type of the program's own."""

    @property
    def planes(self) -> Sequence[Any]: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def format(self) -> PixelFormat: ...
    @property
    def range(self) -> ColorRange: ...
    @property
    def matrix(self) -> ColorMatrix | None: ...
    @property
    def time_s(self) -> float | None: ...
    @property
    def index(self) -> int: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True)
class ArrayFrame:
    """As `leaf_edge.Frame`, of arrays of any library, in host memory or on a CUDA device.

    planes: an array for each plane, with the buffer protocol or DLPack; [rows, samples of a row], or
        [height, width, channels]; uint8, uint16 for P010. Samples of a row are adjacent, rows may be any
        pitch apart. Nothing for `Context.prepare`, which needs the geometry alone.
    The other fields are those of `Frame`. Nothing is checked here: `Context` does, when it gets the frame.
    """

    planes: tuple[Any, ...]
    width: int
    height: int
    format: PixelFormat
    range: ColorRange
    matrix: ColorMatrix | None = None
    time_s: float | None = None
    index: int = 0
    source: str = ""


def native_input(frame: FrameLike, roi: Roi | None) -> NativeInput:
    """What the module takes of a frame. Raises `FrameError` for an empty region."""
    matrix = frame.matrix
    if roi is None:
        x = y = width = height = 0
    else:
        x, y, width, height = roi
        if width == 0 or height == 0:  # which would be the whole frame
            raise FrameError(f"region of interest {width}x{height} at ({x}, {y}) is empty")
    return (
        frame.planes,
        frame.width,
        frame.height,
        int(frame.format),
        _NO_MATRIX if matrix is None else int(matrix),
        int(frame.range),
        x,
        y,
        width,
        height,
    )


def native_inputs(frames: Sequence[FrameLike], rois: Sequence[Roi | None] | None) -> list[NativeInput]:
    """The same of several. Raises `FrameError` where there is not a region, or None, for each."""
    if rois is None:
        return [native_input(frame, None) for frame in frames]
    if len(rois) != len(frames):
        raise FrameError(f"{len(rois)} regions for {len(frames)} frames; expected one for each")
    return [native_input(frame, roi) for frame, roi in zip(frames, rois, strict=True)]
