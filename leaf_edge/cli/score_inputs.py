"""The SOURCE arguments of a command as one stream of scores."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from leaf_edge.frames import Roi, Source, SourceError, SourceOptions, open_source
from leaf_edge.runtime.score_source import Scored, score_files, score_source
from leaf_edge.runtime.scorer import Scorer


class Origin(NamedTuple):
    """Which frames belong together in a summary.

    group: number of the argument, or of the run of images. name: for people. total: frames to come
    under this name, None where unknown. still: whether they are images.
    """

    group: int
    name: str
    total: int | None
    still: bool


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
        self._notices: Counter[str] = Counter()

    def scored(self, specs: Sequence[str]) -> Iterator[tuple[Origin, Scored]]:
        """Scored frames and where they come from, in the order of the arguments.

        The origin's name is that of the argument, for a video in a folder its path; images given one by one
        (`*.jpg`) are named together. Raises `SourceError` with `on_error="fail"`.
        """
        images: list[Path] = []
        for group, source in enumerate(chain(self._opened(specs), [None])):
            if source is not None and source.kind == "image":
                images.append(Path(source.name))
                continue
            if images:
                yield from self._images(group, images)
                images = []
            if source is not None:
                with source:
                    yield from self._source(group, source)
        for text, times in self._notices.items():
            if times > 1:
                _say(f"the same for {times - 1} more source{'s' if times > 2 else ''}: {text}")

    def _opened(self, specs: Sequence[str]) -> Iterator[Source]:
        for spec in specs:
            try:
                yield open_source(spec, self._options, notice=partial(self._notice, spec))
            except SourceError as error:
                if self._options.on_error == "fail":
                    raise
                self._problem(error)

    def _images(self, group: int, files: list[Path]) -> Iterator[tuple[Origin, Scored]]:
        name = str(files[0]) if len(files) == 1 else f"{len(files)} images"
        origin = Origin(group - 1, name, len(files), True)
        for item in score_files(
            self._scorer,
            files,
            self._problem,
            self._roi,
            workers=self._workers,
            on_error=self._options.on_error,
        ):
            yield origin, item

    def _source(self, group: int, source: Source) -> Iterator[tuple[Origin, Scored]]:
        for item in score_source(self._scorer, source, self._problem, self._roi, workers=self._workers):
            inner = source.kind == "folder" and not item.still
            name = item.frame.source if inner else source.name
            yield Origin(group, name, None if inner else source.length, item.still), item

    def _notice(self, spec: str, line: str) -> None:
        """Say a thing about colour when it first comes up; where it holds too is counted."""
        text = line.removeprefix(f"{spec}: ")
        self._notices[text] += 1
        if self._notices[text] == 1:
            _say(line)

    def _problem(self, error: SourceError) -> None:
        self.problems.append(str(error))


def _say(text: str) -> None:
    print(f"leaf-edge: {text}", file=sys.stderr)
