"""Memory and threads of the binding: nothing is copied, nothing leaks, nothing dies early."""

from __future__ import annotations

import gc
import logging
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from binding_frames import noise_frame, open_context, untimed

from leaf_edge import _native
from leaf_edge.frames import ColorRange, FrameError, PixelFormat
from leaf_edge.runtime import native, scorer
from leaf_edge.runtime.native_context import ArrayFrame, Context
from leaf_edge.views.native import make_views

CALLS = {"score": 10_000, "submit": 4_000, "refused": 10_000, "prepare": 10_000, "views": 2_000}


def rgb(plane: Any, width: int = 16, height: int = 12) -> ArrayFrame:
    return ArrayFrame((plane,), width, height, PixelFormat.RGB, ColorRange.FULL)


def bytes_left(work: Callable[[], object], calls: int) -> int:
    """Bytes of Python's memory that `calls` calls leave behind."""
    for _ in range(100):
        work()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(calls):
            work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.parametrize("kind", CALLS)
def test_thousands_of_calls_leave_nothing_behind(kind: str, tiny_bundle: Path) -> None:
    plane = np.full((12, 48), 90, np.uint8)
    frame, wrong = rgb(plane), rgb(plane[:, ::2])
    views = _native.ViewContext()
    out = np.empty((2, 3, 224, 224), np.uint8)

    def refuse(context: Context) -> None:
        with pytest.raises(FrameError):
            context.score(wrong)

    def submit(context: Context) -> None:
        context.submit(frame)
        if context.in_flight == 8:
            while context.poll() is not None:
                pass

    with open_context(tiny_bundle, queue=8, batch=8) as context:
        work: dict[str, Callable[[], object]] = {
            "score": lambda: context.score(frame),
            "submit": lambda: submit(context),
            "refused": lambda: refuse(context),
            "prepare": lambda: context.prepare([frame]),
            "views": lambda: views.run((plane,), 16, 12, 5, -1, 1, 0, 0, 16, 12, out),
        }
        counts = [sys.getrefcount(item) for item in (plane, frame, frame.planes, out)]
        work[kind]()
        grown = []
        for _ in range(3):  # a leak grows every time; heaps that other tests left settle
            resident = resident_bytes()
            assert bytes_left(work[kind], CALLS[kind]) < 4000
            while context.in_flight:
                context.poll()
            grown.append(resident_bytes() - resident)
            if grown[-1] < 4 << 20:
                break
        assert grown[-1] < 4 << 20, grown
        found = [sys.getrefcount(item) for item in (plane, frame, frame.planes, out)]
        assert found == counts


def test_contexts_that_come_and_go_leave_nothing_behind(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = noise_frame()

    def once() -> None:
        with open_context(tiny_bundle, queue=2, keys=[], engines="tensorrt,cpu") as context:
            context.submit(frame)

    def alive() -> int:
        return sum(isinstance(item, Context) for item in gc.get_objects())

    monkeypatch.setattr(logging.getLogger("leaf_edge.native"), "disabled", True)
    before = alive()
    assert bytes_left(once, 50) < 20_000
    assert alive() == before
    assert (
        len(weakref.WeakSet([context for context in gc.get_objects() if isinstance(context, Context)])) <= 1
    )


def test_a_context_in_a_cycle_with_its_logger_is_collected(tiny_bundle: Path) -> None:
    class Owner:
        def log(self, level: int, line: str) -> None: ...

    owner = Owner()
    library = native.find_onnxruntime()
    assert library is not None
    inner = _native.Context(
        bytes(tiny_bundle), engines=["cpu"], queue=1, onnxruntime=bytes(library), logger=owner.log
    )
    owner.context = inner  # type: ignore[attr-defined]
    inner.submit(((np.zeros((1, 3), np.uint8),), 1, 1, 5, -1, 1, 0, 0, 0, 0), owner)
    gone = weakref.ref(inner)
    del inner, owner
    gc.collect()
    assert gone() is None


def test_a_frame_in_flight_keeps_its_arrays_alive_until_its_score_is_taken(tiny_bundle: Path) -> None:
    class Plane(np.ndarray):
        """An array that can be referred to weakly."""

    wanted = scorer.load(tiny_bundle)
    with open_context(tiny_bundle, queue=4) as context:
        references = []
        for level in range(4):
            plane = np.full((12, 48), 50 * level, np.uint8).view(Plane)
            context.submit(rgb(plane))
            references.append(weakref.ref(plane))
            del plane
        gc.collect()
        assert all(reference() is not None for reference in references)
        for level in range(4):
            done = context.poll()
            assert done is not None and done.score is not None
            assert references[level]() is None
            assert all(reference() is not None for reference in references[level + 1 :])
            assert done.score.raw == wanted.score(flat_frame(50 * level)).raw
        plane = np.zeros((12, 48), np.uint8).view(Plane)
        context.submit(rgb(plane))
        reference = weakref.ref(plane)
        del plane
        context.close()
        assert reference() is None


def flat_frame(level: int) -> Any:
    from leaf_edge.frames import Frame

    return Frame.from_array(np.full((12, 16, 3), level, np.uint8))


def test_an_array_that_is_being_read_cannot_change_its_size(tiny_bundle: Path) -> None:
    memory = bytearray(12 * 48)
    with open_context(tiny_bundle, queue=1) as context:
        context.submit(rgb(memoryview(memory).cast("B", (12, 48))))
        with pytest.raises(BufferError):
            memory.extend(b"more")
        assert context.poll() is not None
        memory.extend(b"more")


def test_pixels_are_read_where_they_lie(tiny_bundle: Path) -> None:
    """A copy of them would be seen as memory, and a changed pixel would not be seen at all."""
    plane = np.full((2000, 9000), 10, np.uint8)
    plane.flags.writeable = False
    frame = rgb(plane, 3000, 2000)
    odd = noise_frame(PixelFormat.P010, 1999, 1001, padding=3)  # 16-bit samples at an odd pitch
    with open_context(tiny_bundle) as context:
        context.prepare([frame])
        dark = context.score(frame)
        tracemalloc.start()
        for item in (frame, odd):
            context.score(item)
            make_views(odd, out=np.empty((2, 3, 224, 224), np.uint8))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * 3 * 224 * 224 + 100_000
        plane.flags.writeable = True
        plane[:] = 200
        assert context.score(frame).raw > dark.raw + 0.5


def test_threads_share_a_context_and_a_scorer(tiny_bundle: Path) -> None:
    frames = [noise_frame(fmt, 33 + 7 * n, 21) for n, fmt in enumerate(PixelFormat)]
    theirs = scorer.load(tiny_bundle)
    wanted = {n: untimed(theirs.score(frame)) for n, frame in enumerate(frames)}
    jobs = [n % len(frames) for n in range(400)]
    with open_context(tiny_bundle, batch=2) as context, native.load(tiny_bundle) as ours:
        for score in (context.score, ours.score, lambda frame: context.score_batch([frame, frame])[1]):
            with ThreadPoolExecutor(6) as pool:
                found = pool.map(score, [frames[n] for n in jobs])
            assert all(untimed(result) == wanted[n] for n, result in zip(jobs, found, strict=True))
        assert 1 <= len(ours._contexts) <= 6
        assert sorted(map(id, ours._idle)) == sorted(map(id, ours._contexts))


def storm(context: Context, frame: Any, wanted: float) -> list[object]:
    """Every call on a context from a thread of its own, until it is closed under them. What went wrong."""
    wrong: list[object] = []
    begun = threading.Barrier(8)

    def run(call: Callable[[], Any]) -> None:
        begun.wait()
        while True:
            try:
                result = call()
            except (BlockingIOError, TimeoutError):
                continue
            except Exception as error:
                if isinstance(error, ValueError) and "closed" in str(error):
                    return
                if not (isinstance(error, RuntimeError) and "in flight" in str(error)):
                    wrong.append(error)
                    return
            else:
                score = getattr(result, "score", result)
                if getattr(score, "raw", wanted) != wanted:
                    wrong.append(result)

    calls: list[Callable[[], Any]] = [
        lambda: context.submit(frame), lambda: context.submit(frame), lambda: context.poll(0.01),
        context.poll, lambda: context.score(frame), context.timings, lambda: context.prepare([frame]),
    ]  # fmt: skip
    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    begun.wait()
    time.sleep(0.15)
    context.close()
    for thread in threads:
        thread.join(10)
    return [*wrong, *(thread for thread in threads if thread.is_alive())]


def test_threads_that_do_all_at_once_get_a_score_or_a_clear_error(tiny_bundle: Path) -> None:
    frame = flat_frame(100)
    wanted = scorer.load(tiny_bundle).score(frame).raw
    for _ in range(10):
        context = open_context(tiny_bundle, queue=4, batch=3)
        assert storm(context, frame, wanted) == []
        assert context.in_flight == 0


def test_a_score_is_had_while_another_thread_waits_for_a_frame(tiny_bundle: Path) -> None:
    with open_context(tiny_bundle, queue=1) as context:
        ended = []

        def wait() -> None:
            try:
                context.poll(20)
            except ValueError as error:
                ended.append(str(error))

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.1)
        begun = time.monotonic()
        context.score(flat_frame(3))
        assert time.monotonic() - begun < 15
        context.close()
        thread.join(15)
        assert ended == ["the context is closed"]


def test_the_interpreter_runs_while_the_library_works() -> None:
    """leaf-m takes milliseconds a frame: a thread that counts gets on meanwhile, in one core's time too."""
    ours = native.load("leaf-m")
    frame = noise_frame()
    ours.score(frame)
    done, ticks = threading.Event(), 0

    def count() -> None:
        nonlocal ticks
        while not done.wait(0.0005):
            ticks += 1

    thread = threading.Thread(target=count)
    before = sys.getswitchinterval()
    sys.setswitchinterval(10)  # so that only who gives the interpreter up is interrupted
    try:
        thread.start()
        for _ in range(20):
            ours.score(frame)
        done.set()
        thread.join()
    finally:
        sys.setswitchinterval(before)
    assert ticks >= 20


def test_ctrl_c_ends_a_wait(tiny_bundle: Path) -> None:
    with open_context(tiny_bundle, queue=1) as context:
        timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
        timer.start()
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            context.poll(30)
        assert time.monotonic() - begun < 10
        timer.join()


def test_a_logger_that_fails_does_not_fail_the_call(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Angry(logging.Logger):
        def log(self, *arguments: object, **more: object) -> None:
            raise RuntimeError("no room for logs")

    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: seen.append(found.exc_value))
    with open_context(tiny_bundle, logger=Angry("angry")) as context:
        assert context.score(flat_frame(9)).mos >= 1
    assert [str(error) for error in seen] == ["no room for logs"]


def test_a_process_may_end_with_frames_in_flight(tiny_bundle: Path, tmp_path: Path) -> None:
    code = f"""
import sys, threading, numpy as np
from leaf_edge.runtime.native_context import Context
from leaf_edge.runtime.native import find_onnxruntime
from leaf_edge import Frame
context = Context({str(tiny_bundle)!r}, queue=8, onnxruntime=find_onnxruntime())
frame = Frame.from_array(np.zeros((1080, 1920, 3), np.uint8))
for _ in range(8):
    context.submit(frame)
def forever(again):
    try:
        while True:
            context.poll(1 if again else None)
            if again: context.submit(frame)
    except ValueError:  # closed
        pass
threading.Thread(target=forever, args=[True], daemon=True).start()
threading.Thread(target=forever, args=[False], daemon=True).start()
kept = [context]; kept.append(kept)
print("end")
"""
    for _ in range(6):
        command = [sys.executable, "-X", "faulthandler", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
