"""The engines by name, each with the curve that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Bundle, Curve
from leaf_edge.extras import require
from leaf_edge.frames import SourceError
from leaf_edge.runtime.engine import OnnxEngine, RawOutputs

FLOAT = "float"
ENGINES: dict[str, str] = {
    "cpu": "the CPU encoding on ONNX Runtime's CPU provider: what scores by default",
    "trt-onnx": "the TensorRT encoding on ONNX Runtime's CPU provider",
    FLOAT: "the float32 student of --checkpoint on ONNX Runtime's CPU provider (extra train)",
    "cuda": "the CPU encoding on ONNX Runtime's CUDA provider",
    "tensorrt": "the engine in the bundle that fits this machine (extra tensorrt)",
}


@dataclass(frozen=True)
class Side:
    """One of the two engines.

    run: views uint8 [N, 2, 3, 224, 224] to raw outputs. curve: raw quality to MOS; None where the engine has
    none of its own: then that of the other side is taken. model: bytes of the ONNX graph that it runs, None
    where it runs something else, whose layers cannot be seen.
    """

    name: str
    run: Callable[[NDArray[np.uint8]], RawOutputs]
    curve: Curve | None
    model: bytes | None


def make_side(name: str, bundle: Bundle, *, checkpoint: Path | None = None, threads: int = 1) -> Side:
    """The engine `name` of `ENGINES` for a bundle.

    checkpoint: of the student, for `float`. threads: CPU threads.
    Raises ValueError for an unknown name or `float` without checkpoint, `BundleError` for an encoding that
    the bundle lacks, a network that is no student, and a device, driver or engine that is not there,
    `MissingExtraError`, `SourceError` for a checkpoint that cannot be read.
    """
    if name == FLOAT:
        if checkpoint is None:
            raise ValueError("engine float needs --checkpoint: a bundle holds no float32 network")
        model = _float_model(checkpoint)
        return Side(name, OnnxEngine(model, threads), None, model)
    encodings = {"cpu": "cpu", "trt-onnx": "trt", "cuda": "cpu", "tensorrt": "trt"}
    if name not in encodings:
        raise ValueError(f"no engine is called {name!r}; known: {', '.join(ENGINES)}")
    encoding = bundle.encoding(encodings[name])
    if name == "tensorrt":
        from leaf_edge.runtime.engines import open_tensorrt  # with the whole preflight

        return Side(name, open_tensorrt(bundle), encoding.curve, None)
    model = bundle.model(encodings[name])
    if name == "cuda":
        return Side(name, OnnxEngine(model, threads, "cuda"), encoding.curve, None)
    return Side(name, OnnxEngine(model, threads), encoding.curve, model)


def _float_model(checkpoint: Path) -> bytes:
    """The float32 ONNX graph of a checkpoint of `leaf-edge train`."""
    require("torch", "train")
    require("onnx", "train")
    from leaf_edge.export.net import from_student
    from leaf_edge.export.to_onnx import float_model
    from leaf_edge.student.network import load_checkpoint

    try:
        student = load_checkpoint(checkpoint)
    except OSError:
        raise
    except Exception as error:  # torch's errors for a broken file have no common base
        text = (str(error).strip().splitlines() or [type(error).__name__])[0].partition(". ")[0]
        raise SourceError(str(checkpoint), f"not a checkpoint of `leaf-edge train`: {text}") from None
    return bytes(float_model(from_student(student)).SerializeToString())
