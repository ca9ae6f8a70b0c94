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
