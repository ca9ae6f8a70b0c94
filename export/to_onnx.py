"""The float32 ONNX graph of a student: uint8 views in, normalisation inside, no Pad nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from leaf_edge.contract import INPUT_NAME, OUTPUT_NAMES
from leaf_edge.export.graph import VIEW_SHAPE, GraphWriter, conv_attributes, save_model
from leaf_edge.export.net import RELU6, SOURCE_OFFSET, SOURCE_SCALE, Net, from_student
from leaf_edge.runtime.engine import OnnxEngine
from leaf_edge.student.network import Student

TOLERANCE = 2e-4
"""Largest accepted difference of any output between torch and ONNX Runtime: float32 sums in another order."""


class ExportError(ValueError):
    """A graph that does not compute what the student does."""


def to_onnx(student: Student, path: str | Path) -> Net:
    """Writes the float32 graph to `path` and verifies it; returns the layers that it was written from.

    Input `views` uint8 [N, 2, 3, 224, 224], N free; outputs as in contract.OUTPUT_NAMES.
    Raises `ExportError` where ONNX Runtime's outputs differ from the student's by over `TOLERANCE`.
    """
    path = Path(path)
    net = from_student(student)
    model = float_model(net)
    verify(student, model)
    save_model(model, path)
    return net


def float_model(net: Net) -> onnx.ModelProto:
    """The float32 graph of `net`."""
    g = GraphWriter()
    tensor = {"input": normalized_input(g)}
    for layer in net:
        if layer.kind == "head":
            continue  # GraphWriter.finish adds the heads
        inputs = [tensor[name] for name in layer.inputs]
        if layer.kind == "add":
            out = g.node("Add", inputs, layer.name)
        elif layer.kind == "pool":
            out = g.node("GlobalAveragePool", inputs, layer.name)
        else:
            weight, bias = layer.parameters
            inputs += [g.constant(f"{layer.name}.weight", weight), g.constant(f"{layer.name}.bias", bias)]
            linear = f"{layer.name}.linear" if layer.relu6 else layer.name
            if layer.kind == "conv":
                out = g.node("Conv", inputs, linear, **conv_attributes(layer))
            else:
                inputs[0] = joined(g, inputs[0], weight.shape[1])
                out = g.node("Gemm", inputs, linear, transB=1)
            if layer.relu6:
                out = g.node("Clip", [out, g.scalar("zero", 0), g.scalar("six", RELU6)], layer.name)
        tensor[layer.name] = out
    return g.finish(net, tensor["joint"], {"quantisation": "none"})


def normalized_input(g: GraphWriter) -> str:
    """Views as float images [2 N, 3, 224, 224].

    The Cast stands first because TensorRT takes uint8 only as a network input that is cast at once.
    """
    x = g.node("Cast", [INPUT_NAME], "views.float", to=onnx.TensorProto.FLOAT)
    x = g.node("Reshape", [x, g.shape("shape.images", -1, *VIEW_SHAPE[1:])], "views.images")
    x = g.node("Sub", [x, g.scalar("views.offset", SOURCE_OFFSET)], "views.centred")
    return g.node("Div", [x, g.scalar("views.range", SOURCE_SCALE)], "input")


def joined(g: GraphWriter, pooled: str, features: int) -> str:
    """Pooled features [2 N, C, 1, 1] to [N, 2 C], the views of a frame side by side."""
    return g.node("Reshape", [pooled, g.shape("shape.joined", -1, features)], "pool.joined")


def verify(student: Student, model: onnx.ModelProto) -> float:
    """Largest difference between the student and `model` over all outputs, on one batch of three.

    Raises `ExportError` above `TOLERANCE`.
    """
    rng = np.random.default_rng(0)
    low = rng.integers(0, 256, (3, *VIEW_SHAPE[:2], 8, 8), np.uint8)
    views = np.ascontiguousarray(low.repeat(28, 3).repeat(28, 4))  # patches, so that features respond
    got = run_model(model, views)
    with torch.no_grad():
        wanted = student.eval()(torch.from_numpy(views))
    worst = 0.0
    for name, w in zip(OUTPUT_NAMES, wanted, strict=True):
        g = got[name]
        if g.shape != tuple(w.shape):
            raise ExportError(f"output {name} has shape {g.shape}, the student gives {tuple(w.shape)}")
        worst = max(worst, float(np.abs(g - w.numpy()).max()))
    if not worst <= TOLERANCE:
        raise ExportError(
            f"the ONNX graph differs from the student by {worst:.2g} (at most {TOLERANCE:g}): "
            "export/net.py no longer describes student/network.py"
        )
    return worst


def run_model(
    model: onnx.ModelProto, views: NDArray[np.uint8], batch: int = 8
) -> dict[str, NDArray[np.float32]]:
    """Outputs by name for views [N, 2, 3, 224, 224], on the engine of the runtime, a batch at a time."""
    engine = OnnxEngine(model.SerializeToString())
    parts = [engine(np.ascontiguousarray(views[i : i + batch])) for i in range(0, len(views), batch)]
    return {name: np.concatenate([getattr(p, name) for p in parts]) for name in OUTPUT_NAMES}
