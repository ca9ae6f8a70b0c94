"""The two views by the C++ kernels: the bytes of `leaf_edge.views.reference`, at camera speed."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from leaf_edge import _native
from leaf_edge.frames.frame import Frame, FrameError, Roi
from leaf_edge.views.reference import SIZE, check_roi

SHAPE = (2, 3, SIZE, SIZE)
"""Of the views of one frame: global then fragments, R G B planes."""

_NO_MATRIX = -1  # LEAF_NO_MATRIX


def available_isas() -> list[str]:
    """Instruction sets whose kernels this machine can run, plainest first: `scalar`, `avx2`, ..."""
    return _native.available_isas()


class ViewMaker:
    """Makes views with one instruction set, keeping tables and scratch memory between frames.

    Each thread that calls it gets tables of its own for the last geometry (format, size, region)
    that it used, so one maker may serve any number of threads. Frames of the same geometry as the
    one before cost no allocation in the core; the interpreter is not locked meanwhile.

    isa: `auto` (the fastest of `available_isas`), or one of them by name.
    Raises ValueError for a name that is unknown or that this machine cannot run.
    """

    def __init__(self, isa: str = "auto") -> None:
        self._local = threading.local()
        self._isa = isa
        self.isa: str = self._context().isa
        """Name of the instruction set in use."""

    def _context(self) -> _native.ViewContext:
        context: _native.ViewContext | None = getattr(self._local, "context", None)
        if context is None:
            context = self._local.context = _native.ViewContext(self._isa)
        return context

    def __call__(
        self, frame: Frame, roi: Roi | None = None, *, out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """Both views of `frame` (or of the region `roi` of it): uint8 [2, 3, 224, 224].

        out: C-contiguous uint8 array of that shape to write to and return, instead of a new one.
        Raises `FrameError` for a region outside the frame, ValueError for an unfit `out`.
        """
        region = check_roi(frame, roi)
        if out is None:
            out = np.empty(SHAPE, np.uint8)
        elif (
            out.dtype != np.uint8
            or out.shape != SHAPE
            or not out.flags.c_contiguous
            or not out.flags.writeable
        ):
            raise ValueError(
                f"out must be a writable C-contiguous uint8 {list(SHAPE)} array; found {out.dtype} "
                f"{list(out.shape)}, contiguous: {out.flags.c_contiguous}, writable: {out.flags.writeable}"
            )
        matrix = _NO_MATRIX if frame.matrix is None else int(frame.matrix)
        try:
            self._context().run(
                frame.planes,
                frame.width,
                frame.height,
                int(frame.format),
                matrix,
                int(frame.range),
                *region,
                out,
            )
        except ValueError as error:
            raise FrameError(str(error)) from None
        return out


_makers: dict[str, ViewMaker] = {}


def make_views(
    frame: Frame, roi: Roi | None = None, *, out: NDArray[np.uint8] | None = None, isa: str = "auto"
) -> NDArray[np.uint8]:
    """Both views of a frame: uint8 [2, 3, 224, 224], G then F, RGB planes, full range.

    As calling a `ViewMaker` that the module keeps for each `isa`; any thread may call it.
    """
    maker = _makers.get(isa)
    if maker is None:
        maker = _makers.setdefault(isa, ViewMaker(isa))
    return maker(frame, roi, out=out)
