"""Scores by the C library, which firmware runs: `Scorer` without ONNX Runtime's Python package.

    scorer = leaf_edge.runtime.native.load("leaf-s")
    score = scorer.score(frame)

The scores are those of `leaf_edge.runtime.scorer.Scorer`, bit for bit on the same engine; docs/python.md says
when to take which.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.bundle import locate
from leaf_edge.frames.frame import Roi
from leaf_edge.runtime.native_context import Context, FrameLike
from leaf_edge.runtime.score import Score

if TYPE_CHECKING:
    from leaf_edge.bundle.keys import PublicKey


class NativeScorer:
    """Scores frames by the C library. Any thread may call it, several at once.

    path, engines, threads, settings: as of `Context`.
    With engine `cpu` a call that comes while others are at work gets a context of its own, which is kept for
    later calls: as many stay open as calls were at once. On a device there is one, and calls take turns.
    Raises as `Context` does. Usually made by `load`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        engines: str | Sequence[str] = ("cpu",),
        threads: int = 1,
        **settings: Any,
    ) -> None:
        self._path = path
        self._settings = {**settings, "threads": threads}
        first = Context(path, engines=engines, **self._settings)
        self._contexts = [first]
        self._idle = [first]
        self.info = first.info
        """What is open: model, version, scale, coverage and so on."""
        self.name = first.info.model
        self.threads = threads
        self.engine = first.info.engine
        """Which engine runs: `cpu`, `cuda` or `tensorrt`."""
        self.engine_description = first.info.engine_description
        """The same with version and device."""
        self.reason_threshold = first.info.reason_threshold
        self._closed = False

    def score(self, frame: FrameLike, roi: Roi | None = None, *, acquire_ms: float = 0.0) -> Score:
        """Score a frame, or the region `roi` of it (in luma pixels), without a copy of its pixels.

        frame: a `Frame`, or an `ArrayFrame` of any library's arrays.
        acquire_ms: what reading the frame took, to be reported in `Score.stages`.
        Raises `FrameError` for a frame that is not what it says and a region outside of it, `BundleError`
        where the engine fails, ValueError where the scorer is closed.
        """
        if self.engine != "cpu":
            return self._contexts[0].score(frame, roi, acquire_ms=acquire_ms)
        try:
            context = self._idle.pop()
        except IndexError:
            context = self._another()
        try:
            return context.score(frame, roi, acquire_ms=acquire_ms)
        finally:
            self._idle.append(context)

    def close(self) -> None:
        """Close all contexts, after the calls that are on them. Any later call is refused."""
        self._closed = True
        for context in self._contexts:
            context.close()

    def __enter__(self) -> NativeScorer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _another(self) -> Context:
        context = Context(self._path, engines=self.engine, **{**self._settings, "self_test": False})
        self._contexts.append(context)
        if self._closed:  # meanwhile
            context.close()
        return context


def load(
    model: str | Path = "leaf-s",
    *,
    threads: int = 1,
    self_test: bool = False,
    key: str | Path | Sequence[PublicKey] | None = None,
    require_signature: bool | None = None,
    engines: str | Sequence[str] = ("cpu",),
    device: int = 0,
    cuda_stream: int = 0,
) -> NativeScorer:
    """A scorer from a bundle, as `leaf_edge.runtime.scorer.load` makes one, on the C library.

    model: `leaf-s`, `leaf-m`, or the path of a NAME.leaf folder or its tar. threads: CPU threads of one call.
    key: file with the public keys, one of which must have signed, or the keys.
    require_signature: as of `Context`.
    engines: `cpu`, `cuda`, `tensorrt`, in order of preference. device, cuda_stream: of CUDA.
    ONNX Runtime is the library inside of the installed onnxruntime package, unless LEAF_ONNXRUNTIME names
    another. Raises as `Context` does. Warns (`NotAcceptedWarning`) where the bundle failed its acceptance.
    """
    keys: Sequence[PublicKey] = ()
    if isinstance(key, str | Path):
        from leaf_edge.bundle.keys import read_public_keys

        keys = read_public_keys(key)
    elif key is not None:
        keys = key
    path = locate(model)
    scorer = NativeScorer(
        path,
        engines=engines,
        threads=threads,
        self_test=self_test,
        keys=[item.raw for item in keys],
        require_signature=require_signature,
        device=device,
        cuda_stream=cuda_stream,
        onnxruntime=find_onnxruntime(),
    )
    if scorer.info.not_accepted:
        from leaf_edge.runtime.scorer import NotAcceptedWarning

        warnings.warn(
            f"{path}: this bundle failed its acceptance and was written with --accept-anyway "
            "(leaf-edge bundle inspect tells why)",
            NotAcceptedWarning,
            stacklevel=2,
        )
    return scorer


def find_onnxruntime() -> Path | None:
    """libonnxruntime of the installed onnxruntime package, which is not imported.

    None where LEAF_ONNXRUNTIME is set or there is none: the C library then looks for it itself.
    """
    spec = None if os.environ.get("LEAF_ONNXRUNTIME") else find_spec("onnxruntime")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder, "capi").glob("libonnxruntime.so*")):
            return path
    return None
