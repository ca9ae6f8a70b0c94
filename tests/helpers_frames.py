"""Frames as bytes for the C++ programs of the tests."""

from __future__ import annotations

import numpy as np

from leaf_edge.frames import Frame, Roi


def packed(frame: Frame, roi: Roi | None) -> bytes:
    """One frame as runtime/tests/piped_frame.h reads it."""
    matrix = -1 if frame.matrix is None else int(frame.matrix)
    pitches = [p.strides[0] for p in frame.planes] + [0] * (3 - len(frame.planes))
    head = [frame.width, frame.height, int(frame.format), matrix, int(frame.range)]
    data = np.array([*head, *(roi or (0, 0, 0, 0)), *pitches], "<i4").tobytes()
    for plane in frame.planes:
        rows, pitch = plane.shape[0], plane.strides[0]
        padded = np.full((rows, pitch), 0xA5, np.uint8)
        row = np.ascontiguousarray(plane).view(np.uint8).reshape(rows, -1)
        padded[:, : row.shape[1]] = row
        data += padded.tobytes()
    return data
