"""Writing ONNX graphs: pinned versions, named nodes, and the parts that every graph of a student has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from leaf_edge.contract import FAULTS, INPUT_NAME, OUTPUT_NAMES
from leaf_edge.export.net import Layer, Net
from leaf_edge.views import SIZE

OPSET = 17
"""Read by ONNX Runtime since 1.12 and by every TensorRT 10 and 11."""
IR_VERSION = 8
"""The ONNX file format that came with opset 17."""
VIEW_SHAPE = (2, 3, SIZE, SIZE)
PRODUCER = "leaf-edge"


class GraphWriter:
    """Collects nodes and constants; `save` checks the graph and writes it in one step."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Adds an operator named like its output; returns that name."""
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any] | np.float32) -> str:
        """Adds an initializer once; a second value under the same name is an error."""
        tensor = numpy_helper.from_array(np.asarray(value), name)
        if name in self._constants and self._constants[name] != tensor:
            raise ValueError(f"two different constants are named {name}")
        self._constants[name] = tensor
        return name

    def scalar(self, name: str, value: float) -> str:
        return self.constant(name, np.float32(value))

    def shape(self, name: str, *dims: int) -> str:
        return self.constant(name, np.array(dims, np.int64))

    def finish(self, net: Net, joint: str, metadata: dict[str, str]) -> onnx.ModelProto:
        """Adds the heads, which read the float tensor `joint`, and closes the graph (contract 2).

        Raises onnx.checker.ValidationError for a graph that is not valid ONNX.
        """
        for layer in net:
            if layer.kind == "head":
                self._head(layer, joint, net.spread_floor)
        count = "N"
        views = helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [count, *VIEW_SHAPE])
        shapes: dict[str, list[str | int]] = {
            "mos": [count],
            "spread": [count],
            "faults": [count, len(FAULTS)],
        }
        graph = helper.make_graph(
            self._nodes,
            "student",
            [views],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, shapes[n]) for n in OUTPUT_NAMES],
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=PRODUCER,
        )
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _head(self, layer: Layer, source: str, spread_floor: float) -> None:
        weight, bias = layer.parameters
        name = layer.name
        linear = self.node(
            "Gemm",
            [source, self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)],
            f"{name}.linear",
            transB=1,
        )
        if name == "faults":
            self.node("Sigmoid", [linear], name)
            return
        flat = self.shape("shape.flat", -1)
        if name == "mos":
            self.node("Reshape", [linear, flat], name)
            return
        soft = self.node("Softplus", [linear], "spread.softplus")
        soft = self.node("Add", [soft, self.scalar("spread.floor", spread_floor)], "spread.raised")
        self.node("Reshape", [soft, flat], name)


def conv_attributes(layer: Layer) -> dict[str, Any]:
    """Attributes of the Conv node of `layer`."""
    weight, _ = layer.parameters
    return {
        "kernel_shape": list(weight.shape[2:]),
        "strides": [layer.stride, layer.stride],
        "pads": list(layer.pads),
        "group": layer.groups,
    }


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Writes the whole file or nothing."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(model.SerializeToString())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
