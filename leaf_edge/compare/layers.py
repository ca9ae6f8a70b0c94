"""Layer by layer through two ONNX graphs of one student: how far apart they are after each.

Every layer's output is made an output of its graph. What a graph keeps as codes is given as codes and
dequantised here, so that ONNX Runtime finds the same patterns to fuse and runs the same kernels as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import INPUT_NAME, OUTPUT_NAMES
from leaf_edge.extras import require
from leaf_edge.runtime.engine import OnnxEngine

THRESHOLD = 0.3
"""Two healthy INT8 encodings stay below this after every layer: leaf-s below 0.17, leaf-m below 0.22."""

_STEPS = (".linear", ".float", ".codes", ".rounded", ".joined", ".softplus", ".raised")
"""What the export appends to a layer's name for the steps inside of it (export/quantize.py, graph.py)."""


@dataclass(frozen=True)
class Layer:
    """difference: RMS of the difference over RMS of the first graph's values, 0 where both are 0.
    gain: factor by which the first graph's values come nearest to the second's, 1 where they agree.
    rms: of the first graph's values.
    """

    name: str
    difference: float
    gain: float
    rms: float


@dataclass(frozen=True)
class LayerReport:
    """layers: in the order of execution. threshold: of `difference`. first: the first layer above it, None
    where none is. only_a, only_b: layers of one graph without their like in the other. frames: that were run.
    disturbed: the largest change of an output by looking inside; 0 where the kernels were the same as ever.
    """

    layers: tuple[Layer, ...]
    threshold: float
    first: str | None
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    frames: int
    disturbed: float


class _Exposed:
    """A graph that gives every layer's output.

    names: layer -> (tensor, scale, zero point), the last two None for float tensors.
    """

    def __init__(self, model: bytes) -> None:
        onnx = require("onnx", "train")
        import onnxruntime

        from leaf_edge.runtime.engine import _options

        graph = onnx.load_from_string(model)
        self._plain = OnnxEngine(model)
        self.names = _layers_of(graph)
        there = {output.name for output in graph.graph.output}
        for tensor in dict.fromkeys(tensor for tensor, _, _ in self.names.values()):
            if tensor not in there:
                graph.graph.output.append(onnx.ValueInfoProto(name=tensor))
        self._session: Any = onnxruntime.InferenceSession(
            graph.SerializeToString(), _options(1), providers=["CPUExecutionProvider"]
        )
        self.disturbed = 0.0

    def run(self, views: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """Values of every layer, flat, for views [1, 2, 3, 224, 224]."""
        wanted = [tensor for tensor, _, _ in self.names.values()]
        tensors = list(dict.fromkeys([*wanted, *OUTPUT_NAMES]))
        values = dict(zip(tensors, self._session.run(tensors, {INPUT_NAME: views}), strict=True))
        for name, plain in zip(OUTPUT_NAMES, self._plain(views), strict=True):
            self.disturbed = max(self.disturbed, float(np.abs(values[name] - plain).max()))
        found = {}
        for layer, (tensor, scale, zero) in self.names.items():
            value = values[tensor].astype(np.float64)
            found[layer] = (value if scale is None else (value - zero.item()) * scale.item()).ravel()
        return found


def _layers_of(model: Any) -> dict[str, tuple[str, Any, Any]]:
    """Layers in order, each with the last tensor that holds its output, as codes where there are codes."""
    from onnx import numpy_helper

    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    fixed = set(constants)
    layers: dict[str, tuple[str, Any, Any]] = {}
    for node in model.graph.node:
        if all(name in fixed for name in node.input):
            fixed.update(node.output)  # weights and biases that are dequantised
            continue
        for output in node.output:
            name = _layer_name(output)
            if name == INPUT_NAME or name.startswith(f"{INPUT_NAME}."):
                continue  # the bytes on their way to `input`
            if node.op_type == "DequantizeLinear" and all(x in constants for x in node.input[1:3]):
                scale, zero = (constants[x] for x in node.input[1:3])
                # a scale for each channel is for weights: such an activation is taken as it comes out
                layers[name] = (node.input[0], scale, zero) if scale.size == 1 else (output, None, None)
            elif node.op_type != "QuantizeLinear":
                layers[name] = (output, None, None)
    return layers


def _layer_name(tensor: str) -> str:
    for step in _STEPS:
        if tensor.endswith(step):
            return tensor.removesuffix(step)
    return tensor


def compare_layers(
    a: bytes, b: bytes, views: NDArray[np.uint8], *, threshold: float = THRESHOLD
) -> LayerReport:
    """Run both graphs on `views`, uint8 [N, 2, 3, 224, 224], one frame at a time; sums over all frames.

    a, b: ONNX files. Raises `MissingExtraError` without the package onnx, `BundleError` MODEL where a graph
    is not a student.
    """
    graphs = (_Exposed(a), _Exposed(b))
    sums: dict[str, NDArray[np.float64]] = {}  # of a a, a b, (a - b)^2, and how many
    for frame in views:
        values = [graph.run(frame[np.newaxis]) for graph in graphs]
        for name, x in values[0].items():
            y = values[1].get(name)
            if y is not None and y.size == x.size:
                part = np.array([x @ x, x @ y, (x - y) @ (x - y), x.size])
                sums[name] = sums.get(name, np.zeros(4)) + part
    layers = tuple(_layer(name, part) for name, part in sums.items())
    return LayerReport(
        layers,
        threshold,
        next((layer.name for layer in layers if not layer.difference <= threshold), None),
        _unmatched(graphs[0].names, sums),
        _unmatched(graphs[1].names, sums),
        len(views),
        max(graph.disturbed for graph in graphs),
    )


def _layer(name: str, sums: NDArray[np.float64]) -> Layer:
    squares, product, difference, count = map(float, sums)
    if squares == 0.0:
        return Layer(name, float("inf") if difference else 0.0, 1.0, 0.0)
    return Layer(name, (difference / squares) ** 0.5, product / squares, (squares / count) ** 0.5)


def _unmatched(names: dict[str, Any], matched: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in matched)
