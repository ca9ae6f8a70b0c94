"""Acceptance of the `trt` encoding on TensorRT, where this machine builds engines and runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from leaf_edge.bundle.errors import BundleError
from leaf_edge.export.engine_build import Builder, Say, find_builder, load_builder
from leaf_edge.export.engine_half import HalfError, half_model
from leaf_edge.export.engine_options import BuildError, DeviceError, EngineOptions
from leaf_edge.export.engines import AcceptanceEngine, Opener
from leaf_edge.export.to_onnx import ExportError
from leaf_edge.extras import MissingExtraError, require
from leaf_edge.runtime.cuda_device import current_device
from leaf_edge.runtime.plan_trial import try_plan
from leaf_edge.runtime.preflight import TensorRT

ENGINE = "LEAF_E_EXPORT_ENGINE"
ACCEPT_ON = ("auto", "tensorrt", "onnxruntime")
Build = Callable[[bytes], bytes]
"""The ONNX file of a network, types as they shall compute, to a plan."""


class EngineRefusedError(ExportError):
    """TensorRT does not build or run the network. code: stable."""

    code = ENGINE


def trt_opener(accept_on: str, say: Say = lambda line: None) -> Opener | None:
    """What opens the `trt` graph for acceptance; None for ONNX Runtime.

    accept_on: `auto` takes TensorRT where a driver, TensorRT's builder and pycuda are there, and says why
    where not; `tensorrt` takes nothing else; `onnxruntime` never takes it. Nothing is built before the opener
    is called. Raises with `tensorrt`: `DeviceError` without a driver that works, `MissingExtraError`;
    ValueError for another word.
    """
    if accept_on not in ACCEPT_ON:
        raise ValueError(f"accept_on is {accept_on!r}; expected one of: {', '.join(ACCEPT_ON)}")
    if accept_on == "onnxruntime":
        return None
    try:
        builder = find_builder()
        load_builder()
        require("pycuda.driver", "tensorrt")
    except (DeviceError, ImportError) as error:  # pycuda for another driver raises ImportError itself
        if accept_on == "tensorrt":
            if isinstance(error, DeviceError | MissingExtraError):
                raise
            raise MissingExtraError(f"pycuda cannot be imported ({error})") from None
        say(f"trt: checked on ONNX Runtime, not on TensorRT: {error}")
        return None
    return opener_of(_build(builder, say), builder.package)


def opener_of(build: Build, package: TensorRT, *, trial: Callable[..., None] = try_plan) -> Opener:
    """Opens a Q/DQ graph as an engine that `build` makes, with float16 between its INT8 layers as
    `leaf-edge build-engine` does by default.

    trial: loads the plan in a process of its own first. The engine raises `EngineRefusedError` where TensorRT
    does not build, load or run the network.
    """
    opened: list[Any] = []

    def open_engine(model: onnx.ModelProto) -> AcceptanceEngine:
        from leaf_edge.runtime.tensorrt_engine import TensorrtEngine

        while opened:
            opened.pop().close()  # of an attempt that is over: one at a time is on the device
        try:
            plan = build(half_model(model).SerializeToString())
            trial(plan, package)
            engine = TensorrtEngine(plan, package)
        except (BuildError, HalfError, BundleError) as error:
            raise EngineRefusedError(f"trt: {error}") from None
        opened.append(engine)

        def run(views: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
            try:
                return engine(views)._asdict()
            except BundleError as error:
                raise EngineRefusedError(f"trt: {error}") from None

        return AcceptanceEngine(f"{engine.description}, float16 between INT8 layers", run)

    return open_engine


def _build(builder: Builder, say: Say) -> Build:
    """Builds with the timings of the builds before, so that only the first one takes minutes."""
    timings = b""

    def build(network: bytes) -> bytes:
        nonlocal timings
        from leaf_edge.export.engine_network import build_plan

        say(
            f"trt: building for TensorRT {builder.key.tensorrt}, {builder.device} ({builder.key.sm}), to be "
            "accepted on it: minutes"
        )
        cuda = require("pycuda.driver", "tensorrt")
        try:
            with current_device():
                plan = build_plan(network, EngineOptions(), cache=timings)
        except cuda.Error as error:
            raise BuildError(f"the device does not start ({error})") from None
        timings = plan.cache
        return plan.data

    return build
