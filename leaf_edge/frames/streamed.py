"""What y4m and raw sources share: frames one after another in a file or a pipe."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

from leaf_edge.frames.bytestream import ByteStream
from leaf_edge.frames.frame import Frame
from leaf_edge.frames.source import STDIN_NAME, Source, SourceError, SourceOptions

Opener = Callable[[], ByteStream]


def open_file(path: Path) -> ByteStream:
    """A stream over a file. Raises OSError."""
    return ByteStream(path.open("rb"), owned=True)


def open_stdin() -> ByteStream:
    """A stream over standard input. Raises `SourceError` where it is missing or a terminal."""
    if sys.stdin is None or sys.stdin.closed:
        raise SourceError(STDIN_NAME, "this process has no standard input")
    if sys.stdin.isatty():
        raise SourceError(STDIN_NAME, "standard input is a terminal; expected frames from a pipe or a file")
    try:
        # A reader of its own: the interpreter aborts when it ends while a thread that it does not wait
        # for is inside `sys.stdin.buffer`, as it is in a pipe that says no more.
        file = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115 - a number, no path
    except (OSError, ValueError):  # a program that has put something else in the place of sys.stdin
        return ByteStream(sys.stdin.buffer, owned=False)
    return ByteStream(file, owned=False)


class StreamedSource(Source):
    """Opens its stream at once, so that a bad header is known early; a file can be read again."""

    def __init__(self, name: str, options: SourceOptions, opener: Opener, again: bool) -> None:
        """again: whether `opener` gives the same bytes a second time."""
        super().__init__(name, options)
        self._opener = opener
        self._again = again
        self._stream: ByteStream | None = None
        self._used = False
        self._failure: SourceError | None = None
        try:
            self._start()
        except SourceError as error:
            self.close()
            if options.on_error == "fail":
                raise
            self._failure = error

    @abstractmethod
    def _read_head(self, stream: ByteStream) -> None:
        """Read what comes before the first frame. Raises `SourceError`."""

    @abstractmethod
    def _read_frame(self, stream: ByteStream, index: int, wanted: bool) -> Frame | bool:
        """The next frame, or True where it is not wanted and was passed over, or False at the end.

        Raises `SourceError` for a frame that is not whole.
        """

    def _start(self) -> ByteStream:
        try:
            self._stream = stream = self._opener()
            self._read_head(stream)
        except OSError as error:
            raise self._unreadable(error) from None
        return stream

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(self.name, f"cannot be read: {error.strerror or error}")

    def _frames(self) -> Iterator[Frame]:
        try:
            if self._failure is not None:
                raise self._failure
            if self._used and not self._again:
                raise SourceError(self.name, "was read already; a pipe gives its frames once")
            self._used = True
            stream = self._stream or self._start()
            yield from self._read_frames(stream)
        except OSError as error:
            self._problem(self._unreadable(error))
        except SourceError as error:
            self._problem(error)
        finally:
            self.close()

    def _read_frames(self, stream: ByteStream) -> Iterator[Frame]:
        index = 0
        while True:
            found = self._read_frame(stream, index, index % self.options.every == 0)
            if found is False:
                break
            if isinstance(found, Frame):
                time_s = index / self.fps if self.fps else None
                yield found.with_capture(index=index, time_s=time_s, source=self.name)
            index += 1
        if index == 0:
            raise SourceError(self.name, "holds no frame")

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _short(self, index: int, found: int, expected: int) -> SourceError:
        return SourceError(self.name, f"frame {index} is cut short: {found} of {expected} bytes")
