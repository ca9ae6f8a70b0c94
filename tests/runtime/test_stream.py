"""Streams: order, overlap, bounded look-ahead, errors in their place, a clean stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import leaf_edge
from leaf_edge.frames import Frame, FrameError, Roi
from leaf_edge.runtime.scorer import Scorer
from leaf_edge.runtime.stream import LOOK_AHEAD, score_images, score_stream


@pytest.fixture(scope="module")
def scorer(tiny_bundle: Path) -> Scorer:
    return leaf_edge.load(tiny_bundle)


def frame(number: int, width: int = 32) -> Frame:
    pixels = np.full((24, width, 3), number % 256, np.uint8)
    return Frame.from_array(pixels, index=number, source="made")


def decoders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith(("leaf-decode", "leaf-score"))]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 20
    while decoders() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert decoders() == []


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 37])
def test_every_frame_once_and_in_order(scorer: Scorer, workers: int, count: int) -> None:
    results = list(score_stream(scorer, (frame(i) for i in range(count)), workers=workers))
    assert [f.index for f, _ in results] == [s.frame for _, s in results] == list(range(count))
    np.testing.assert_allclose([s.raw for _, s in results], np.arange(count) / 255, atol=1e-5)


def test_decoding_runs_beside_scoring_and_not_far_ahead(scorer: Scorer) -> None:
    decoded: list[int] = []
    threads: set[int] = set()

    def source() -> Iterator[Frame]:
        for i in range(50):
            decoded.append(i)
            threads.add(threading.get_ident())
            yield frame(i)

    ahead = []
    for f, _ in score_stream(scorer, source(), workers=2):
        time.sleep(0.002)
        ahead.append(len(decoded) - f.index - 1)
    assert threading.get_ident() not in threads
    assert max(ahead) >= 1
    # Those that wait in order, and one in the decoder's hand.
    assert max(ahead) <= LOOK_AHEAD * 2 + 1


def test_the_time_of_decoding_is_told(scorer: Scorer) -> None:
    def source() -> Iterator[Frame]:
        for i in range(3):
            time.sleep(0.02)
            yield frame(i)

    assert all(s.stages.acquire_ms >= 19 for _, s in score_stream(scorer, source()))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("failure", [OSError("disk gone"), FrameError("half a frame"), MemoryError()])
def test_an_error_of_the_source_comes_after_the_frames_before_it(
    scorer: Scorer, workers: int, failure: Exception
) -> None:
    def source() -> Iterator[Frame]:
        for i in range(10):
            yield frame(i)
        raise failure

    seen = []
    with pytest.raises(type(failure)) as caught:
        for f, _ in score_stream(scorer, source(), workers=workers):
            seen.append(f.index)
    assert caught.value is failure
    assert seen == list(range(10))


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_a_frame_comes_in_its_place(scorer: Scorer, workers: int) -> None:
    frames = [frame(i, width=16 if i == 12 else 32) for i in range(30)]
    seen = []
    with pytest.raises(FrameError):
        for f, _ in score_stream(scorer, frames, Roi(0, 0, 32, 24), workers=workers):
            seen.append(f.index)
    assert seen == list(range(12))


@pytest.mark.parametrize("workers", [1, 3])
def test_closing_early_stops_the_decoder_and_closes_the_source(scorer: Scorer, workers: int) -> None:
    closed_in: list[str] = []

    def source() -> Iterator[Frame]:
        try:
            i = 0
            while True:
                yield frame(i)
                i += 1
        finally:
            closed_in.append(threading.current_thread().name)

    stream = score_stream(scorer, source(), workers=workers)
    for _ in range(5):
        next(stream)
    stream.close()
    assert decoders() == []
    assert len(closed_in) == 1


def test_an_interrupt_in_the_loop_stops_the_decoder(scorer: Scorer) -> None:
    stream = score_stream(scorer, (frame(i) for i in range(10**9)))
    with pytest.raises(KeyboardInterrupt):
        for f, _ in stream:
            if f.index == 3:
                raise KeyboardInterrupt
    stream.close()
    assert decoders() == []


def test_a_result_does_not_wait_for_the_next_frame_and_a_close_not_for_a_source_that_hangs(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaf_edge.runtime.stream._JOIN_S", 0.1)
    release = threading.Event()

    def source() -> Iterator[Frame]:
        yield frame(0)
        release.wait(20)

    stream = score_stream(scorer, source(), workers=2)
    start = time.monotonic()
    assert next(stream)[1].frame == 0
    stream.close()
    assert time.monotonic() - start < 15
    assert not release.is_set()
    release.set()


def read(path: Path) -> Frame:
    number = int(path.stem)
    if number % 10 == 7:
        raise FrameError(f"{path}: broken")
    time.sleep(0.001 * (number % 3))  # out of step on purpose
    return frame(number)


FILES = [Path(f"{i}.png") for i in range(40)]


@pytest.mark.parametrize("workers", [None, 1, 4])
def test_images_in_order_and_errors_told(scorer: Scorer, workers: int | None) -> None:
    problems: list[tuple[Path, str]] = []
    results = score_images(
        scorer, FILES, read, workers=workers, problem=lambda path, error: problems.append((path, str(error)))
    )
    assert [s.frame for _, s in results] == [i for i in range(40) if i % 10 != 7]
    assert [path for path, _ in problems] == [FILES[i] for i in (7, 17, 27, 37)]
    assert problems[0][1] == "7.png: broken"


def test_images_fail_at_the_first_error_if_asked(scorer: Scorer) -> None:
    seen = []
    with pytest.raises(FrameError, match=r"7\.png: broken"):
        for f, _ in score_images(scorer, FILES, read, workers=3, on_error="fail"):
            seen.append(f.index)
    assert seen == list(range(7))


def test_images_are_read_in_several_threads_with_a_bounded_look_ahead(scorer: Scorer) -> None:
    threads: set[int] = set()
    started: list[int] = []
    both = threading.Barrier(2, timeout=30)

    def slow(path: Path) -> Frame:
        number = int(path.stem)
        threads.add(threading.get_ident())
        started.append(number)
        if number < 2:
            both.wait()  # passes only where two files are in work at once
        return frame(number)

    ahead = [
        len(started) - f.index - 1
        for f, _ in score_images(scorer, FILES, slow, workers=2)
        if not time.sleep(0.001)
    ]
    assert len(threads) == 2
    assert max(ahead) <= LOOK_AHEAD * 2


def test_workers_must_be_at_least_one(scorer: Scorer) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        list(score_stream(scorer, [frame(0)], workers=0))
