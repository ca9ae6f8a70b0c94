"""What the CUDA kernel of the two views is told, and where its fatbin is. Kernels: runtime/cuda/views.cu."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorMatrix, ColorRange, PixelFormat, Roi
from leaf_edge.views.reference import SIZE, color_coefficients

KERNEL = "leaf_views"
THREADS = 256
BLOCKS = SIZE
"""Of one launch: a block for each row of the views."""

FATBIN_NAME = "views.fatbin"

_I420 = ((0, 0, 1, 1, 1), (1, 0, 1, 2, 2), (2, 0, 1, 2, 2))
_PAIRS = ((0, 0, 1, 1, 1), (1, 0, 2, 2, 2), (1, 1, 2, 2, 2))
_LAYOUT: dict[PixelFormat, tuple[tuple[int, int, int, int, int], ...]] = {
    PixelFormat.NV12: _PAIRS,
    PixelFormat.NV21: (_PAIRS[0], _PAIRS[2], _PAIRS[1]),
    PixelFormat.P010: _PAIRS,
    PixelFormat.I420: _I420,
    PixelFormat.YUYV: ((0, 0, 2, 1, 1), (0, 1, 4, 2, 1), (0, 3, 4, 2, 1)),
    PixelFormat.UYVY: ((0, 1, 2, 1, 1), (0, 0, 4, 2, 1), (0, 2, 4, 2, 1)),
    PixelFormat.RGB: tuple((0, c, 3, 1, 1) for c in (0, 1, 2)),
    PixelFormat.BGR: tuple((0, c, 3, 1, 1) for c in (2, 1, 0)),
    PixelFormat.RGBA: tuple((0, c, 4, 1, 1) for c in (0, 1, 2)),
    PixelFormat.BGRA: tuple((0, c, 4, 1, 1) for c in (2, 1, 0)),
    PixelFormat.GRAY8: ((0, 0, 1, 1, 1),),
}
"""Of each component: plane, offset and stride in samples, sub_x, sub_y (its plane's)."""


_UNITS: dict[PixelFormat, tuple[tuple[int, int, int], ...]] = {
    **dict.fromkeys((PixelFormat.NV12, PixelFormat.NV21, PixelFormat.P010), ((1, 1, 1), (2, 2, 2))),
    PixelFormat.I420: ((1, 1, 1), (1, 2, 2), (1, 2, 2)),
    **dict.fromkeys((PixelFormat.YUYV, PixelFormat.UYVY), ((4, 2, 1),)),
    **dict.fromkeys((PixelFormat.RGB, PixelFormat.BGR), ((3, 1, 1),)),
    **dict.fromkeys((PixelFormat.RGBA, PixelFormat.BGRA), ((4, 1, 1),)),
    PixelFormat.GRAY8: ((1, 1, 1),),
}
"""Of each plane: samples that stand together, for how many luma pixels of a row, and of how many rows."""

_CHUNK = 16
_SHARED_WORDS = 4096
_RECIPROCAL_BITS = 31


class _Plane(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_uint64),
        ("pitch", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("row_bytes", "unit", "pixels", "sub_y", "access", "unused")),
    )


class _Component(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int32) for name in ("plane", "offset", "stride", "sub_x"))


class _Axis(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("offset", "length", "n", "m")),
        ("reciprocal", ctypes.c_uint32 * 2),
    )


class DeviceFrame(ctypes.Structure):
    """`leaf::device::Frame` of runtime/cuda/views_frame.h, the kernel's one parameter."""

    _fields_ = (
        ("plane", _Plane * 3),
        ("component", _Component * 3),
        ("out", ctypes.c_uint64),
        ("scale", ctypes.c_uint64),
        ("y", _Axis),
        ("x", _Axis),
        ("coef", ctypes.c_int32 * 9),
        ("zero", ctypes.c_int32 * 3),
        *(
            (name, ctypes.c_int32)
            for name in ("planes", "components", "sample_bytes", "wide", "tile", "surface")
        ),
    )


def device_frame(
    fmt: PixelFormat,
    matrix: ColorMatrix | None,
    range_: ColorRange,
    width: int,
    roi: Roi,
    planes: Sequence[int],
    pitches: Sequence[int],
    out: int,
) -> DeviceFrame:
    """The kernel's parameter for one frame.

    width: of the frame in luma pixels. roi: the region, already checked to lie inside the frame. planes:
    addresses of the first sample of each plane; pitches: bytes from row to row; out: address of uint8
    [2, 3, 224, 224] for the views. The addresses are the device's, or the host's where the host runs the
    functions.
    """
    frame = DeviceFrame()
    layout, units = _LAYOUT[fmt], _UNITS[fmt]
    frame.sample_bytes = 2 if fmt is PixelFormat.P010 else 1
    frame.components, frame.planes = len(layout), len(units)
    for component, (index, offset, stride, sub_x, _) in zip(frame.component, layout, strict=False):
        component.plane, component.offset, component.stride, component.sub_x = index, offset, stride, sub_x
    for index, (samples, pixels, sub_y) in enumerate(units):
        plane = frame.plane[index]
        plane.address, plane.pitch = planes[index], pitches[index]
        plane.unit, plane.pixels, plane.sub_y = samples * frame.sample_bytes, pixels, sub_y
        plane.row_bytes = -(-width // pixels) * plane.unit
        plane.access = next(a for a in (16, 4, 1) if not (plane.address | plane.pitch) % a)
    frame.out = out
    frame.y = _axis(roi.y, roi.height)
    frame.x = _axis(roi.x, roi.width)
    area = frame.y.n * frame.x.n
    frame.scale = ((1 << 54) + area // 2) // area
    frame.wide = int(frame.sample_bytes == 2 or frame.y.n * 255 > 0xFFFF)
    frame.tile = _tile(frame)
    coefs, zero = color_coefficients(fmt, matrix, range_)
    frame.coef[:] = coefs.reshape(-1).tolist()
    frame.zero[:] = zero.tolist()
    return frame


def _axis(offset: int, length: int) -> _Axis:
    common = math.gcd(length, SIZE)
    n, m = length // common, SIZE // common
    reciprocal = ((1 << _RECIPROCAL_BITS) // (sub * m) + 1 for sub in (1, 2))
    return _Axis(offset, length, n, m, (ctypes.c_uint32 * 2)(*reciprocal))


def _tile(frame: DeviceFrame) -> int:
    """Output columns whose column sums fit in shared memory, in as few equal parts as do."""
    words = 16 if frame.wide and frame.sample_bytes == 1 else 8
    for parts in range(1, SIZE + 1):
        tile = -(-SIZE // parts)
        pixels = tile * frame.x.n // frame.x.m + 2  # those that two ends cut count whole
        chunks = sum(
            ((pixels // plane.pixels + 2) * plane.unit + 2 * _CHUNK - 2) // _CHUNK
            for plane in frame.plane[: frame.planes]
        )
        if chunks * words <= _SHARED_WORDS:
            return tile
    raise AssertionError("one column fits")


def row_bytes(plane: NDArray[np.generic]) -> int:
    """Bytes of a plane's row without padding."""
    return int(plane.shape[1]) * plane.itemsize


def find_fatbin() -> Path | None:
    """The compiled kernel: `LEAF_VIEWS_FATBIN` where set, else the one inside the package; or None."""
    named = os.environ.get("LEAF_VIEWS_FATBIN")
    path = Path(named) if named else Path(__file__).parents[1] / FATBIN_NAME
    return path if path.is_file() else None
