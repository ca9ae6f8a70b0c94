"""The engine that an encoding is accepted on: the one that will run it, where this machine has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from leaf_edge.export.to_onnx import run_model

Run = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]
"""Views uint8 [N, 2, 3, 224, 224] to raw outputs by name (contract.OUTPUT_NAMES)."""


@dataclass(frozen=True)
class AcceptanceEngine:
    """name: for the table and the manifest, with its version. run: the Q/DQ graph on it."""

    name: str
    run: Run


Opener = Callable[[onnx.ModelProto], AcceptanceEngine | None]
"""Opens a Q/DQ graph on an engine; None where this machine does not have that engine."""

_OPENERS: dict[str, list[Opener]] = {}


def plug_in(encoding: str, opener: Opener) -> Callable[[], None]:
    """From now on `encoding` is accepted on what `opener` gives, where it gives one, before all others.
    Returns what takes it out again."""
    openers = _OPENERS.setdefault(encoding, [])
    openers.insert(0, opener)
    return lambda: openers.remove(opener)


def acceptance_engine(
    encoding: str, model: onnx.ModelProto, default: Opener | None = None
) -> AcceptanceEngine:
    """The engine for `encoding`: the first that was plugged in and is there, then `default`
    (`accept.trt_opener`), else ONNX Runtime's CPU."""
    openers = list(_OPENERS.get(encoding, ())) + ([default] if default else [])
    for opener in openers:
        engine = opener(model)
        if engine is not None:
            return engine
    return AcceptanceEngine(
        f"ONNX Runtime {onnxruntime.__version__} CPU", lambda views: run_model(model, views)
    )
