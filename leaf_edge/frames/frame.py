"""A camera frame as it comes from the sensor: pixels plus everything needed to read them.

This file is the one definition of the pixel formats, colour matrices and ranges that the project
knows. The numeric codes are shared with the C++ core (`runtime/include/leaf_edge/views.h`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_DIMENSION = 16384
"""Largest accepted frame width or height, in pixels. Bounds the 64-bit sums of the global view."""


class FrameError(ValueError):
    """A frame description that does not match its pixels, or lacks something that cannot be guessed."""


class PixelFormat(IntEnum):
    """Layout of the samples in memory. 8 bits a sample, except `P010`."""

    NV12 = 0  # planes: Y, interleaved U V at half width and half height
    NV21 = 1  # planes: Y, interleaved V U at half width and half height
    I420 = 2  # planes: Y, U, V; U and V at half width and half height
    YUYV = 3  # one plane: Y0 U Y1 V
    UYVY = 4  # one plane: U Y0 V Y1
    RGB = 5
    BGR = 6
    RGBA = 7  # alpha is ignored
    BGRA = 8
    GRAY8 = 9
    P010 = 10  # as NV12 with 16-bit little-endian samples, the value in the upper 10 bits

    @classmethod
    def parse(cls, text: str) -> PixelFormat:
        """`text` in any letter case to a format. Raises `FrameError` naming the known ones."""
        return _parse(cls, text, "pixel format")

    @property
    def is_yuv(self) -> bool:
        """Whether samples are luma and chroma, so that a colour matrix is needed."""
        return self in _YUV


class ColorMatrix(IntEnum):
    """Luma coefficients Kr, Kb that relate R'G'B' to Y'CbCr."""

    BT601 = 0  # Kr 0.299,  Kb 0.114   (ITU-R BT.601-7, 2.5.1)
    BT709 = 1  # Kr 0.2126, Kb 0.0722  (ITU-R BT.709-6, 3.2)
    BT2020 = 2  # Kr 0.2627, Kb 0.0593 (ITU-R BT.2020-2, table 4, non-constant luminance)

    @classmethod
    def parse(cls, text: str) -> ColorMatrix:
        """`bt601`, `601`, `BT.709`, ... to a matrix. Raises `FrameError` naming the known ones."""
        text = text.strip().lower().replace(".", "")
        return _parse(cls, text if text.startswith("bt") else "bt" + text, "colour matrix")

    @property
    def kr_kb(self) -> tuple[float, float]:
        """(Kr, Kb) of the standard."""
        return ((0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593))[self]


class ColorRange(IntEnum):
    """Quantisation range of the samples."""

    LIMITED = 0  # 8 bit: Y, R, G, B 16..235; Cb, Cr 16..240
    FULL = 1  # 8 bit: 0..255

    @classmethod
    def parse(cls, text: str) -> ColorRange:
        """`limited` or `tv`, `full` or `pc`. Raises `FrameError` naming the known ones."""
        alias = {"tv": "limited", "mpeg": "limited", "pc": "full", "jpeg": "full"}
        return _parse(cls, alias.get(text.strip().lower(), text), "colour range")


_YUV = frozenset(
    {
        PixelFormat.NV12,
        PixelFormat.NV21,
        PixelFormat.I420,
        PixelFormat.YUYV,
        PixelFormat.UYVY,
        PixelFormat.P010,
    }
)
_PIXEL_BYTES = {
    PixelFormat.RGB: 3,
    PixelFormat.BGR: 3,
    PixelFormat.RGBA: 4,
    PixelFormat.BGRA: 4,
    PixelFormat.GRAY8: 1,
}


_Member = TypeVar("_Member", bound=IntEnum)


def _parse(kind: type[_Member], text: str, what: str) -> _Member:
    try:
        return kind[text.strip().upper()]
    except KeyError:
        known = ", ".join(name.lower() for name in kind.__members__)
        raise FrameError(f"unknown {what} {text!r}; expected one of: {known}") from None


def plane_shapes(fmt: PixelFormat, width: int, height: int) -> list[tuple[int, int]]:
    """(rows, samples in a row) of each plane of a `width` x `height` frame; chroma rounds up."""
    half_w, half_h = (width + 1) // 2, (height + 1) // 2
    if fmt in (PixelFormat.NV12, PixelFormat.NV21, PixelFormat.P010):
        return [(height, width), (half_h, 2 * half_w)]
    if fmt is PixelFormat.I420:
        return [(height, width), (half_h, half_w), (half_h, half_w)]
    if fmt in (PixelFormat.YUYV, PixelFormat.UYVY):
        return [(height, 4 * half_w)]
    return [(height, _PIXEL_BYTES[fmt] * width)]


class Roi(NamedTuple):
    """Region of interest in luma pixels; any offset and size inside the frame, odd ones too."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Frame:
    """Pixels, their layout and their colour, as one immutable value.

    planes: 2-D arrays [rows, samples in a row], uint8 (uint16 for P010), as `plane_shapes` lists
        them. The pitch is the array's first stride, in bytes, and may exceed the row; samples of
        a row are adjacent. Interleaved formats are flat rows (RGB: [height, 3 * width]).
    width, height: luma size in pixels, 1 to `MAX_DIMENSION`.
    matrix: needed for YUV formats, None for the others. Never guessed.
    range: full or limited, always stated.
    time_s: capture time in seconds on the source's clock, None where the source has none.
    index: number of the frame in its source, from 0.
    source: where the frame came from, for people.
    """

    planes: tuple[NDArray[Any], ...]
    width: int
    height: int
    format: PixelFormat
    range: ColorRange
    matrix: ColorMatrix | None = None
    time_s: float | None = None
    index: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("height", self.height)):
            if not 1 <= value <= MAX_DIMENSION:
                raise FrameError(f"frame {name} is {value}; expected 1 to {MAX_DIMENSION} pixels")
        if self.format.is_yuv and self.matrix is None:
            raise FrameError(
                f"{self.format.name} needs a colour matrix (bt601, bt709 or bt2020); none was stated"
            )
        if not self.format.is_yuv and self.matrix is not None:
            raise FrameError(f"{self.format.name} has no colour matrix, but {self.matrix.name} was stated")
        shapes = plane_shapes(self.format, self.width, self.height)
        if len(self.planes) != len(shapes):
            raise FrameError(f"{self.format.name} has {len(shapes)} plane(s); {len(self.planes)} were given")
        dtype = np.dtype(np.uint16 if self.format is PixelFormat.P010 else np.uint8)
        for number, (plane, shape) in enumerate(zip(self.planes, shapes, strict=True)):
            if plane.dtype != dtype or plane.shape != shape:
                raise FrameError(
                    f"plane {number} of a {self.width}x{self.height} {self.format.name} frame must be "
                    f"{dtype} {list(shape)}; found {plane.dtype} {list(plane.shape)}"
                )
            if plane.strides[1] != dtype.itemsize and shape[1] > 1:
                raise FrameError(f"plane {number}: samples of a row must be adjacent in memory")
            if plane.strides[0] < shape[1] * dtype.itemsize and shape[0] > 1:
                raise FrameError(
                    f"plane {number}: pitch is {plane.strides[0]} bytes, less than a row of "
                    f"{shape[1] * dtype.itemsize}"
                )

    @classmethod
    def from_array(
        cls,
        image: NDArray[np.uint8],
        format: PixelFormat = PixelFormat.RGB,
        range: ColorRange = ColorRange.FULL,
        **more: Any,
    ) -> Frame:
        """A frame over an image array, without a copy where its rows are contiguous.

        image: uint8 [height, width, channels] as `format` says, or [height, width] for GRAY8.
        """
        channels = _PIXEL_BYTES.get(format)
        expected = 2 if channels == 1 else 3
        if channels is None or image.ndim != expected or (expected == 3 and image.shape[2] != channels):
            raise FrameError(
                f"from_array takes RGB, BGR, RGBA, BGRA [height, width, channels] or GRAY8 "
                f"[height, width]; found {format.name} with shape {list(image.shape)}"
            )
        if image.strides[1] != channels * image.itemsize or image.strides[-1] != image.itemsize:
            image = np.ascontiguousarray(image)
        height, width = image.shape[:2]
        rows = np.lib.stride_tricks.as_strided(
            image, (height, width * channels), (image.strides[0], image.itemsize), writeable=False
        )
        return cls((rows,), width, height, format, range, **more)

    @classmethod
    def from_bytes(
        cls,
        data: bytes | bytearray | memoryview,
        format: PixelFormat,
        width: int,
        height: int,
        range: ColorRange,
        matrix: ColorMatrix | None = None,
        pitch: Sequence[int] | None = None,
        **more: Any,
    ) -> Frame:
        """A frame over one packed buffer: planes one after another, each row `pitch[i]` bytes.

        Raises `FrameError` where the buffer's size is not what the description needs.
        """
        dtype = np.dtype(np.uint16 if format is PixelFormat.P010 else np.uint8)
        shapes = plane_shapes(format, width, height)
        pitches = list(pitch or (columns * dtype.itemsize for _, columns in shapes))
        if len(pitches) != len(shapes):
            raise FrameError(f"{format.name} needs {len(shapes)} pitch value(s); found {len(pitches)}")
        for row_pitch, (_, columns) in zip(pitches, shapes, strict=True):
            if row_pitch < columns * dtype.itemsize:
                raise FrameError(f"pitch {row_pitch} is less than a row of {columns * dtype.itemsize} bytes")
        need = sum(p * rows for p, (rows, _) in zip(pitches, shapes, strict=True))
        if len(data) != need:
            raise FrameError(f"a {width}x{height} {format.name} frame takes {need} bytes; found {len(data)}")
        planes, offset = [], 0
        for row_pitch, shape in zip(pitches, shapes, strict=True):
            planes.append(
                np.ndarray(shape, dtype, buffer=data, offset=offset, strides=(row_pitch, dtype.itemsize))
            )
            offset += row_pitch * shape[0]
        return cls(tuple(planes), width, height, format, range, matrix, **more)

    def with_capture(self, *, index: int, time_s: float | None, source: str) -> Frame:
        """The same pixels with another place in a stream."""
        return replace(self, index=index, time_s=time_s, source=source)
