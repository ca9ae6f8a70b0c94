"""Frames of clips set aside on disk: a clip is decoded once, however its frames are then compared."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from leaf_edge.teacher.interface import Rgb

MOST_BYTES = 16 << 30
"""Of the file; what comes later is decoded from the clip again when it is wanted."""

Place = tuple[str, int]
"""Source and number of a frame."""


class FrameSpool:
    """Frames as lossless PNG in one file without a name, which goes with the process, even when it is killed.

    folder: where the file lies, on a disk with room. A disk that is full ends the setting aside, no more.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed in close()
        self._most = most_bytes
        self._end = 0
        self._index: dict[Place, tuple[int, int]] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self._index

    def put(self, place: Place, rgb: Rgb) -> None:
        """Sets a frame aside: uint8 RGB [height, width, 3]."""
        if place in self._index or self._end >= self._most:
            return
        ok, data = cv2.imencode(".png", rgb[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not ok:
            return
        try:
            self._file.seek(self._end)
            self._file.write(data.tobytes())
            self._file.flush()
        except OSError:
            self._most = 0
            return
        self._index[place] = (self._end, len(data))
        self._end += len(data)

    def get(self, place: Place) -> Rgb | None:
        """The frame, bit for bit; None where it was not set aside."""
        if place not in self._index:
            return None
        start, size = self._index[place]
        self._file.seek(start)
        data = np.frombuffer(self._file.read(size), np.uint8)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)

    def close(self) -> None:
        """Gives the disk's room back."""
        self._index.clear()
        self._file.close()
