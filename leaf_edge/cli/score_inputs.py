"""The SOURCE arguments of a command as one stream of scores."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from leaf_edge.frames import Roi, Source, SourceError, SourceOptions, open_source
from leaf_edge.runtime.score_source import Scored, score_files, score_source
from leaf_edge.runtime.scorer import Scorer


class Inputs:
    """Opens and scores the sources one after another.

    problems: one line for each thing that was skipped, filled as it goes.
    """

    def __init__(self, scorer: Scorer, options: SourceOptions, roi: Roi | None, workers: int) -> None:
        self._scorer = scorer
        self._options = options
        self._roi = roi
        self._workers = workers
        self.problems: list[str] = []

    def scored(self, specs: Sequence[str]) -> Iterator[tuple[str, int | None, Scored]]:
        """(name, frames to come under it or None, scored frame).

        The name is that of the argument, for a video in a folder its path; images given one by one
        (`*.jpg`) are named together. Raises `SourceError` with `on_error="fail"`.
        """
        images: list[Path] = []
        for source in chain(self._opened(specs), [None]):
            if source is not None and source.kind == "image":
                images.append(Path(source.name))
                continue
            if images:
                yield from self._images(images)
                images = []
            if source is not None:
                with source:
                    yield from self._source(source)

    def _opened(self, specs: Sequence[str]) -> Iterator[Source]:
        for spec in specs:
            try:
                yield open_source(spec, self._options, notice=_say)
            except SourceError as error:
                if self._options.on_error == "fail":
                    raise
                self._problem(error)

    def _images(self, files: list[Path]) -> Iterator[tuple[str, int | None, Scored]]:
        name = str(files[0]) if len(files) == 1 else f"{len(files)} images"
        for item in score_files(
            self._scorer,
            files,
            self._problem,
            self._roi,
            workers=self._workers,
            on_error=self._options.on_error,
        ):
            yield name, len(files), item

    def _source(self, source: Source) -> Iterator[tuple[str, int | None, Scored]]:
        for item in score_source(self._scorer, source, self._problem, self._roi, workers=self._workers):
            inner = source.kind == "folder" and not item.still
            name = item.frame.source if inner else source.name
            yield name, None if inner else source.length, item

    def _problem(self, error: SourceError) -> None:
        self.problems.append(str(error))


def _say(text: str) -> None:
    print(f"leaf-edge: {text}", file=sys.stderr)
