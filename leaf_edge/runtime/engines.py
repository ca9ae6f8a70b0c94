"""Which engine scores: the first of the caller's list that can run here. What is passed over is said, with
why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Bundle, BundleCode, BundleError
from leaf_edge.bundle.engines import VERSION_COMPATIBLE, engine_bytes
from leaf_edge.bundle.errors import REMEDY
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.frames.frame import Frame, Roi
from leaf_edge.runtime.engine import OnnxEngine, RawOutputs, TimedOutputs
from leaf_edge.runtime.engine_fit import Misfit, dla_core, find_fit
from leaf_edge.runtime.preflight import (
    Driver,
    NoDriver,
    NoTensorRT,
    TensorRT,
    installed_tensorrt,
    probe_driver,
    tensorrt_available,
)

ENGINES: dict[str, str] = {
    "tensorrt": "an engine of the bundle that was built for this TensorRT, device and system",
    "rebuild": "TensorRT, with an engine that is built now (minutes) and kept in memory only",
    "cuda": "ONNX Runtime with its CUDA provider",
    "cpu": "ONNX Runtime on the CPU",
}
"""By name, in the order of a usual list."""

DEFAULT = ("cpu",)

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """What runs the network. name: of `ENGINES`' kind of runtime; description: with version and device."""

    name: str
    description: str
    threads: int

    def __call__(self, views: NDArray[np.uint8]) -> RawOutputs:
        """Outputs for views uint8 [N, 2, 3, 224, 224]."""
        ...


@runtime_checkable
class FrameEngine(Protocol):
    """An engine that makes the views too, on its device."""

    def score_frame(self, frame: Frame, roi: Roi | None = None) -> TimedOutputs:
        """Outputs of one frame, or of the region `roi` of it."""
        ...


@dataclass(frozen=True)
class Skipped:
    """An engine of the caller's list that cannot run here."""

    engine: str
    code: BundleCode
    reason: str

    @property
    def line(self) -> str:
        """For people: engine, code, reason and remedy."""
        return f"engine {self.engine} is passed over: {self.code.value}: {self.reason}; {REMEDY[self.code]}"


@dataclass(frozen=True)
class Choice:
    """What runs. name: as in the caller's list; encoding: of the bundle, whose curve belongs to the
    outputs.
    """

    name: str
    engine: Engine
    encoding: str
    skipped: tuple[Skipped, ...] = ()


def parse_engines(text: str | Sequence[str]) -> tuple[str, ...]:
    """`tensorrt,cpu` as names in their order. Raises ValueError for an unknown name, one twice, or none."""
    parts = text.split(",") if isinstance(text, str) else list(text)
    names = tuple(part.strip().lower() for part in parts)
    known = ", ".join(ENGINES)
    if not any(names):
        raise ValueError(f"no engine is named; expected some of: {known}")
    for name in names:
        if name not in ENGINES:
            raise ValueError(f"{name[:40]!r} is not an engine; expected some of: {known}")
        if names.count(name) > 1:
            raise ValueError(f"engine {name} is named twice")
    return names


def choose_engine(
    bundle: Bundle,
    engines: str | Sequence[str] = DEFAULT,
    *,
    encoding: str = "cpu",
    threads: int = 1,
    device: int = 0,
    stream: Any = None,
    notice: Callable[[str], None] | None = None,
) -> Choice:
    """Open the first engine of the list that can run on this machine.

    engines: names of `ENGINES`, tried in this order. encoding: of the bundle, for ONNX Runtime; TensorRT
    always runs `trt`. threads: CPU threads of one call on the CPU. device: number of the CUDA device.
    stream: CUDA stream of the caller's for TensorRT (`TensorrtEngine`).
    notice: gets one line for each engine that is passed over, once one is chosen; a warning of `logging` by
    default. Raises ValueError for a list that `parse_engines` refuses. Where nothing can run:
    `BundleError`, of the engine itself where the list is one name, else with the reasons of all and the
    code of the last.
    """
    names = parse_engines(engines)
    openers: dict[str, Callable[[], tuple[Engine, str]]] = {
        "tensorrt": lambda: (open_tensorrt(bundle, device=device, stream=stream), "trt"),
        "rebuild": lambda: (rebuild_tensorrt(bundle, device=device, stream=stream, notice=notice), "trt"),
        "cuda": lambda: (_open_cuda(bundle, encoding, threads), encoding),
        "cpu": lambda: (OnnxEngine(bundle.model(encoding), threads), encoding),
    }
    skipped: list[Skipped] = []
    for name in names:
        try:
            engine, used = openers[name]()
        except BundleError as error:
            if len(names) == 1:
                raise
            skipped.append(Skipped(name, error.code, error.message))
            continue
        for item in skipped:
            (notice or _log.warning)(item.line)
        return Choice(name, engine, used, tuple(skipped))
    reasons = "; ".join(f"{item.engine}: {item.code.value}: {item.reason}" for item in skipped)
    raise BundleError(skipped[-1].code, f"none of the engines {', '.join(names)} can run here ({reasons})")


def open_tensorrt(
    bundle: Bundle,
    *,
    device: int = 0,
    stream: Any = None,
    driver: Driver | NoDriver | None = None,
    packages: Sequence[TensorRT] | None = None,
) -> Engine:
    """The bundle's TensorRT engine for this machine, after the whole preflight.

    driver, packages: what `probe_driver` and `installed_tensorrt` found; None asks them.
    In this order, each before the next: the driver works; TensorRT is there and the driver new enough for it;
    system, compute capability and version of the engine; its size, hash and, where it holds code, the
    bundle's signature; that a child process can load it. Only then TensorRT gets the plan here. Raises
    `BundleError` with the code of what failed.
    """
    driver = probe_driver() if driver is None else driver
    packages = installed_tensorrt() if packages is None else packages
    fit = find_fit(bundle.manifest.engines, driver, packages, device=device)
    if isinstance(fit, Misfit):
        raise fit.error()
    plan = engine_bytes(bundle, fit.entry)
    return _start(plan, fit.entry, fit.package, device=device, stream=stream)


def _start(plan: bytes, entry: EngineEntry, package: TensorRT, *, device: int, stream: Any) -> Engine:
    from leaf_edge.runtime.plan_trial import try_plan
    from leaf_edge.runtime.tensorrt_engine import TensorrtEngine

    host_code, dla = VERSION_COMPATIBLE in entry.flags, dla_core(entry)
    try_plan(plan, package, host_code=host_code, device=device, dla=dla)
    try:
        return TensorrtEngine(plan, package, host_code=host_code, device=device, stream=stream, dla=dla)
    except ImportError as error:  # pycuda is missing, or made for another driver
        raise BundleError(BundleCode.DEVICE_NO_TENSORRT, str(error)) from None


def rebuild_tensorrt(
    bundle: Bundle, *, device: int = 0, stream: Any = None, notice: Callable[[str], None] | None = None
) -> Engine:
    """A TensorRT engine that is built now from the bundle's Q/DQ graph; the bundle stays as it is.

    It takes minutes and is announced. `leaf-edge build-engine` builds one to keep.
    Raises `BundleError`: DEVICE_NO_DRIVER, DEVICE_NO_TENSORRT where the full TensorRT or the extra that
    builds is not there, ENGINE_PLAN where the build fails.
    """
    driver = probe_driver()
    if isinstance(driver, NoDriver):
        raise BundleError(BundleCode.DEVICE_NO_DRIVER, driver.reason)
    package = tensorrt_available(driver)
    if isinstance(package, NoTensorRT):
        raise BundleError(BundleCode.DEVICE_NO_TENSORRT, package.reason)
    if package.kind != "full":
        raise BundleError(BundleCode.DEVICE_NO_TENSORRT, f"{package.module} runs engines but builds none")
    bundle.encoding("trt")
    if not 0 <= device < len(driver.devices):
        raise BundleError(BundleCode.DEVICE_NO_DRIVER, f"no CUDA device {device} among {len(driver.devices)}")
    (notice or _log.warning)(
        f"engine rebuild: an engine for TensorRT {package.version} is built now, which takes minutes; "
        "leaf-edge build-engine builds one that stays"
    )
    from leaf_edge.runtime.rebuild import rebuilt

    entry, plan = rebuilt(bundle, device)
    return _start(plan, entry, package, device=device, stream=stream)


def _open_cuda(bundle: Bundle, encoding: str, threads: int) -> Engine:
    """ONNX Runtime's CUDA provider; the driver is asked first, as for TensorRT."""
    model = bundle.model(encoding)
    driver = probe_driver()
    if isinstance(driver, NoDriver):
        raise BundleError(BundleCode.DEVICE_NO_DRIVER, driver.reason)
    return OnnxEngine(model, threads, "cuda")
