"""The C library for Python (runtime/include/leaf_edge/leaf.h): everything that it does, on NumPy arrays and
whatever has DLPack, without a copy.

    with Context(path, engines="tensorrt,cpu", queue=8) as context:
        context.submit(frame, camera=3)
        done = context.poll(timeout=0.5)

`leaf_edge.runtime.native.load` is the short way to scores; docs/python.md says when to take which.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from leaf_edge import _native
from leaf_edge.contract import FAULTS
from leaf_edge.frames.frame import FrameError, Roi
from leaf_edge.runtime.native_frame import ArrayFrame, FrameLike, NativeInput, native_input, native_inputs
from leaf_edge.runtime.score import STAGE_DECIMALS, TIME_DECIMALS, Score, StageTimes

__all__ = [
    "ENGINES",
    "ArrayFrame",
    "Context",
    "FrameLike",
    "Info",
    "Polled",
    "Stage",
    "Timings",
]

ENGINES = ("cpu", "cuda", "tensorrt")
"""Names of engines: ONNX Runtime on the CPU, ONNX Runtime's CUDA provider, TensorRT."""

_MOST_MS = (1 << 31) - 1
_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)  # by enum leaf_log_level
_SIGNATURE = {None: 0, True: 1, False: -1}

_log = logging.getLogger("leaf_edge.native")
_open: weakref.WeakSet[_native.Context] = weakref.WeakSet()

_Fields: TypeAlias = tuple[float, float, float, float, tuple[float, ...], int, int, int, int, int]
_Capture: TypeAlias = tuple[int, float | None, str]


@dataclass(frozen=True)
class Info:
    """What is open: the fields of `leaf_info`.

    key_id: of the key whose signature was verified, else "".
    engine: of `ENGINES`; engine_description: the same with version and device. isa: instruction set of the
    views, "" where the device makes them. coverage: of the interval, 0..1.
    """

    model: str
    version: str
    scale: str
    scale_version: int
    schema: int
    encoding: str
    engine: str
    engine_description: str
    isa: str
    key_id: str
    golden: int
    not_accepted: bool
    coverage: float
    reason_threshold: float


@dataclass(frozen=True)
class Stage:
    """Wall time of a stage, in nanoseconds, over `count` frames (batches, of inference)."""

    count: int
    sum_ns: int
    min_ns: int
    max_ns: int


class Timings(NamedTuple):
    """Of each stage, since the context was opened or `reset_timings`."""

    queue: Stage
    views: Stage
    inference: Stage
    mapping: Stage


class Polled(NamedTuple):
    """A frame that has left the queue. ticket, camera: as of `submit`; frame, source: as of the frame.

    score: None where the frame has none, and `error` says why.
    queue_ms: from `submit` to the begin of the work.
    """

    ticket: int
    camera: int
    frame: int
    source: str
    score: Score | None
    error: Exception | None
    queue_ms: float


class Context:
    """An open bundle with its engine. Any thread may call it; calls take turns where the library wants them
    one at a time, and none holds the interpreter while it waits or works.

    path: of a NAME.leaf folder or its tar; `leaf_edge.bundle.locate` has those of `leaf-s` and `leaf-m`.
    engines: names of `ENGINES` in order of preference, or one text with commas; the first that can run does.
    threads: CPU threads of one inference. batch: most frames of one `score_batch`, 1 to 64.
    queue: most frames in flight of `submit`, 0 to 256; more than 0 starts a worker thread.
    isa: instruction set of the CPU views, as of `ViewMaker`. device: CUDA ordinal.
    self_test: score the golden frames first.
    keys: raw Ed25519 public keys, 32 bytes each, one of which must have signed. require_signature: None:
        refuse an unsigned bundle where keys are given; True, False: always, never.
    cuda_stream: CUstream as a number, on which TensorRT works and CUDA frames are ready; 0: one of its own.
    onnxruntime, tensorrt: paths of the engines' libraries; None: as docs/embedding.md says.
    logger: gets what the library has to say, on the thread of a call; `leaf_edge.native` by default.

    Raises `BundleError` for a bundle, an engine or a device that is refused, ValueError for settings out of
    range and for a context that is closed, MemoryError.
    Open it after a fork, not before: the child has no worker.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        engines: str | Sequence[str] = ("cpu",),
        threads: int = 1,
        batch: int = 1,
        queue: int = 0,
        isa: str = "auto",
        device: int = 0,
        self_test: bool = False,
        keys: Sequence[bytes] = (),
        require_signature: bool | None = None,
        cuda_stream: int = 0,
        onnxruntime: str | Path | None = None,
        tensorrt: str | Path | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        names = engines.split(",") if isinstance(engines, str) else list(engines)
        log = logger or _log
        self._native = _native.Context(
            os.fsencode(path),
            engines=[name.strip().lower() for name in names],
            threads=threads,
            batch=batch,
            queue=queue,
            isa=isa,
            device=device,
            self_test=self_test,
            require_signature=_SIGNATURE[require_signature],
            keys=list(keys),
            cuda_stream=cuda_stream,
            onnxruntime=None if onnxruntime is None else os.fsencode(onnxruntime),
            tensorrt=None if tensorrt is None else os.fsencode(tensorrt),
            logger=lambda level, line: log.log(_LEVELS[level], "%s", line),
        )
        _open.add(self._native)
        self.info = Info(**self._native.info())

    def prepare(self, frames: Sequence[FrameLike], rois: Sequence[Roi | None] | None = None) -> None:
        """Make the tables for the geometry of each frame, at most `batch`, so that its first score is as fast
        as the others. Pixels are not read. Raises as `score` does.
        """
        self._native.prepare(native_inputs(frames, rois))

    def score(self, frame: FrameLike, roi: Roi | None = None, *, acquire_ms: float = 0.0) -> Score:
        """Score a frame, or the region `roi` of it (in luma pixels). The frame is read during the call only.

        Raises `FrameError` for a frame that is not what it says, or that the engine cannot read where it is;
        `BundleError` where the engine fails; RuntimeError while frames are in flight.
        """
        return _score(self._run([native_input(frame, roi)])[0], _capture(frame), acquire_ms)

    def score_batch(
        self, frames: Sequence[FrameLike], rois: Sequence[Roi | None] | None = None
    ) -> list[Score]:
        """Score 1 to `batch` frames of any cameras, sizes and formats in one inference.

        `stages.inference_ms` of each is that of the whole batch. Raises as `score` does, then for all frames.
        """
        fields = self._run(native_inputs(frames, rois))
        return [_score(item, _capture(frame), 0.0) for item, frame in zip(fields, frames, strict=True)]

    def submit(self, frame: FrameLike, roi: Roi | None = None, *, camera: int = 0) -> int:
        """Hand a frame to the worker and return at once: the ticket, from 1 upwards.

        Its arrays are kept alive until `poll` gives the score; what is in them must stay as it is so long.
        Raises BlockingIOError where `queue` frames are in flight (drop this one), `FrameError` as `score`.
        """
        given = native_input(frame, roi)
        try:
            return self._native.submit(given, (camera, _capture(frame)))
        except ValueError as error:
            raise self._refusal(error) from None

    def poll(self, timeout: float | None = None) -> Polled | None:
        """The next frame that is done, in the order of submission. Ctrl-C ends the wait.

        timeout: seconds; 0 asks only. TimeoutError where no score came so long, also where nothing was in
        flight: another thread might have submitted. None waits as long as frames are in flight, and returns
        None where none is.
        """
        wait = -1 if timeout is None else _milliseconds(timeout)
        found = self._native.poll(wait)
        if found is None:
            if timeout is None:
                return None
            raise TimeoutError(f"no score came in {timeout:g} s")
        ticket, (camera, capture), fields, error = found
        score = _score(fields, capture, 0.0) if error is None else None
        return Polled(ticket, camera, capture[0], capture[2], score, error, _ms(fields[6]))

    def self_test(self) -> float:
        """Score the bundle's golden frames: the largest difference in MOS.

        Raises `BundleError` SELF_TEST where a frame is off by more than the bundle's tolerance.
        """
        return self._native.self_test()

    def timings(self) -> Timings:
        """Stage times so far."""
        return Timings(**{name: Stage(*values) for name, values in self._native.timings().items()})

    def reset_timings(self) -> None:
        """Begin to count anew."""
        self._native.reset_timings()

    def close(self) -> None:
        """Wait for the calls that other threads are in, drop the frames in flight, free what was opened.
        Closed twice is closed; any other call is refused from now on.
        """
        self._native.close()

    @property
    def closed(self) -> bool:
        """Whether it is."""
        return self._native.closed

    @property
    def in_flight(self) -> int:
        """Frames submitted and not polled."""
        return self._native.in_flight

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(self, inputs: list[NativeInput]) -> list[_Fields]:
        try:
            return self._native.score(inputs)
        except ValueError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: ValueError) -> ValueError:
        return error if self._native.closed else FrameError(str(error))


@atexit.register
def _close_all() -> None:
    """No worker is left to run while the interpreter and the engine's library go."""
    for context in list(_open):
        context.close()


def _capture(frame: FrameLike) -> _Capture:
    return frame.index, frame.time_s, frame.source


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, STAGE_DECIMALS)


def _milliseconds(timeout: float) -> int:
    if not timeout >= 0:
        raise ValueError(f"timeout is {timeout}; expected seconds from 0 up, or None")
    return min(_MOST_MS, math.ceil(timeout * 1000)) if timeout < _MOST_MS else _MOST_MS


def _score(fields: _Fields, capture: _Capture, acquire_ms: float) -> Score:
    mos, lower, upper, raw, faults, reason, _, views_ns, inference_ns, mapping_ns = fields
    index, time_s, source = capture
    return Score(
        mos=mos,
        mos_lo=lower,
        mos_hi=upper,
        raw=raw,
        faults=faults,
        reason=FAULTS[reason] if reason >= 0 else "",
        frame=index,
        time_s=None if time_s is None else round(time_s, TIME_DECIMALS),
        source=source,
        stages=StageTimes(
            acquire_ms=round(acquire_ms, STAGE_DECIMALS),
            views_ms=_ms(views_ns),
            inference_ms=_ms(inference_ns),
            mapping_ms=_ms(mapping_ns),
        ),
    )
