"""Memory of the TensorRT engine: pinned on the host, with its twin on the device. Allocated once, then
reused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from leaf_edge.frames.frame import Frame

ALIGNMENT = 256
"""Planes begin at multiples of it, which copies and loads like."""


class Buffer:
    """A pinned array and as many bytes on the device. Needs the context to be current.

    cuda: the module `pycuda.driver`. shape, dtype: of the array.
    """

    def __init__(self, cuda: Any, shape: Sequence[int], dtype: DTypeLike) -> None:
        self.array: NDArray[Any] = cuda.pagelocked_empty(tuple(shape), dtype)
        self._memory = cuda.mem_alloc(max(self.array.nbytes, 1))

    @property
    def host(self) -> int:
        """Address of the array."""
        return int(self.array.ctypes.data)

    @property
    def device(self) -> int:
        """Address of the bytes on the device."""
        return int(self._memory)

    def free(self) -> None:
        """Give the device's bytes back now; those of the host go with the last use of `array`."""
        self._memory.free()


def packed_offsets(frame: Frame) -> tuple[list[int], list[int], int]:
    """(offset of each plane, bytes of its rows, bytes in all) of the frame in a staging buffer, rows
    packed.
    """
    offsets, pitches, end = [], [], 0
    for plane in frame.planes:
        begin = -(-end // ALIGNMENT) * ALIGNMENT
        row = int(plane.shape[1]) * plane.itemsize
        offsets.append(begin)
        pitches.append(row)
        end = begin + row * int(plane.shape[0])
    return offsets, pitches, end


def stage(frame: Frame, offsets: Sequence[int], staging: NDArray[np.uint8]) -> None:
    """Copy the planes into a pinned uint8 array, each at its offset, without their padding."""
    for plane, offset in zip(frame.planes, offsets, strict=True):
        size = plane.shape[0] * plane.shape[1] * plane.itemsize
        target = staging[offset : offset + size].view(plane.dtype).reshape(plane.shape)
        np.copyto(target, plane)
