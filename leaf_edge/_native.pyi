# Written by runtime/binding/stub.py.
"""LEAF-Edge core: frame views, gate, and the scorer of leaf_edge/leaf.h"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy
import numpy.typing

def available_isas() -> list[str]:
    """
    Names of the instruction sets that this machine can use, plainest first.
    """

class ViewContext:
    """
    Tables and scratch memory of the views. Serves one thread at a time.

    isa: `auto`, or one of `available_isas()`; ValueError for another.
    """

    def __init__(self, isa: str = "auto") -> None: ...
    @property
    def isa(self) -> str:
        """The instruction set in use."""

    def run(
        self,
        planes: Sequence[object],
        width: int,
        height: int,
        format: int,
        matrix: int,
        range: int,
        x: int,
        y: int,
        roi_width: int,
        roi_height: int,
        out: numpy.typing.NDArray[numpy.uint8],
    ) -> None:
        """
        Write both views of a frame to `out`, uint8 [2, 3, 224, 224].

        Codes are those of leaf_edge/frames/frame.py; matrix is -1 where the format has none.
        Planes are arrays of host memory with the buffer protocol or DLPack, [rows, samples] or
        [height, width, channels]. ValueError where the description is wrong.
        """

GATE_MAX_SCORE: float = 1000000.0

GATE_MAX_WINDOW: int = 4096

def gate_defaults() -> dict[str, float]:
    """The core's default settings, by field of leaf_gate_settings."""

class GateContext:
    """
    State machine of one stream (runtime/include/leaf_edge/gate.h). Serves one thread at a
    time.

    Codes are those of the header. ValueError where a setting is out of range.
    """

    def __init__(
        self,
        *,
        accept: float,
        reject: float,
        pool: int,
        window: int,
        percentile: int,
        dwell: int,
        initial: int,
        missing: int,
        best_window: int,
    ) -> None: ...
    def push(
        self, frame: int, score: float
    ) -> tuple[int, bool, int, bool, bool, int, int, float | None, bool, int | None, float | None]:
        """
        Decide on a frame with its score.

        Returns (frame, accepted, state, changed, missing, warmup_left, dwell_left, pooled,
        candidate, best_frame, best_score). ValueError for a score that is not finite, the
        state as before.
        """

    def push_missing(
        self, frame: int
    ) -> tuple[int, bool, int, bool, bool, int, int, float | None, bool, int | None, float | None]:
        """Decide on a frame that has no score; returns the same."""

    def flush(self) -> tuple[int, float] | None:
        """End the block early: its best (frame, score), if any."""

    def reset(self) -> None:
        """Back to the state of a new gate."""

def versions() -> tuple[int, str]:
    """LEAF_API_VERSION, and the version of the project."""

class Context:
    """
    A leaf_context (runtime/include/leaf_edge/leaf.h). Any thread may call it; calls that the
    library wants one at a time take turns, with the interpreter unlocked while they wait and
    work. leaf_edge.runtime.native_context.Context is this with types of Python's.

    An input is (planes, width, height, format, matrix, range, x, y, roi_width, roi_height).
    Fields of a score: mos, mos_lo, mos_hi, raw, faults, reason, queue_ns, views_ns,
    inference_ns, mapping_ns. BundleError for a LEAF_E_ code, else ValueError, MemoryError,
    BlockingIOError or RuntimeError.
    """

    def __init__(
        self,
        path: bytes,
        *,
        engines: Sequence[str],
        threads: int = 1,
        batch: int = 1,
        queue: int = 0,
        isa: str = "auto",
        device: int = 0,
        self_test: bool = False,
        require_signature: int = 0,
        keys: Sequence[bytes] = (),
        cuda_stream: int = 0,
        onnxruntime: bytes | None = None,
        tensorrt: bytes | None = None,
        logger: Callable[[int, str], object] | None = None,
    ) -> None:
        """
        leaf_open. `logger` gets level and line, on the thread of a call and before it ends.
        """

    def prepare(
        self, inputs: Sequence[tuple[Sequence[object], int, int, int, int, int, int, int, int, int]]
    ) -> None:
        """leaf_prepare. Planes may be empty."""

    def score(
        self, inputs: Sequence[tuple[Sequence[object], int, int, int, int, int, int, int, int, int]]
    ) -> list[tuple[float, float, float, float, tuple[float, ...], int, int, int, int, int]]:
        """leaf_score_frames: the fields of each score."""

    def submit(
        self, input: tuple[Sequence[object], int, int, int, int, int, int, int, int, int], tag: object = None
    ) -> int:
        """
        leaf_submit: the ticket. The arrays are kept until poll gives the score, and `tag`
        comes back with it.
        """

    def poll(
        self, timeout_ms: int
    ) -> (
        tuple[
            int,
            Any,
            tuple[float, float, float, float, tuple[float, ...], int, int, int, int, int],
            Exception | None,
        ]
        | None
    ):
        """
        leaf_poll: ticket, tag, fields, and the error of a frame that has no score; None where
        leaf_poll returns 0. Ctrl-C ends the wait.
        """

    def self_test(self) -> float:
        """leaf_self_test: the largest difference in MOS."""

    def info(self) -> dict[str, Any]:
        """
        leaf_get_info, by field; engine is its name, engine_description the field engine.
        """

    def timings(self) -> dict[str, tuple[int, int, int, int]]:
        """leaf_get_timings: count, sum_ns, min_ns, max_ns of each stage."""

    def reset_timings(self) -> None:
        """leaf_reset_timings."""

    def close(self) -> None:
        """
        leaf_close, once no other call is on the context; calls from now on are refused.
        Frames in flight are dropped. Again: nothing.
        """

    @property
    def closed(self) -> bool:
        """Whether it is."""

    @property
    def in_flight(self) -> int:
        """Frames submitted and not polled."""
