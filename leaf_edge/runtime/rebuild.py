"""A TensorRT engine that is built when a model is loaded, for a caller who asked for that."""

from __future__ import annotations

import importlib
from typing import Any

from leaf_edge.bundle import Bundle, BundleCode, BundleError
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.extras import MissingExtraError, require
from leaf_edge.runtime.preflight import Driver, TensorRT, os_name


def rebuilt(bundle: Bundle, package: TensorRT, driver: Driver, device: int) -> tuple[EngineEntry, bytes]:
    """The engine's entry, as a manifest would have it, and the plan. Nothing is written.

    Built with the defaults of `leaf-edge build-engine` from the bundle's `trt` encoding. The preflight must
    have passed. Raises `BundleError`: DEVICE_NO_TENSORRT where the packages that build are not there
    (extras train and tensorrt), ENGINE_PLAN where TensorRT does not build it.
    """
    # The builder belongs to the export, which stands above the runtime: imported here, for who asked for it.
    try:
        onnx, cuda = require("onnx", "train"), require("pycuda.driver", "tensorrt")
        half, network, options, key = map(_export, ("half", "network", "options", "key"))
    except MissingExtraError as error:
        raise BundleError(BundleCode.DEVICE_NO_TENSORRT, str(error)) from None
    chosen = options.EngineOptions()
    cuda.init()
    context = cuda.Device(device).retain_primary_context()
    context.push()
    try:
        model = half.half_model(onnx.load_model_from_string(bundle.model("trt"))).SerializeToString()
        plan = network.build_plan(model, chosen)
        entry = key.EngineKey(package.version, driver.devices[device].sm, os_name()).entry(chosen)
    except (half.HalfError, options.BuildError, options.DeviceError, ValueError) as error:
        raise BundleError(BundleCode.ENGINE_PLAN, f"the engine cannot be built ({error})") from None
    finally:
        cuda.Context.pop()
    return entry, bytes(plan.data)


def _export(part: str) -> Any:
    return importlib.import_module(f"leaf_edge.export.engine_{part}")
