"""Types of the C++ core (runtime/binding)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# ---- views (runtime/binding/views.cpp) ----

def available_isas() -> list[str]:
    """Names of the instruction sets that this machine can use, plainest first."""

class ViewContext:
    """Tables and scratch memory of the views. Serves one thread at a time.

    isa: `auto`, or one of `available_isas()`; ValueError for another.
    """

    def __init__(self, isa: str = "auto") -> None: ...
    @property
    def isa(self) -> str: ...
    def run(
        self,
        planes: Sequence[NDArray[Any]],
        width: int,
        height: int,
        format: int,
        matrix: int,
        range: int,
        x: int,
        y: int,
        roi_width: int,
        roi_height: int,
        out: NDArray[np.uint8],
    ) -> None:
        """Write both views of a frame to `out`, uint8 [2, 3, 224, 224].

        Codes are those of leaf_edge/frames/frame.py; matrix is -1 where the format has none.
        Planes are 2-D, samples of a row adjacent. ValueError where the description is wrong.
        """

# ---- gate (runtime/binding/gate.cpp) ----

GATE_MAX_SCORE: float
GATE_MAX_WINDOW: int

def gate_defaults() -> dict[str, float]:
    """The core's default settings, by field of leaf_gate_settings."""

class GateContext:
    """State machine of one stream (runtime/include/leaf_edge/gate.h). Serves one thread at a time.

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
        """Decide on a frame with its score.

        Returns (frame, accepted, state, changed, missing, warmup_left, dwell_left, pooled, candidate,
        best_frame, best_score). ValueError for a score that is not finite, the state as before.
        """

    def push_missing(
        self, frame: int
    ) -> tuple[int, bool, int, bool, bool, int, int, float | None, bool, int | None, float | None]:
        """Decide on a frame that has no score; returns the same."""

    def flush(self) -> tuple[int, float] | None:
        """End the block early: its best (frame, score), if any."""

    def reset(self) -> None:
        """Back to the state of a new gate."""
