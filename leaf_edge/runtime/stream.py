"""Many frames at once: decoding beside scoring, and images over all cores. Results stay in order."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Literal, TypeAlias, TypeVar

from leaf_edge.frames.frame import Frame, FrameError, Roi
from leaf_edge.runtime.score import Score
from leaf_edge.runtime.scorer import FrameScorer

T = TypeVar("T")
R = TypeVar("R")

LOOK_AHEAD = 2
"""Frames decoded and scored ahead of the consumer, for each worker. Bounds the memory."""

_POLL_S = 0.05
"""How often a decoder that waits for room looks whether it should stop."""
_JOIN_S = 2.0
"""How long an abandoned stream waits for its decoder, which may be stuck in a read that never ends."""


def usable_cpus() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def score_stream(
    scorer: FrameScorer,
    source: Iterable[Frame],
    roi: Roi | None = None,
    *,
    workers: int = 1,
) -> Iterator[tuple[Frame, Score]]:
    """Score every frame of a source, in order, while the next ones are being decoded.

    source: read in a thread of its own; closing it stays with the caller, after this iterator.
    roi: region to score, in luma pixels, the same in every frame.
    workers: frames that are scored at once, each with the scorer's `threads`.
    A result comes as soon as it is there, whether or not the source has a next frame yet; at most
    `LOOK_AHEAD` frames for each worker are decoded ahead.
    An error of the source or of a frame is raised after the results of the frames before it.
    Closing the iterator early, or an exception in the loop around it, stops the decoder.
    """

    if workers < 1:
        raise ValueError(f"workers must be at least 1; found {workers}")

    def work(frame: Frame, acquire_ms: float) -> tuple[Frame, Score]:
        return frame, scorer.score(frame, roi, acquire_ms=acquire_ms)

    def submit(frame: Frame, acquire_ms: float) -> _Result:
        return pool.submit(work, frame, acquire_ms)

    pool = ThreadPoolExecutor(workers, thread_name_prefix="leaf-score")
    decoder = _Decoder(source, submit, LOOK_AHEAD * workers)
    try:
        for result in decoder.start():
            yield result.result()
    finally:
        decoder.stop()
        pool.shutdown(wait=True, cancel_futures=True)


def score_images(
    scorer: FrameScorer,
    files: Iterable[Path],
    read: Callable[[Path], Frame],
    roi: Roi | None = None,
    *,
    workers: int | None = None,
    on_error: Literal["skip", "fail"] = "skip",
    problem: Callable[[Path, FrameError], None] | None = None,
) -> Iterator[tuple[Frame, Score]]:
    """Read and score image files over all cores; results in the order of `files`.

    read: one file to a frame; called from several threads at once. It raises `FrameError` for a
        file that it cannot read.
    workers: files in work at once, each with the scorer's `threads`; None: as many as fill the cores.
    on_error: `skip` a file that cannot be read or scored (each is told to `problem`), or `fail`:
        raise its error, after the results of the files before it.
    """
    count = workers if workers is not None else max(1, usable_cpus() // scorer.threads)

    def work(path: Path) -> tuple[Frame, Score] | tuple[Path, FrameError]:
        try:
            start = perf_counter()
            frame = read(path)
            acquire_ms = (perf_counter() - start) * 1000.0
            return frame, scorer.score(frame, roi, acquire_ms=acquire_ms)
        except FrameError as error:
            return path, error

    for subject, result in _ordered(work, files, count):
        if isinstance(subject, Frame) and isinstance(result, Score):
            yield subject, result
        elif isinstance(subject, Path) and isinstance(result, FrameError):
            if on_error == "fail":
                raise result
            if problem is not None:
                problem(subject, result)


def _ordered(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """`map(work, items)` on `workers` threads with a bounded look-ahead."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1; found {workers}")
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="leaf-score")
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= LOOK_AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_Result: TypeAlias = Future[tuple[Frame, Score]]


class _Decoder:
    """Reads frames in a thread of its own and hands each on for scoring.

    submit: takes a frame and the milliseconds that reading it took. ahead: results that may wait.
    """

    def __init__(
        self, source: Iterable[Frame], submit: Callable[[Frame, float], _Result], ahead: int
    ) -> None:
        self._source = source
        self._submit = submit
        self._queue: queue.Queue[_Result | BaseException | None] = queue.Queue(ahead)
        self._stop = threading.Event()
        # A daemon: a read that never returns must not keep the process alive after Ctrl-C.
        self._thread = threading.Thread(target=self._run, name="leaf-decode", daemon=True)

    def start(self) -> Iterator[_Result]:
        """Begin to read; the results to come, in order. Raises what the source raised, in its place."""
        self._thread.start()
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """End the thread; one that hangs in the source is left behind after `_JOIN_S`."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            iterator = iter(self._source)
            while not self._stop.is_set():
                start = perf_counter()
                frame = next(iterator, None)
                if frame is None:
                    break
                self._put(self._submit(frame, (perf_counter() - start) * 1000.0))
        except BaseException as error:  # carried over to the consumer's thread, whatever it is
            end = error
        self._put(end)

    def _put(self, item: _Result | BaseException | None) -> None:
        while not self._stop.is_set():
            with suppress(queue.Full):
                self._queue.put(item, timeout=_POLL_S)
                return
