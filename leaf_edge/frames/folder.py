"""All the images and videos in a folder, in one stable order."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from leaf_edge.frames.frame import Frame
from leaf_edge.frames.images import IMAGE_SUFFIXES, announce_stated_color
from leaf_edge.frames.source import Kind, Notices, Source, SourceError, SourceOptions

_DIGITS = "0123456789"

SourceOpener = Callable[[Path], Source]


def natural_key(path: PurePath) -> tuple[object, ...]:
    """Sort key by which img2 comes before img10; letter case matters only between equal names."""
    parts = tuple(
        tuple((0, int(text), "") if text[0] in _DIGITS else (1, 0, text) for text in _words(part))
        for part in path.parts
    )
    return (parts, str(path))


def _words(part: str) -> list[str]:
    return [text for text in re.split(r"([0-9]+)", part.casefold()) if text]


class FolderSource(Source):
    """Frames of every image, video and y4m file below a folder, found by extension.

    Files and folders whose names begin with a dot are left out, links to folders are not followed.
    `frame.source` is the file's path, folder included; `frame.index` counts within a file.

    files: the files, in the order of their frames.
    unreadable: folders below this one that could not be listed; they are in `problems` too.
    """

    kind = "folder"

    def __init__(
        self,
        path: Path,
        name: str,
        options: SourceOptions,
        notices: Notices,
        kind_of: Callable[[PurePath], Kind | None],
        opener: SourceOpener,
    ) -> None:
        super().__init__(name, options)
        self._opener = opener
        self.unreadable: list[SourceError] = []
        self.files: list[Path] = self._list(path, kind_of)
        if not self.files:
            if self.unreadable:
                raise self.unreadable[0]
            raise SourceError(name, "holds no image, video or y4m file (known by their extensions)")
        if options.on_error == "fail" and self.unreadable:
            raise self.unreadable[0]
        images = [file for file in self.files if file.suffix.lower() in IMAGE_SUFFIXES]
        if images:
            announce_stated_color(name, options, notices)
        self.length = len(images) if len(images) == len(self.files) else None

    def open(self, file: Path) -> Source:
        """The frames of one of `files` alone, read as the folder would. Raises `SourceError`."""
        return self._opener(file)

    def _list(self, path: Path, kind_of: Callable[[PurePath], Kind | None]) -> list[Path]:
        def report(error: OSError) -> None:
            where = str(error.filename or path)
            self.unreadable.append(SourceError(where, f"cannot be read: {error.strerror}"))

        found: list[Path] = []
        for folder, folders, names in os.walk(path, onerror=report):
            folders[:] = [inner for inner in folders if not inner.startswith(".")]
            found += [
                Path(folder, name) for name in names if not name.startswith(".") and kind_of(Path(name))
            ]
        return sorted(found, key=lambda file: natural_key(file.relative_to(path)))

    def _frames(self) -> Iterator[Frame]:
        self.problems.extend(self.unreadable)
        for file in self.files:
            try:
                source = self._opener(file)
            except SourceError as error:
                self._problem(error)
                continue
            with source:
                seen = 0
                # A child appends to its own list; pass each problem on as soon as it is there.
                for frame in source:
                    yield frame
                    self.problems.extend(source.problems[seen:])
                    seen = len(source.problems)
                self.problems.extend(source.problems[seen:])
