"""Scoring whatever a source is in the way that suits it: images over all cores, streams in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from leaf_edge.frames import FolderSource, Frame, FrameError, Roi, Source, SourceError, kind_of, read_image
from leaf_edge.runtime.score import Score
from leaf_edge.runtime.scorer import FrameScorer
from leaf_edge.runtime.stream import score_images, score_stream

Problem = Callable[[SourceError], None]
"""Takes what could not be read and was skipped."""


class Scored(NamedTuple):
    """A frame, its score, and whether it is a still image rather than one of a stream."""

    frame: Frame
    score: Score
    still: bool


def score_source(
    scorer: FrameScorer, source: Source, problem: Problem, roi: Roi | None = None, *, workers: int = 1
) -> Iterator[Scored]:
    """Scores of all frames of an open source, in its order.

    problem: told of what is skipped, as it comes up; with `on_error="fail"` in the source's options
        the first such error is raised instead.
    roi: region to score in every frame; a frame that it does not fit counts as one that cannot be read.
    workers: frames that are scored at once.
    """
    on_error = source.options.on_error
    if isinstance(source, FolderSource):
        for error in source.unreadable:
            problem(error)
        for image, files in groupby(source.files, key=lambda file: kind_of(file) == "image"):
            if image:
                yield from score_files(scorer, files, problem, roi, workers=workers, on_error=on_error)
            else:
                for file in files:
                    yield from _score_member(scorer, source, file, problem, roi, workers)
    elif source.kind == "image":
        one = [Path(source.name)]
        yield from score_files(scorer, one, problem, roi, workers=workers, on_error=on_error)
    else:
        yield from _score_stream(scorer, source, problem, roi, workers)


def score_files(
    scorer: FrameScorer,
    files: Iterable[Path],
    problem: Problem,
    roi: Roi | None = None,
    *,
    workers: int = 1,
    on_error: Literal["skip", "fail"] = "skip",
) -> Iterator[Scored]:
    """Scores of image files in their order; the rest as in `score_source`."""

    def told(path: Path, error: FrameError) -> None:
        problem(_named(str(path), error))

    try:
        for frame, score in score_images(
            scorer, files, read_image, roi, workers=workers, on_error=on_error, problem=told
        ):
            yield Scored(frame, score, still=True)
    except FrameError as error:
        raise _named("", error) from None


def _score_member(
    scorer: FrameScorer, folder: FolderSource, file: Path, problem: Problem, roi: Roi | None, workers: int
) -> Iterator[Scored]:
    try:
        member = folder.open(file)
    except SourceError as error:
        if folder.options.on_error == "fail":
            raise
        problem(error)
        return
    with member:
        yield from _score_stream(scorer, member, problem, roi, workers)


def _score_stream(
    scorer: FrameScorer, source: Source, problem: Problem, roi: Roi | None, workers: int
) -> Iterator[Scored]:
    try:
        for frame, score in score_stream(scorer, source, roi, workers=workers):
            yield Scored(frame, score, still=False)
    except FrameError as error:
        named = _named(source.name, error)
        if source.options.on_error == "fail":
            raise named from None
        problem(named)
    for skipped in source.problems:
        problem(skipped)


def _named(name: str, error: FrameError) -> SourceError:
    """`error` with the name of the file that it is about."""
    return error if isinstance(error, SourceError) else SourceError(name, str(error))
