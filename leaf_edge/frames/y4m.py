"""YUV4MPEG2 (y4m) files and pipes.

The format (yuv4mpeg(5) of MJPEG tools, with FFmpeg's tags for depth and range): a header line of
tags, then for each frame a line that begins with FRAME and the planes, packed, samples above 8 bits
as 16-bit little-endian words. It states size, rate and subsampling, sometimes the range, never the matrix.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from leaf_edge.frames.bytestream import ByteStream
from leaf_edge.frames.color import resolve_color
from leaf_edge.frames.frame import MAX_DIMENSION, ColorRange, Frame
from leaf_edge.frames.planar import Plane, frame_from_gray, frame_from_yuv
from leaf_edge.frames.source import Notices, SourceError, SourceOptions, kept
from leaf_edge.frames.streamed import Opener, StreamedSource

MAGIC = b"YUV4MPEG2"
_MAX_LINE = 4096  # header lines are some 60 bytes in practice
_CHROMA = re.compile(
    r"(?P<mono>mono)(?P<mono_bits>9|10|12|14|16)?"
    r"|(?P<sub>420|422|444|411)(?P<siting>jpeg|mpeg2|paldv)?(?:p(?P<bits>9|10|12|14|16))?(?P<alpha>alpha)?"
)
_SUBSAMPLING = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "411": (4, 1)}
_RANGE_TAG = {"COLORRANGE=FULL": ColorRange.FULL, "COLORRANGE=LIMITED": ColorRange.LIMITED}


class Header(NamedTuple):
    """sub_x, sub_y: luma pixels that a chroma sample covers; 0 where there is no chroma."""

    width: int
    height: int
    fps: float | None
    bits: int
    sub_x: int
    sub_y: int
    alpha: bool
    interlaced: bool
    range: ColorRange | None

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(rows, samples) of each plane in the file."""
        luma = (self.height, self.width)
        if self.sub_x == 0:
            return [luma]
        chroma = (-(-self.height // self.sub_y), -(-self.width // self.sub_x))
        return [luma, chroma, chroma] + [luma] * self.alpha

    @property
    def frame_bytes(self) -> int:
        """Bytes of the planes of a frame."""
        return sum(rows * columns for rows, columns in self.shapes) * (1 if self.bits == 8 else 2)


def parse_header(source: str, line: bytes) -> Header:
    """The tags of a header line. Raises `SourceError`."""
    if not line.startswith(MAGIC):
        raise SourceError(
            source, f"is not y4m: expected it to begin with {MAGIC.decode()}, found {line[:9]!r}"
        )
    if not line.endswith(b"\n"):
        raise SourceError(source, f"y4m header does not end within {min(len(line), _MAX_LINE)} bytes")
    tags: dict[str, list[str]] = {}
    for word in line[len(MAGIC) :].decode("latin-1").split():
        tags.setdefault(word[0], []).append(word[1:])
    width, height = (_side(source, tag, tags.get(tag, [""])[-1]) for tag in "WH")
    chroma = tags.get("C", ["420jpeg"])[-1]
    match = _CHROMA.fullmatch(chroma)
    if match is None:
        raise SourceError(
            source,
            f"y4m chroma C{chroma} is not known; expected C420, C422, C444, C411 or Cmono, 8 to 16 bits",
        )
    ranges = [_RANGE_TAG[tag] for tag in tags.get("X", []) if tag in _RANGE_TAG]
    return Header(
        width,
        height,
        _rate(source, tags.get("F", ["0:0"])[-1]),
        int(match["mono_bits"] or match["bits"] or 8),
        *(_SUBSAMPLING[match["sub"]] if match["sub"] else (0, 0)),
        bool(match["alpha"]),
        tags.get("I", ["?"])[-1] in ("t", "b", "m"),
        ranges[-1] if ranges else None,
    )


def _side(source: str, tag: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_DIMENSION:
        raise SourceError(
            source, f"y4m header states {tag}{text[:20]}; expected {tag}1 to {tag}{MAX_DIMENSION}"
        )
    return int(text)


def _rate(source: str, text: str) -> float | None:
    match = re.fullmatch(r"([0-9]{1,12}):([0-9]{1,12})", text)
    if match is None:
        raise SourceError(source, f"y4m header states F{text[:30]}; expected a ratio, as F30:1")
    up, down = int(match[1]), int(match[2])
    return up / down if up and down else None


class Y4mSource(StreamedSource):
    """Frames of a y4m stream: I420, YUYV, P010, GRAY8 or RGB, as `leaf_edge.frames.planar` says."""

    kind = "y4m"

    def __init__(
        self, name: str, options: SourceOptions, opener: Opener, notices: Notices, again: bool = True
    ) -> None:
        self._notices = notices
        super().__init__(name, options, opener, again)

    def _read_head(self, stream: ByteStream) -> None:
        line = stream.read_line(_MAX_LINE)
        if not line:
            raise SourceError(self.name, "is empty; expected y4m")
        self._header = header = parse_header(self.name, line)
        self.fps = header.fps or self.options.fps
        self._matrix, self._range = resolve_color(
            self.name,
            self.options,
            self._notices,
            is_yuv=header.sub_x > 0,
            size=(header.width, header.height),
            range=header.range,
        )
        if header.interlaced:
            self._notices.once(
                self.name, "is interlaced; fields are not separated, so that motion shows combing"
            )
        if header.fps and self.options.fps and not math.isclose(header.fps, self.options.fps):
            self._notices.once(
                self.name, f"states {header.fps:g} frames a second; the stated fps is not used"
            )
        if stream.size is not None:
            # Frame lines may carry tags; none in practice does.
            frames = (stream.size - len(line)) // (header.frame_bytes + len(b"FRAME\n"))
            self.length = kept(frames, self.options.every)

    def _read_frame(self, stream: ByteStream, index: int, wanted: bool) -> Frame | bool:
        header = self._header
        line = stream.read_line(_MAX_LINE)
        if not line:
            return False
        if not re.match(rb"FRAME[ \n]", line) or not line.endswith(b"\n"):
            raise SourceError(
                self.name,
                f"frame {index} is damaged: expected a line that begins with FRAME, found {line[:16]!r}",
            )
        expected = header.frame_bytes
        if not wanted:
            found = stream.skip(expected)
        else:
            data, found = stream.read_array(expected)
        if found < expected:
            raise self._short(index, found, expected)
        if not wanted:
            return True
        dtype = np.dtype(np.uint8 if header.bits == 8 else "<u2")
        planes: list[Plane] = []
        offset = 0
        for shape in header.shapes:
            planes.append(np.ndarray(shape, dtype, buffer=data, offset=offset))
            offset += shape[0] * shape[1] * dtype.itemsize
        if self._matrix is None:
            return frame_from_gray(planes[0], header.bits, self._range)
        return frame_from_yuv(
            (planes[0], planes[1], planes[2]),
            header.bits,
            header.sub_x,
            header.sub_y,
            self._matrix,
            self._range,
        )
