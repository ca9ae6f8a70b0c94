"""From a row of the label store to its pixels, with the identity checked."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from leaf_edge.frames import Frame, Source, SourceError, SourceOptions, decode_image, open_source
from leaf_edge.frames.frame import PixelFormat
from leaf_edge.frames.image_file import ImageFault
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.teacher import recipe as recipes
from leaf_edge.teacher.frame_spool import FrameSpool, Place
from leaf_edge.teacher.interface import Picture, Rgb
from leaf_edge.teacher.rows import PictureRow

CACHE_BYTES = 256 << 20
"""Pixels that a reader keeps, for pairs and for the versions of one clean picture."""


class AbsentError(SourceError):
    """A file that is not there, or not to be read, now: a folder may come back, a right be given."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises `AbsentError`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AbsentError(str(path), f"cannot be read: {error.strerror or error}") from None


def frame_sha256(clip: str, index: int) -> str:
    """Identity of frame `index` of the clip whose file has the SHA-256 `clip`."""
    return hashlib.sha256(f"{clip}#{index}".encode()).hexdigest()


def read_bytes(path: Path) -> bytes:
    """Bytes of an image file. Raises `AbsentError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise AbsentError(str(path), f"cannot be read: {error.strerror or error}") from None


def decode_rgb(path: Path, data: bytes) -> Rgb:
    """Pixels of an image file with the bytes `data`: uint8 RGB. Raises `SourceError`, with `path` in it."""
    try:
        pixels = decode_image(data)
    except ImageFault as fault:
        raise SourceError(str(path), str(fault)) from None
    layout = PixelFormat.GRAY8 if pixels.ndim == 2 else PixelFormat.BGR
    return to_rgb(Frame.from_array(pixels, layout))


def _read_image(path: Path) -> tuple[str, Rgb]:
    data = read_bytes(path)
    return hashlib.sha256(data).hexdigest(), decode_rgb(path, data)


@dataclass
class _Clip:
    """A clip that is read frame after frame. at: number of the last frame that was given."""

    sha256: str
    source: Source
    frames: Iterator[Frame]
    at: int = -1


class PictureReader:
    """Opens rows of a label store. Keeps recent pixels, and goes through a clip once where it can.

    root: folder of relative paths; None is the current folder. spool: folder on whose disk the expected
    frames of clips are set aside as they come by, for those who want them in any order; None sets none aside.
    A context manager, for one thread.
    """

    def __init__(
        self, root: Path | None = None, cache_bytes: int = CACHE_BYTES, spool: Path | None = None
    ) -> None:
        self._root = root
        self._limit = cache_bytes
        self._spool = None if spool is None else FrameSpool(spool)
        self._expected: set[Place] = set()
        self._held = 0
        self._cache: OrderedDict[tuple[str, int | None], tuple[str, Rgb]] = OrderedDict()
        self._clip: tuple[Path, _Clip] | None = None
        self._hashes: dict[Path, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the clip and forgets the pixels."""
        self._leave_clip()
        if self._spool is not None:
            self._spool.close()
        self._cache.clear()
        self._held = 0

    def expect(self, rows: Iterable[PictureRow]) -> None:
        """Says which pictures will be wanted, in whatever order."""
        self._expected.update((row.source, row.frame) for row in rows if row.frame is not None)

    def read(self, row: PictureRow) -> Picture:
        """The picture of `row`. Raises `SourceError` where its file cannot be read, is another one than
        when the row was made, or has no such frame."""
        identity, rgb = self._pixels(row)
        wanted = str(row.recipe["clean"]) if row.recipe else row.sha256
        if identity != wanted:
            raise SourceError(
                row.source,
                f"has changed: its picture is {identity[:12]}, the label store has {wanted[:12]} of it",
            )
        if row.recipe:
            rgb = recipes.make(rgb, row.recipe)
        where = row.source if row.frame is None else f"{row.source}, frame {row.frame}"
        return Picture(row.sha256, rgb, row.recipe, where)

    def read_all(self, rows: Iterable[PictureRow]) -> dict[str, Picture | SourceError]:
        """Pictures by identity, read in the order in which they lie in their files; errors are values."""
        found: dict[str, Picture | SourceError] = {}
        for row in sorted(rows, key=lambda row: (row.source, row.frame or 0, row.sha256)):
            if row.sha256 not in found:
                try:
                    found[row.sha256] = self.read(row)
                except SourceError as error:
                    found[row.sha256] = error
        return found

    def _pixels(self, row: PictureRow) -> tuple[str, Rgb]:
        """(identity, pixels) of the camera's picture behind a row."""
        place = (row.source, row.frame)
        if place in self._cache:
            self._cache.move_to_end(place)
            return self._cache[place]
        path = Path(row.source) if self._root is None else self._root / row.source
        entry = _read_image(path) if row.frame is None else self._frame(path, (row.source, row.frame))
        self._cache[place] = entry
        self._held += entry[1].nbytes
        while self._held > self._limit and len(self._cache) > 1:
            _, (_, old) = self._cache.popitem(last=False)
            self._held -= old.nbytes
        return entry

    def _frame(self, path: Path, place: Place) -> tuple[str, Rgb]:
        index = place[1]
        if self._spool is not None and (held := self._spool.get(place)) is not None:
            return frame_sha256(self._hash(path), index), held
        clip = self._open_clip(path, index)
        for frame in clip.frames:
            clip.at = frame.index
            here = (place[0], frame.index)
            set_aside = self._spool is not None and here in self._expected and here not in self._spool
            rgb = to_rgb(frame) if set_aside or frame.index == index else None
            if set_aside and self._spool is not None and rgb is not None:
                self._spool.put(here, rgb)
            if rgb is not None and frame.index == index:
                return frame_sha256(clip.sha256, index), rgb
            if frame.index > index:
                break
        problems = f" ({clip.source.problems[0]})" if clip.source.problems else ""
        self._leave_clip()
        raise SourceError(str(path), f"has no frame {index} that can be read{problems}")

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = file_sha256(path)
        return self._hashes[path]

    def _open_clip(self, path: Path, index: int) -> _Clip:
        if self._clip is not None and self._clip[0] == path and self._clip[1].at < index:
            return self._clip[1]
        self._leave_clip()
        identity = self._hash(path)
        source = open_source(path, SourceOptions())
        clip = _Clip(identity, source, iter(source))
        self._clip = path, clip
        return clip

    def _leave_clip(self) -> None:
        if self._clip is not None:
            self._clip[1].source.close()
            self._clip = None


def open_picture(row: PictureRow, root: Path | None = None) -> Picture:
    """The picture of one row. Raises `SourceError`. `PictureReader` is faster for many."""
    with PictureReader(root) as reader:
        return reader.read(row)
