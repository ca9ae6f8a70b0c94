"""Frames made in memory, to time any format and size with no camera at hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorMatrix, ColorRange, Frame, PixelFormat, plane_shapes

_DISTINCT = 8
"""Frames in turn: together larger than most caches, so that pixels come from memory as a camera's do."""


def synthetic_frames(
    format: PixelFormat, width: int, height: int, distinct: int = _DISTINCT, seed: int = 0
) -> list[Frame]:
    """`distinct` frames of texture over a ramp. BT.709 limited where the format is YUV, else full range."""
    rng = np.random.default_rng(seed)
    yuv = format.is_yuv
    frames = []
    for index in range(distinct):
        codes = [_codes(rng, rows, columns) for rows, columns in plane_shapes(format, width, height)]
        if format is PixelFormat.P010:  # the upper bits hold the value
            planes: tuple[NDArray[Any], ...] = tuple((code << 8).astype(np.uint16) for code in codes)
        else:
            planes = tuple(code.astype(np.uint8) for code in codes)
        frames.append(
            Frame(
                planes,
                width,
                height,
                format,
                ColorRange.LIMITED if yuv else ColorRange.FULL,
                ColorMatrix.BT709 if yuv else None,
                index=index,
                source="synthetic",
            )
        )
    return frames


def _codes(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.int64]:
    ramp = np.linspace(60, 180, columns)[None, :] + np.linspace(-20, 20, rows)[:, None]
    return ramp.astype(np.int64) + rng.integers(0, 25, (rows, columns))


def endless(frames: list[Frame]) -> Iterator[Frame]:
    """The frames in turn, numbered on and on."""
    index = 0
    while True:
        frame = frames[index % len(frames)]
        yield frame.with_capture(index=index, time_s=None, source=frame.source)
        index += 1
