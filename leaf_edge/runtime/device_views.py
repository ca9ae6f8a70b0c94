"""What the CUDA kernel of the two views is told, and where its fatbin is. Kernel: runtime/cuda/views.cu."""

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
BLOCKS = SIZE * SIZE // THREADS + SIZE * SIZE // (THREADS // 32)
"""Of one launch: a thread for each pixel of F, a warp of 32 for each pixel of G."""

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
"""Of each component: plane, offset and stride in samples, sub_x, sub_y."""


class _Component(ctypes.Structure):
    _fields_ = (
        ("plane", ctypes.c_uint64),
        ("pitch", ctypes.c_int64),
        ("offset", ctypes.c_int32),
        ("stride", ctypes.c_int32),
        ("sub_x", ctypes.c_int32),
        ("sub_y", ctypes.c_int32),
    )


class _Axis(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int32) for name in ("offset", "length", "n", "m"))


class DeviceFrame(ctypes.Structure):
    """`leaf::device::Frame` of runtime/cuda/views_device.h, the kernel's one parameter."""

    _fields_ = (
        ("component", _Component * 3),
        ("out", ctypes.c_uint64),
        ("scale", ctypes.c_uint64),
        ("y", _Axis),
        ("x", _Axis),
        ("coef", ctypes.c_int32 * 9),
        ("zero", ctypes.c_int32 * 3),
        ("components", ctypes.c_int32),
        ("sample_bytes", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    )


def device_frame(
    fmt: PixelFormat,
    matrix: ColorMatrix | None,
    range_: ColorRange,
    roi: Roi,
    planes: Sequence[int],
    pitches: Sequence[int],
    out: int,
) -> DeviceFrame:
    """The kernel's parameter for one frame.

    roi: the region, already checked to lie inside the frame. planes: addresses of the first sample of each
    plane; pitches: bytes from row to row; out: address of uint8 [2, 3, 224, 224] for the views. The addresses
    are the device's, or the host's where the host runs the functions.
    """
    frame = DeviceFrame()
    layout = _LAYOUT[fmt]
    for component, (plane, offset, stride, sub_x, sub_y) in zip(frame.component, layout, strict=False):
        component.plane, component.pitch = planes[plane], pitches[plane]
        component.offset, component.stride = offset, stride
        component.sub_x, component.sub_y = sub_x, sub_y
    frame.out = out
    frame.y = _axis(roi.y, roi.height)
    frame.x = _axis(roi.x, roi.width)
    area = frame.y.n * frame.x.n
    frame.scale = ((1 << 54) + area // 2) // area
    coefs, zero = color_coefficients(fmt, matrix, range_)
    frame.coef[:] = coefs.reshape(-1).tolist()
    frame.zero[:] = zero.tolist()
    frame.components = len(layout)
    frame.sample_bytes = 2 if fmt is PixelFormat.P010 else 1
    return frame


def _axis(offset: int, length: int) -> _Axis:
    common = math.gcd(length, SIZE)
    return _Axis(offset, length, length // common, SIZE // common)


def row_bytes(plane: NDArray[np.generic]) -> int:
    """Bytes of a plane's row without padding."""
    return int(plane.shape[1]) * plane.itemsize


def find_fatbin() -> Path | None:
    """The compiled kernel: `LEAF_VIEWS_FATBIN` where set, else the one inside the package; or None."""
    named = os.environ.get("LEAF_VIEWS_FATBIN")
    path = Path(named) if named else Path(__file__).parents[1] / FATBIN_NAME
    return path if path.is_file() else None
