"""Who makes the views: one of the kernels, or the specification in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import Frame
from leaf_edge.views import ViewMaker, available_isas, reference

Views: TypeAlias = NDArray[np.uint8]
REFERENCE = "reference"
"""The specification itself (leaf_edge/views/reference.py), a thousand times slower than a kernel."""


def view_kernels() -> list[str]:
    """All that can make views on this machine: `auto`, the kernels by name, the reference."""
    return ["auto", *available_isas(), REFERENCE]


def make_viewer(name: str) -> tuple[str, Callable[[Frame], Views]]:
    """(name, function) of one of `view_kernels`, `auto` resolved; the function gives uint8 [2, 3, 224, 224].

    Raises ValueError for a name that is unknown or that this machine cannot run.
    """
    if name == REFERENCE:
        return name, reference.make_views
    maker = ViewMaker(name)
    return maker.isa, maker
