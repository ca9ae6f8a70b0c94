"""Whether the graph with float16 scores as the bundle's Q/DQ graph does, before TensorRT gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from leaf_edge.bundle.load import Bundle
from leaf_edge.contract import INPUT_NAME, OUTPUT_NAMES
from leaf_edge.runtime.tolerance import HALF
from leaf_edge.views import make_views
from leaf_edge.views.native import SHAPE

DRAWN = 12
"""Frames that are drawn beside the golden ones."""
MOS_MEAN, MOS_MAX, FAULT_MAX = 0.05, HALF.mos, HALF.faults
"""Largest mean and single change in MOS, and largest of a severity. A quantised network is never still:
moving every bias by a hundred thousandth of itself moves the MOS of a photograph by 0.01 in the mean and 0.04
at most, since values on the border of two codes fall the other way; see docs/engines.md."""


@dataclass(frozen=True)
class Change:
    """Change in MOS, 1..5, and of the severities, 0..1, over `frames` frames."""

    what: str
    mos_mean: float
    mos_max: float
    fault_max: float
    frames: int

    @property
    def within(self) -> bool:
        """Whether it is within `MOS_MEAN`, `MOS_MAX` and `FAULT_MAX`."""
        return self.mos_mean <= MOS_MEAN and self.mos_max <= MOS_MAX and self.fault_max <= FAULT_MAX

    def line(self) -> str:
        """For people: figures and limits."""
        return (
            f"{self.what} moves MOS by {self.mos_mean:.3f} in the mean (limit {MOS_MEAN:g}) "
            f"and {self.mos_max:.3f} at most (limit {MOS_MAX:g}), severities by {self.fault_max:.3f} at most "
            f"(limit {FAULT_MAX:g}), on {self.frames} frames"
        )


def half_change(bundle: Bundle, full: onnx.ModelProto, half: onnx.ModelProto) -> Change:
    """Both graphs on ONNX Runtime's CPU, on the golden frames and on drawn ones."""
    views = trial_views(bundle)
    before, after = (run_exactly(model, views) for model in (full, half))
    return change("float16 between INT8 layers", bundle, before, after)


Outputs = Mapping[str, NDArray[np.float32]]
"""Raw outputs by name, `mos` [N] and `faults` [N, 8] among them."""


def change(what: str, bundle: Bundle, before: Outputs, after: Outputs) -> Change:
    """By what `what` says; raw quality in MOS by the curve of the bundle's `trt` encoding."""
    curve = bundle.encoding("trt").curve
    pairs = zip(before["mos"], after["mos"], strict=True)
    moved = np.abs([curve(float(a)) - curve(float(b)) for a, b in pairs])
    faults = np.abs(after["faults"] - before["faults"])
    return Change(what, float(moved.mean()), float(moved.max()), float(faults.max()), len(moved))


def trial_views(bundle: Bundle) -> NDArray[np.uint8]:
    """Views [N, 2, 3, 224, 224] of the golden frames, then of drawn patches of many sizes and contrasts."""
    golden = [make_views(frame.frame(bundle.contents[frame.file])) for frame in bundle.manifest.golden]
    rng = np.random.default_rng(0)
    drawn = []
    for i in range(DRAWN):
        cells = SHAPE[-1] // 2 ** (1 + i % 5)  # patches of 2 to 32 pixels
        contrast = 40 + 215 * rng.random()
        low = rng.normal(128, contrast / 3, (*SHAPE[:2], cells, cells))
        side = SHAPE[-1] // cells
        drawn.append(np.clip(low, 0, 255).astype(np.uint8).repeat(side, 2).repeat(side, 3))
    return np.ascontiguousarray(np.stack([*golden, *drawn]))


def run_exactly(model: onnx.ModelProto, views: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Outputs by name, each operator as ONNX defines it.

    ONNX Runtime's graph optimisations stay off: 1.32 takes a Q/DQ graph with float16 scales apart wrongly
    (raw quality moved by 1.3 on a golden frame; without them by 0.02). float16 is computed in float32 on
    most CPUs and rounded between the operators.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    parts = [session.run(OUTPUT_NAMES, {INPUT_NAME: views[i : i + 4]}) for i in range(0, len(views), 4)]
    return {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(OUTPUT_NAMES)}
