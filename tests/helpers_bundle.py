"""A small but real bundle for tests: an ONNX student whose scores follow from its arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from leaf_edge.bundle import (
    Bundle,
    Curve,
    Encoding,
    GoldenFrame,
    GoldenScore,
    Interval,
    Licence,
    Manifest,
    Training,
    write_bundle,
)
from leaf_edge.contract import FAULTS
from leaf_edge.frames import ColorMatrix, ColorRange, PixelFormat

CURVE = Curve((0.0, 0.5, 1.0), (1.0, 3.0, 5.0))
INTERVAL = Interval(coverage=0.9, quantile=1.5, floor=0.1)
SPREAD = 0.05
THRESHOLD = 0.3


def tiny_model(
    *, bias: float = 0.0, width: int = len(FAULTS), name: str = "views", scale: float = 1.0
) -> bytes:
    """A student: raw quality is the mean of both views over 255 plus `bias`, the spread is constant.

    Fault `under_exposure` is one minus the mean of G, `over_exposure` that mean; the others are 0.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((2, 2 + width), np.float32)
    offsets = np.zeros(2 + width, np.float32)
    weights[:, 0] = 0.5 * scale
    offsets[0], offsets[1] = bias, SPREAD
    if width == len(FAULTS):
        under, over = 2 + FAULTS.index("under_exposure"), 2 + FAULTS.index("over_exposure")
        weights[0, under], offsets[under], weights[0, over] = -1.0, 1.0, 1.0
    constants: dict[str, Any] = {
        "unit": np.float32(255.0),
        "weights": weights,
        "offsets": offsets,
        "one": np.array([1], np.int64),
        "parts": np.array([1, 1, width], np.int64),
    }
    nodes = [
        helper.make_node("Cast", [name], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[2, 3, 4], keepdims=0),
        helper.make_node("Div", ["means", "unit"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "offsets"], ["heads"]),
        helper.make_node("Split", ["heads", "parts"], ["mos2", "spread2", "faults"], axis=1),
        helper.make_node("Squeeze", ["mos2", "one"], ["mos"]),
        helper.make_node("Squeeze", ["spread2", "one"], ["spread"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", 2, 3, 224, 224])],
        [
            helper.make_tensor_value_info("mos", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("spread", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("faults", TensorProto.FLOAT, ["N", width]),
        ],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def grey_score(level: int) -> GoldenScore:
    """What the tiny student gives for a frame whose every RGB sample is `level`."""
    mean = level / 255
    faults = [0.0] * len(FAULTS)
    faults[FAULTS.index("under_exposure")], faults[FAULTS.index("over_exposure")] = 1 - mean, mean
    return GoldenScore(mos=CURVE(mean), raw=mean, faults=tuple(faults))


def tiny_manifest(**changes: Any) -> Manifest:
    """The manifest that `tiny_contents` belongs to."""
    encoding = Encoding("model.cpu.onnx", "u8s8", CURVE, INTERVAL)
    golden = (
        GoldenFrame(
            "golden/0.rgb.raw", PixelFormat.RGB, 32, 24, ColorRange.FULL, None,
            {"cpu": grey_score(128), "trt": grey_score(128)},
        ),
        GoldenFrame(
            "golden/1.nv12.raw", PixelFormat.NV12, 33, 21, ColorRange.FULL, ColorMatrix.BT709,
            {"cpu": grey_score(64), "trt": grey_score(64)},
        ),
    )  # fmt: skip
    fields: dict[str, Any] = {
        "name": "tiny",
        "version": "1.0.0",
        "encodings": {
            "cpu": encoding,
            "trt": Encoding("model.trt.onnx", "s8s8", CURVE, INTERVAL),
        },
        "golden": golden,
        "reason_threshold": THRESHOLD,
        "training": Training(data=("made up",), commit="", figures={"srcc": 0.0}),
        "licences": (Licence("network", "Apache-2.0"),),
    }
    return Manifest(**{**fields, **changes})


def tiny_contents() -> dict[str, bytes | Path]:
    """Files of the tiny bundle."""
    luma, chroma = bytes([64]) * (33 * 21), bytes([128]) * (17 * 2 * 11)
    return {
        "model.cpu.onnx": tiny_model(),
        "model.trt.onnx": tiny_model(),
        "golden/0.rgb.raw": bytes([128]) * (32 * 24 * 3),
        "golden/1.nv12.raw": luma + chroma,
        "card.md": b"# tiny\n",
    }


def write_tiny(folder: Path) -> Bundle:
    """Write the tiny bundle as `folder`."""
    return write_bundle(folder, tiny_manifest(), tiny_contents())
