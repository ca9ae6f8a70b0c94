"""A TensorRT engine that is built when a model is loaded, for a caller who asked for that."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from leaf_edge.bundle import Bundle, BundleCode, BundleError
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.extras import MissingExtraError, require
from leaf_edge.runtime.cuda_device import current_device

_log = logging.getLogger(__name__)


def rebuilt(bundle: Bundle, device: int) -> tuple[EngineEntry, bytes]:
    """The engine's entry, as a manifest would have it, and the plan. Nothing is written.

    Built and checked as `leaf-edge build-engine` does by default. device: number of the CUDA device. The
    driver must have been found to work. Raises `BundleError`: DEVICE_NO_TENSORRT where a package that
    builds is not there (extras train and tensorrt), DEVICE_NO_DRIVER, ENGINE_PLAN where TensorRT does not
    build it or the engine does not score as it must.
    """
    try:
        require("onnx", "train")
        cuda = require("pycuda.driver", "tensorrt")
        # The builder belongs to the export, which stands above the runtime: imported for who asked for it.
        builder, options, half = map(_export, ("engine_build", "engine_options", "engine_half"))
    except ImportError as error:  # an extra that is missing, or libraries behind one
        raise BundleError(BundleCode.DEVICE_NO_TENSORRT, str(error)) from None
    try:
        with current_device(device):
            built = builder.build(bundle, options.EngineOptions(), device=device, say=_log.info)
    except MissingExtraError as error:
        raise BundleError(BundleCode.DEVICE_NO_TENSORRT, str(error)) from None
    except options.DeviceError as error:
        raise BundleError(BundleCode.DEVICE_NO_DRIVER, str(error)) from None
    except (options.BuildError, half.HalfError, cuda.Error) as error:
        raise BundleError(BundleCode.ENGINE_PLAN, f"the engine cannot be built ({error})") from None
    return built.entry, built.plan


def _export(module: str) -> Any:
    return importlib.import_module(f"leaf_edge.export.{module}")
