"""Video files as frames, decoded by FFmpeg (PyAV) in their own pixel format wherever a `Frame` has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from leaf_edge.frames.frame import MAX_DIMENSION, Frame
from leaf_edge.frames.source import Notices, Source, SourceError, SourceOptions, kept
from leaf_edge.frames.turn import turn
from leaf_edge.frames.video_frame import FrameReader

_ENDS_EARLY_S = 0.5  # less than this is how muxers round


class VideoSource(Source):
    """A video file.

    Times are the frames' own time stamps, from the stream's start; where a frame has none, its
    number over the frame rate. Rotation that the file states is applied. Packets that cannot be
    decoded and pictures that the decoder marks as damaged are left out and reported, once, at the end
    (`on_error="skip"`), or end the source (`fail`).
    """

    kind = "video"

    def __init__(self, path: Path, name: str, options: SourceOptions, notices: Notices) -> None:
        super().__init__(name, options)
        self._path = path
        self._notices = notices
        self._container: InputContainer | None = None
        self._failure: SourceError | None = None
        try:
            stream = self._open()
        except SourceError as error:
            if options.on_error == "fail":
                raise
            self._failure = error
            return
        rate = stream.average_rate
        self.fps = float(rate) if rate else None
        self.length = kept(stream.frames, options.every) if stream.frames > 0 else None
        if options.fps is not None:
            notices.once(name, "has time stamps of its own; the stated fps is not used")

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def _open(self) -> VideoStream:
        self.close()
        try:
            # The prefix keeps names such as "concat:x" from being read as a protocol.
            container = av.open(f"file:{self._path.absolute()}", metadata_errors="replace")
        except (av.FFmpegError, UnicodeError, ValueError) as error:
            raise SourceError(self.name, f"cannot be read as video: {_reason(error)}") from None
        self._container = container
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            self.close()
            raise SourceError(self.name, "holds no video stream")
        if stream.codec_context is None:
            self.close()
            raise SourceError(self.name, "its video codec is not one that FFmpeg here decodes")
        self._check_size(stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "AUTO"
        return stream

    def _check_size(self, width: int, height: int) -> None:
        if width > MAX_DIMENSION or height > MAX_DIMENSION:
            raise SourceError(
                self.name, f"states {width}x{height} pixels; expected at most {MAX_DIMENSION} a side"
            )

    def _frames(self) -> Iterator[Frame]:
        if self._failure is not None:
            self._problem(self._failure)
            return
        try:
            if self._container is None:
                self._open()
            yield from self._decode()
        except SourceError as error:
            self._problem(error)
        finally:
            self.close()

    def _decode(self) -> Iterator[Frame]:
        assert self._container is not None
        container = self._container
        stream = container.streams.best("video")
        assert isinstance(stream, VideoStream)
        reader = FrameReader(self.name, self.options, self._notices)
        damage = _Damage(self.name, self.options.on_error == "fail")
        clock = _Clock(stream)
        packets = 0
        index = -1
        for packet in _demux(container, stream, damage):
            packets += packet.size > 0 or packet.pts is not None
            try:
                pictures = packet.decode()
            except av.error.EOFError:
                break
            except (av.FFmpegError, ValueError) as error:
                damage.add(f"cannot decode a packet near frame {index + 1}: {_reason(error)}")
                continue
            for picture in pictures:
                index += 1
                time_s = clock.time_s(picture, index)
                if picture.is_corrupt:
                    damage.add(f"frame {index} is damaged")
                elif index % self.options.every == 0:
                    self._check_size(picture.width, picture.height)
                    frame = turn(reader.frame(picture), picture.rotation)
                    yield frame.with_capture(index=index, time_s=time_s, source=self.name)
        if index < 0:
            damage.add("holds no frame that can be decoded")
        elif packets < stream.frames:
            damage.add(f"is cut short: {packets} of {stream.frames} stated frames are there")
        elif _ends_early(container, clock.last_s):
            stated = (container.duration or 0) / av.time_base
            damage.add(f"is cut short: it ends at {clock.last_s:.2f} s of {stated:.2f} s stated")
        damage.report(self)


def _demux(container: InputContainer, stream: VideoStream, damage: _Damage) -> Iterator[av.Packet[Any]]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, ValueError) as error:
            damage.add(f"cannot be read further: {_reason(error)}")
            return
        yield packet


def _ends_early(container: InputContainer, last_s: float | None) -> bool:
    """Whether a Matroska file with this one stream ends before its header says.

    Other containers either state the number of frames, or have FFmpeg estimate the length from what
    is there.
    """
    if "matroska" not in container.format.name or len(container.streams) != 1:
        return False
    if container.duration is None or last_s is None:
        return False
    return container.duration / av.time_base - last_s > _ENDS_EARLY_S


class _Clock:
    """Seconds from the start of a stream."""

    def __init__(self, stream: VideoStream) -> None:
        self._rate = stream.average_rate
        self._start = stream.start_time or 0
        self._base = stream.time_base
        self.last_s: float | None = None

    def time_s(self, picture: av.VideoFrame, index: int) -> float | None:
        base = picture.time_base or self._base
        if picture.pts is not None and base:
            self.last_s = float((picture.pts - self._start) * base)
            return self.last_s
        return float(index / self._rate) if self._rate else None


class _Damage:
    """What could not be decoded: the first of it in words, the rest as a number."""

    def __init__(self, source: str, fail: bool) -> None:
        self._source = source
        self._fail = fail
        self._first: str | None = None
        self._more = 0

    def add(self, text: str) -> None:
        if self._fail:
            raise SourceError(self._source, text)
        if self._first is None:
            self._first = text
        else:
            self._more += 1

    def report(self, source: VideoSource) -> None:
        if self._first is not None:
            more = f" (and {self._more} more such places)" if self._more else ""
            raise SourceError(self._source, self._first + more)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
