"""Raw frames, one after another with nothing between, from a file or standard input."""

from __future__ import annotations

import numpy as np

from leaf_edge.frames.bytestream import ByteStream
from leaf_edge.frames.color import resolve_color
from leaf_edge.frames.frame import Frame, PixelFormat, plane_shapes
from leaf_edge.frames.source import Notices, SourceError, SourceOptions, kept
from leaf_edge.frames.streamed import Opener, StreamedSource

MAX_FRAME_BYTES = 1 << 31


class RawSource(StreamedSource):
    """Frames whose layout the user states: format and size, and pitch where rows are padded.

    Raises `SourceError` where the statement lacks something or contradicts itself, whatever
    `on_error` says.
    """

    kind = "raw"

    def __init__(
        self, name: str, options: SourceOptions, opener: Opener, notices: Notices, again: bool = True
    ) -> None:
        if options.format is None or options.size is None:
            missing = "size" if options.format is not None else "format"
            raise SourceError(
                name,
                f"raw frames need a format and a size; {missing} is not stated "
                "(as in --format nv12 --size 1920x1080)",
            )
        self._format = options.format
        self._size = options.size
        if options.matrix is not None and not self._format.is_yuv:
            raise SourceError(
                name, f"{self._format.name} has no colour matrix, but {options.matrix.name} was stated"
            )
        self._pitch = plane_pitches(name, self._format, self._size, options.pitch)
        shapes = plane_shapes(self._format, *self._size)
        self.frame_bytes = sum(p * rows for p, (rows, _) in zip(self._pitch, shapes, strict=True))
        if self.frame_bytes > MAX_FRAME_BYTES:
            raise SourceError(
                name, f"a frame would take {self.frame_bytes} bytes; expected at most {MAX_FRAME_BYTES}"
            )
        self._notices = notices
        super().__init__(name, options, opener, again)
        self.fps = options.fps

    def _read_head(self, stream: ByteStream) -> None:
        self._matrix, self._range = resolve_color(
            self.name, self.options, self._notices, is_yuv=self._format.is_yuv, size=self._size
        )
        if stream.size is not None:
            self.length = kept(stream.size // self.frame_bytes, self.options.every)

    def _read_frame(self, stream: ByteStream, index: int, wanted: bool) -> Frame | bool:
        if not wanted:
            found = stream.skip(self.frame_bytes)
        else:
            data, found = stream.read_array(self.frame_bytes)
        if found == 0:
            return False
        if found < self.frame_bytes:
            raise self._short(index, found, self.frame_bytes)
        if not wanted:
            return True
        return Frame.from_bytes(data.data, self._format, *self._size, self._range, self._matrix, self._pitch)


def plane_pitches(
    name: str, format: PixelFormat, size: tuple[int, int], stated: tuple[int, ...] | None
) -> list[int]:
    """Bytes from row to row of each plane. One stated value serves all planes (I420: halved for chroma).

    Raises `SourceError` for a wrong number of values or a pitch below a row.
    """
    itemsize = np.dtype(np.uint16 if format is PixelFormat.P010 else np.uint8).itemsize
    rows = [columns * itemsize for _, columns in plane_shapes(format, *size)]
    if stated is None:
        return rows
    pitches = list(stated)
    if len(pitches) == 1 and len(rows) > 1:
        chroma = (pitches[0] + 1) // 2 if format is PixelFormat.I420 else pitches[0]
        pitches += [chroma] * (len(rows) - 1)
    if len(pitches) != len(rows):
        raise SourceError(
            name, f"{format.name} has {len(rows)} plane(s); {len(pitches)} values of pitch were stated"
        )
    for number, (pitch, row) in enumerate(zip(pitches, rows, strict=True)):
        if pitch < row:
            raise SourceError(
                name, f"pitch of plane {number} is {pitch} bytes; expected at least a row of {row}"
            )
    return pitches
