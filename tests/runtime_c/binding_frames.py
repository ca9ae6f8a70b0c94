"""Frames and contexts for the tests of the Python binding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, plane_shapes
from leaf_edge.runtime.native import find_onnxruntime
from leaf_edge.runtime.native_context import Context
from leaf_edge.runtime.score import Score, StageTimes


def noise_frame(
    fmt: PixelFormat = PixelFormat.NV12,
    width: int = 97,
    height: int = 61,
    *,
    range: ColorRange = ColorRange.LIMITED,
    matrix: ColorMatrix | None = None,
    padding: int = 0,
    seed: int = 0,
    **more: Any,
) -> Frame:
    """A frame of random samples around a level of its own; rows are followed by `padding` bytes."""
    rng = np.random.default_rng([seed, int(fmt), width, height])
    wide = fmt is PixelFormat.P010
    data, pitch = b"", []
    for rows, columns in plane_shapes(fmt, width, height):
        samples = np.clip(rng.normal(rng.integers(60, 190), 40, (rows, columns)), 0, 255)
        plane = (samples * 4).astype("<u2") << 6 if wide else samples.astype(np.uint8)
        data += b"".join(row.tobytes() + b"\xa5" * padding for row in plane)
        pitch.append(columns * plane.itemsize + padding)
    if fmt.is_yuv and matrix is None:
        matrix = ColorMatrix.BT709
    return Frame.from_bytes(data, fmt, width, height, range, matrix, pitch, **more)


def open_context(bundle: Path, **settings: Any) -> Context:
    """A context with the ONNX Runtime of the Python package."""
    return Context(bundle, onnxruntime=find_onnxruntime(), **settings)


def untimed(score: Score) -> Score:
    """A score without what differs between two runs."""
    return replace(score, stages=StageTimes())
