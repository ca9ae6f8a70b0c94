"""Images, folders and clips into the pictures of a label store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from leaf_edge.frames import FolderSource, SourceError, SourceOptions, kind_of, open_source
from leaf_edge.frames.source import STDIN_NAME
from leaf_edge.teacher.pictures import decode_rgb, file_sha256, frame_sha256, read_bytes
from leaf_edge.teacher.store import LabelStore, PictureRow

_ROWS = 64  # added in one transaction


class Ingested(NamedTuple):
    """new: pictures that were not in the store. files: that were read. problems: a line for each that was
    not, or not to its end."""

    new: int
    files: int
    problems: list[str]


def ingest(
    store: LabelStore,
    sources: Sequence[str],
    *,
    every: int = 1,
    root: Path | None = None,
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Ingested:
    """Adds the pictures of images, folders, videos and y4m files (of clips, frames 0, every, 2 every, ...).

    root: folder of relative sources; None is the current one. The paths are stored as they were given.
    on_file: called with the files done and in all. Every file is decoded once, to know that it can be; what
    is in the store already is not decoded again. Raises `SourceError` for a source that does not exist, is
    of no known kind, or is a pipe or raw frames, which cannot be opened a second time to be judged.
    """
    if every < 1:
        raise ValueError(f"every is {every}; expected 1 or more")
    files, problems = _files(sources, every, root)
    new = 0
    pending: list[PictureRow] = []
    for done, (name, path, still) in enumerate(files):
        on_file(done, len(files))
        try:
            if still:
                pending += _image(store, name, path)
            else:
                found, problem = _clip(store, name, path, every)
                new += found
                problems += problem
        except SourceError as error:
            problems.append(str(error))
        if len(pending) >= _ROWS:
            new += store.add_pictures(pending)
            pending = []
    new += store.add_pictures(pending)
    on_file(len(files), len(files))
    return Ingested(new, len(files), problems)


class _File(NamedTuple):
    name: str
    path: Path
    still: bool


def _files(sources: Sequence[str], every: int, root: Path | None) -> tuple[list[_File], list[str]]:
    """The files of all sources, each once, and what could not be listed."""
    files: dict[Path, _File] = {}
    problems: list[str] = []
    for spec in sources:
        if spec == STDIN_NAME:
            raise SourceError(spec, "a pipe cannot be read a second time to be judged; expected files")
        for file in _of_source(spec, every, root, problems):
            files.setdefault(file.path, file)
    return list(files.values()), problems


def _of_source(spec: str, every: int, root: Path | None, problems: list[str]) -> Iterator[_File]:
    place = Path(spec) if root is None else root / spec
    with open_source(place, SourceOptions(every=every)) as source:
        if isinstance(source, FolderSource):
            problems += map(str, source.unreadable)
            for path in source.files:
                inside = str(Path(spec) / path.relative_to(place))
                yield _File(inside, path, kind_of(path) == "image")
        elif source.kind == "raw":
            raise SourceError(
                spec, "raw frames state no format of their own; make a y4m file or images of it"
            )
        else:
            yield _File(spec, place, source.kind == "image")


def _image(store: LabelStore, name: str, path: Path) -> list[PictureRow]:
    data = read_bytes(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if store.picture(sha256) is not None:
        return []
    height, width = decode_rgb(path, data).shape[:2]
    return [PictureRow(sha256, name, None, {}, width, height)]


def _clip(store: LabelStore, name: str, path: Path, every: int) -> tuple[int, list[str]]:
    """(new pictures, problems) of a clip. It is noted as read only where nothing was wrong with it."""
    clip = file_sha256(path)
    if store.clip_frames(clip, every) is not None:
        return 0, []
    with open_source(path, SourceOptions(every=every)) as source:
        rows = [
            PictureRow(frame_sha256(clip, frame.index), name, frame.index, {}, frame.width, frame.height)
            for frame in source
        ]
        problems = list(map(str, source.problems))
    return (store.add_pictures(rows) if problems else store.add_clip(clip, every, rows)), problems
