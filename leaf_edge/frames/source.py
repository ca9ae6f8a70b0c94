"""What every source of frames has in common: options, errors, and the interface."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, TypeAlias

from leaf_edge.frames.frame import (
    MAX_DIMENSION,
    ColorMatrix,
    ColorRange,
    Frame,
    FrameError,
    PixelFormat,
)

Notice: TypeAlias = Callable[[str], None]
"""Takes one line of text, for people: something that was taken by a documented default."""

Kind: TypeAlias = Literal["image", "folder", "video", "y4m", "raw"]

STDIN_NAME = "-"


class SourceError(FrameError):
    """A source, or a part of one, that cannot be read.

    source: the file (or `-`) that it is about; the text begins with it.
    """

    def __init__(self, source: str, message: str) -> None:
        super().__init__(f"{source}: {message}")
        self.source = source
        self._message = message

    def __reduce__(self) -> tuple[type[SourceError], tuple[str, str]]:
        return SourceError, (self.source, self._message)  # so that it passes between processes


@dataclass(frozen=True)
class SourceOptions:
    """What the user states about a source. Raises `FrameError` for values out of range.

    format, size, pitch: layout of raw frames; (width, height) in pixels, bytes from row to row for
        each plane (one value serves all planes, halved for the chroma of I420). Rows are packed
        where no pitch is given.
    fps: frames per second of raw frames, and of y4m files that state none.
    matrix, range: colour of YUV video, y4m and raw frames. What is stated here wins over what a file
        states, and that is announced. Images are full-range RGB by definition.
    every: keep frames 0, N, 2N, ... of each video, y4m or raw source.
    on_error: `skip` collects what cannot be read in `Source.problems` and goes on; `fail` raises it.
    """

    format: PixelFormat | None = None
    size: tuple[int, int] | None = None
    pitch: tuple[int, ...] | None = None
    fps: float | None = None
    matrix: ColorMatrix | None = None
    range: ColorRange | None = None
    every: int = 1
    on_error: Literal["skip", "fail"] = "skip"

    def __post_init__(self) -> None:
        if self.every < 1:
            raise FrameError(f"every is {self.every}; expected 1 or more")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise FrameError(f"fps is {self.fps}; expected a number above 0")
        if self.size is not None and not all(1 <= side <= MAX_DIMENSION for side in self.size):
            raise FrameError(
                f"size is {self.size[0]}x{self.size[1]}; expected 1 to {MAX_DIMENSION} pixels a side"
            )
        if self.pitch is not None and (not self.pitch or min(self.pitch) < 1):
            raise FrameError(f"pitch is {list(self.pitch)}; expected one or more numbers of bytes above 0")
        if self.on_error not in ("skip", "fail"):
            raise FrameError(f"on_error is {self.on_error!r}; expected skip or fail")


DEFAULTS = SourceOptions()


class Notices:
    """Passes each notice on once: several files with the same default are one thing to know."""

    def __init__(self, notice: Notice | None) -> None:
        self._notice = notice
        self._said: set[str] = set()

    def once(self, source: str, *texts: str) -> None:
        """Announce `texts` about `source` in one notice, without those announced about a file before."""
        fresh = [text for text in texts if text not in self._said]
        self._said.update(fresh)
        if fresh and self._notice is not None:
            self._notice(f"{source}: {'; '.join(fresh)}")


class Source(ABC):
    """Frames from one place, in order. A context manager; iterate it from any one thread.

    name: as the user gave it.
    kind: what it is.
    fps: frames per second of the whole source (before `every`), None where unknown or not constant.
    length: frames that an iteration will give, as far as the source states it; None unknown.
    problems: what could not be read in the latest iteration, filled as it goes (`on_error="skip"`).
    """

    kind: Kind
    fps: float | None = None
    length: int | None = None

    def __init__(self, name: str, options: SourceOptions) -> None:
        self.name = name
        self.options = options
        self.problems: list[SourceError] = []

    def __iter__(self) -> Iterator[Frame]:
        self.problems.clear()
        return self._frames()

    @abstractmethod
    def _frames(self) -> Iterator[Frame]:
        """A generator of the frames; reports through `_problem`."""

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Release files. Frames that were given stay valid."""

    def _problem(self, error: SourceError) -> None:
        """Collect `error`, or raise it, as `on_error` says."""
        if self.options.on_error == "fail":
            raise error
        self.problems.append(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def kept(frames: int, every: int) -> int:
    """How many of `frames` frames numbered from 0 are multiples of `every`."""
    return -(-frames // every)
