"""What the CUDA kernel of the two views is told, and where its fatbin is. Kernels: runtime/cuda/views.cu."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorMatrix, ColorRange, PixelFormat, Roi
from leaf_edge.views.reference import SIZE, color_coefficients

KERNEL = "leaf_views"
OUTPUTS = 64
"""Pixels of the views that a block makes."""
THREADS = 2 * OUTPUTS
BLOCKS = SIZE * SIZE // OUTPUTS
"""Of one launch for one frame."""

FATBIN_NAME = "views.fatbin"


class Layout(IntEnum):
    """How samples stand in memory, with the numbers of runtime/cuda/views_frame.h."""

    NONE = 0
    GRAY = 1
    PAIRS = 2
    PLANAR = 3
    PAIRS_OF_TEN = 4
    PACKED_422 = 5
    RGB = 6
    RGBA = 7


_ONE, _HALF = (1, 1), (1, 2)
_PAIRS = (_ONE, (2, 2))
_FORMATS: dict[PixelFormat, tuple[Layout, tuple[tuple[int, int], ...], tuple[int, int, int]]] = {
    PixelFormat.GRAY8: (Layout.GRAY, (_ONE,), (0, 1, 2)),
    PixelFormat.NV12: (Layout.PAIRS, _PAIRS, (0, 1, 2)),
    PixelFormat.NV21: (Layout.PAIRS, _PAIRS, (0, 2, 1)),
    PixelFormat.I420: (Layout.PLANAR, (_ONE, _HALF, _HALF), (0, 1, 2)),
    PixelFormat.P010: (Layout.PAIRS_OF_TEN, _PAIRS, (0, 1, 2)),
    PixelFormat.YUYV: (Layout.PACKED_422, ((4, 2),), (0, 1, 2)),
    PixelFormat.UYVY: (Layout.PACKED_422, ((4, 2),), (0, 1, 2)),
    PixelFormat.RGB: (Layout.RGB, ((3, 1),), (0, 1, 2)),
    PixelFormat.BGR: (Layout.RGB, ((3, 1),), (2, 1, 0)),
    PixelFormat.RGBA: (Layout.RGBA, ((4, 1),), (0, 1, 2)),
    PixelFormat.BGRA: (Layout.RGBA, ((4, 1),), (2, 1, 0)),
}
"""Of each plane: samples that stand together, and for how many luma pixels of a row. Then the component
that stands at each place in memory.
"""

_RECIPROCAL_BITS = 31


class _Plane(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_uint64),
        ("pitch", ctypes.c_int64),
        ("row_bytes", ctypes.c_int32),
        ("access", ctypes.c_int32),
    )


class _Axis(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("offset", "length", "n", "m")),
        ("reciprocal", ctypes.c_uint32 * 2),
    )


class DeviceFrame(ctypes.Structure):
    """`leaf::device::Frame` of runtime/cuda/views_frame.h, the kernel's one parameter."""

    _fields_ = (
        ("plane", _Plane * 3),
        ("out", ctypes.c_uint64),
        ("scale", ctypes.c_uint64),
        ("y", _Axis),
        ("x", _Axis),
        ("coef", ctypes.c_int32 * 9),
        ("zero", ctypes.c_int32 * 3),
        *((name, ctypes.c_int32) for name in ("layout", "luma_at", "surface", "unused")),
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
    frame.layout, units, order = _FORMATS[fmt]
    frame.luma_at = int(fmt is PixelFormat.UYVY)
    sample_bytes = 2 if fmt is PixelFormat.P010 else 1
    for index, (samples, pixels) in enumerate(units):
        plane = frame.plane[index]
        plane.address, plane.pitch = planes[index], pitches[index]
        plane.row_bytes = -(-width // pixels) * samples * sample_bytes
        plane.access = 1 if (plane.address | plane.pitch) % 4 else 4
    frame.out = out
    frame.y = _axis(roi.y, roi.height)
    frame.x = _axis(roi.x, roi.width)
    area = frame.y.n * frame.x.n
    frame.scale = ((1 << 54) + area // 2) // area
    coefs, zero = color_coefficients(fmt, matrix, range_)
    frame.coef[:] = coefs[:, list(order)].reshape(-1).tolist()
    frame.zero[:] = zero[list(order)].tolist()
    return frame


def _axis(offset: int, length: int) -> _Axis:
    common = math.gcd(length, SIZE)
    n, m = length // common, SIZE // common
    reciprocal = ((1 << _RECIPROCAL_BITS) // (sub * m) + 1 for sub in (1, 2))
    return _Axis(offset, length, n, m, (ctypes.c_uint32 * 2)(*reciprocal))


def row_bytes(plane: NDArray[np.generic]) -> int:
    """Bytes of a plane's row without padding."""
    return int(plane.shape[1]) * plane.itemsize


def find_fatbin() -> Path | None:
    """The compiled kernel: `LEAF_VIEWS_FATBIN` where set, else the one inside the package; or None."""
    named = os.environ.get("LEAF_VIEWS_FATBIN")
    path = Path(named) if named else Path(__file__).parents[1] / FATBIN_NAME
    return path if path.is_file() else None
