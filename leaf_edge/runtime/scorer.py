"""Frame in, score out."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Bundle, BundleCode, BundleError, Encoding, load_bundle, locate
from leaf_edge.contract import FAULTS
from leaf_edge.frames.frame import Frame, Roi
from leaf_edge.runtime.engine import OnnxEngine, RawOutputs, TimedOutputs
from leaf_edge.runtime.engines import DEFAULT, Engine, FrameEngine, choose_engine
from leaf_edge.runtime.score import (
    FAULT_DECIMALS,
    MOS_DECIMALS,
    RAW_DECIMALS,
    STAGE_DECIMALS,
    TIME_DECIMALS,
    Score,
    StageTimes,
)
from leaf_edge.runtime.tolerance import golden_tolerance
from leaf_edge.views.native import SHAPE, ViewMaker

if TYPE_CHECKING:
    from leaf_edge.bundle.keys import PublicKey


class FrameScorer(Protocol):
    """What streams and sources are scored with: `Scorer`, or `leaf_edge.runtime.native.NativeScorer`."""

    threads: int

    def score(self, frame: Frame, roi: Roi | None = None, *, acquire_ms: float = 0.0) -> Score:
        """As `Scorer.score`; called from several threads at once."""
        ...


class Scorer:
    """Scores frames with one network. Any thread may call it, several at once.

    model: bytes of the ONNX file, or an engine that is open already (runtime/engines.py); encoding: the
        calibration that belongs to it.
    reason_threshold: least severity, 0..1, at which a fault is named as the reason.
    threads: CPU threads that one call uses. Throughput is best with `threads=1` and as many
        callers as cores (`leaf_edge.runtime.stream` does that), latency with all cores in one call.
    name: of the model, for people. engine: what to call the engine; by default its own name.
    Each calling thread has a buffer for the views of its own, so a frame allocates next to nothing.
    Raises `BundleError` MODEL where the network is not a student. Usually made by `load`.
    """

    def __init__(
        self,
        model: bytes | Engine,
        encoding: Encoding,
        *,
        reason_threshold: float = 0.3,
        threads: int = 1,
        name: str = "",
        engine: str = "",
    ) -> None:
        self.name = name
        self.encoding = encoding
        self.reason_threshold = reason_threshold
        self._engine: Engine = OnnxEngine(model, threads) if isinstance(model, bytes) else model
        self._frames = self._engine if isinstance(self._engine, FrameEngine) else None
        self.threads = self._engine.threads
        self.engine = engine or self._engine.name
        """Which engine runs: a name of `runtime.engines.ENGINES`."""
        self.engine_description = self._engine.description
        """The same with version and device."""
        self._make_views = ViewMaker()
        self._local = threading.local()

    def score(self, frame: Frame, roi: Roi | None = None, *, acquire_ms: float = 0.0) -> Score:
        """Score a frame, or the region `roi` of it (in luma pixels).

        acquire_ms: what reading the frame took, to be reported in `Score.stages`.
        Raises `FrameError` for a region outside the frame, `BundleError` MODEL where the network fails.
        """
        outputs, views_ms, inference_ms = self._run(frame, roi)
        inferred = perf_counter()
        mos, lower, upper, raw, faults, reason = self._map(outputs)
        mapped = perf_counter()
        return Score(
            mos=mos,
            mos_lo=lower,
            mos_hi=upper,
            raw=raw,
            faults=faults,
            reason=reason,
            frame=frame.index,
            time_s=None if frame.time_s is None else round(frame.time_s, TIME_DECIMALS),
            source=frame.source,
            stages=StageTimes(
                acquire_ms=round(acquire_ms, STAGE_DECIMALS),
                views_ms=round(views_ms, STAGE_DECIMALS),
                inference_ms=round(inference_ms, STAGE_DECIMALS),
                mapping_ms=_milliseconds(inferred, mapped),
            ),
        )

    def score_views(self, views: NDArray[np.uint8]) -> RawOutputs:
        """Outputs of the network, before calibration, for views uint8 [N, 2, 3, 224, 224].

        Raises ValueError for another shape or dtype.
        """
        return self._engine(views)

    def _run(self, frame: Frame, roi: Roi | None) -> TimedOutputs:
        if self._frames is not None:
            return self._frames.score_frame(frame, roi)
        start = perf_counter()
        batch = self._buffer()
        self._make_views(frame, roi, out=batch[0])
        viewed = perf_counter()
        outputs = self._engine(batch)
        return TimedOutputs(outputs, (viewed - start) * 1000.0, (perf_counter() - viewed) * 1000.0)

    def _buffer(self) -> NDArray[np.uint8]:
        buffer: NDArray[np.uint8] | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = np.empty((1, *SHAPE), np.uint8)
        return buffer

    def _map(self, outputs: RawOutputs) -> tuple[float, float, float, float, tuple[float, ...], str]:
        raw, spread = float(outputs.mos[0]), float(outputs.spread[0])
        exact = self.encoding.curve(raw)
        lower, upper = self.encoding.interval(exact, spread)
        faults = tuple(
            round(min(1.0, max(0.0, severity)), FAULT_DECIMALS) for severity in outputs.faults[0].tolist()
        )
        return (
            round(exact, MOS_DECIMALS),
            round(lower, MOS_DECIMALS),
            round(upper, MOS_DECIMALS),
            round(raw, RAW_DECIMALS),
            faults,
            reason(faults, self.reason_threshold),
        )


def reason(faults: tuple[float, ...], threshold: float) -> str:
    """Name of the strongest fault where its severity reaches `threshold`, else ""."""
    strongest = max(range(len(faults)), key=faults.__getitem__)
    return FAULTS[strongest] if faults[strongest] >= threshold else ""


class NotAcceptedWarning(UserWarning):
    """A bundle is used that failed its acceptance. Python shows it once for each bundle."""


def load(
    model: str | Path = "leaf-s",
    *,
    threads: int = 1,
    encoding: str = "cpu",
    self_test: bool = False,
    key: str | Path | Sequence[PublicKey] | None = None,
    require_signature: bool | None = None,
    engines: str | Sequence[str] = DEFAULT,
    device: int = 0,
    stream: Any = None,
    notice: Callable[[str], None] | None = None,
) -> Scorer:
    """A scorer from a bundle.

    model: `leaf-s`, `leaf-m`, or the path of a NAME.leaf folder or its tar.
    threads: CPU threads that one call uses.
    encoding: for ONNX Runtime: `cpu`; `trt` runs there too, slowly, to compare the two.
    self_test: score the bundle's golden frames first (see `run_self_test`).
    key, require_signature: who must have signed the bundle, as `leaf_edge.bundle.load_bundle` takes them.
    engines, device, stream, notice: what may run, in order of preference, as `engines.choose_engine` takes
        them; `Scorer.engine` tells which one does.
    Raises `BundleError` with a code and a remedy, ValueError for `threads` out of range or an unusable key.
    """
    bundle = load_bundle(locate(model), key=key, require_signature=require_signature)
    try:
        scorer = from_bundle(
            bundle,
            threads=threads,
            encoding=encoding,
            engines=engines,
            device=device,
            stream=stream,
            notice=notice,
        )
        if self_test:
            names = {id(value): name for name, value in bundle.manifest.encodings.items()}
            run_self_test(scorer, bundle, names[id(scorer.encoding)])
    except BundleError as error:
        if str(bundle.path) in error.message:
            raise
        raise BundleError(error.code, f"{bundle.path}: {error.message}") from None
    return scorer


def from_bundle(
    bundle: Bundle,
    *,
    threads: int = 1,
    encoding: str = "cpu",
    engines: str | Sequence[str] = DEFAULT,
    device: int = 0,
    stream: Any = None,
    notice: Callable[[str], None] | None = None,
) -> Scorer:
    """A scorer from a bundle that is loaded already. Raises as `load` does.

    Warns (`NotAcceptedWarning`) where the bundle failed its acceptance and was written all the same.
    """
    acceptance = bundle.manifest.acceptance
    if acceptance is not None and acceptance.anyway:
        more = len(acceptance.failures) - 1
        warnings.warn(
            f"{bundle.path or bundle.name}: this bundle failed its acceptance and was written with "
            f"--accept-anyway: {acceptance.failures[0]}{f'; and {more} more' if more else ''} "
            "(leaf-edge bundle inspect lists them)",
            NotAcceptedWarning,
            stacklevel=2,
        )
    choice = choose_engine(
        bundle,
        engines,
        encoding=encoding,
        threads=threads,
        device=device,
        stream=stream,
        notice=notice,
    )
    return Scorer(
        choice.engine,
        bundle.encoding(choice.encoding),
        reason_threshold=bundle.manifest.reason_threshold,
        name=bundle.name,
        engine=choice.name,
    )


def run_self_test(scorer: Scorer, bundle: Bundle, encoding: str = "cpu") -> None:
    """Score the golden frames of `bundle` and compare with the scores that they must give.

    Raises `BundleError` SELF_TEST where one differs by more than the bundle's tolerance, or than the engine's
    where that is wider (`tolerance.golden_tolerance`), or where the bundle has no golden frame to test with.
    """
    if not bundle.manifest.golden:
        raise BundleError(BundleCode.SELF_TEST, "the bundle has no golden frames")
    tolerance = golden_tolerance(bundle, scorer.engine)
    for golden in bundle.manifest.golden:
        expected = golden.scores[encoding]
        found = scorer.score(golden.frame(bundle.contents[golden.file]))
        if abs(found.mos - expected.mos) > tolerance.mos:
            raise BundleError(
                BundleCode.SELF_TEST,
                f"{golden.file} scores MOS {found.mos:.3f}; expected {expected.mos:.3f} "
                f"within {tolerance.mos:g}",
            )
        for fault, severity, wanted in zip(FAULTS, found.faults, expected.faults, strict=True):
            if abs(severity - wanted) > tolerance.faults:
                raise BundleError(
                    BundleCode.SELF_TEST,
                    f"{golden.file} has {fault} {severity:.3f}; expected {wanted:.3f} "
                    f"within {tolerance.faults:g}",
                )


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1000.0, STAGE_DECIMALS)
