"""Layer by layer through two ONNX graphs of one student: how far apart they are after each.

Every layer's output is made an output of its graph. What a graph keeps as codes is given as codes and
dequantised here, so that ONNX Runtime finds the same patterns to fuse and runs the same kernels as ever.
A second time the second graph runs cut into its layers, each fed with what the first graph gives there: so
shows what a layer does by itself, where the differences of all before it have piled up in the other figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import INPUT_NAME, OUTPUT_NAMES
from leaf_edge.extras import require
from leaf_edge.runtime.engine import OnnxEngine

THRESHOLD = 0.1
"""Of a layer by itself. The shipped models, float against either encoding or one against the other, stay
below 0.06."""
PILED_UP = 0.5
"""Of all layers up to one; the shipped models stay below 0.3."""

_STEPS = (".linear", ".float", ".codes", ".rounded", ".joined", ".softplus", ".raised")
"""What the export appends to a layer's name for the steps inside of it (export/quantize.py, graph.py)."""
_CUT = "::in"
Tensors = dict[str, tuple[str, Any, Any]]
"""By layer: the tensor that holds its output, and scale and zero point where that is codes."""


@dataclass(frozen=True)
class Layer:
    """own: RMS of the difference over RMS of the first graph's values, the layer's inputs being the same.
    difference: that of the graphs as they run, from the views on. gain: factor by which the first graph's
    values come nearest to the second's, inputs being the same; 1 where they agree. rms: of the first graph's
    values.
    """

    name: str
    own: float
    difference: float
    gain: float
    rms: float


@dataclass(frozen=True)
class LayerReport:
    """layers: in the order of execution. threshold: of `own`; that of `difference` is `PILED_UP`. first: the
    first layer above either, None where none is. only_a, only_b: layers of one graph without their like in
    the other. frames: that were run. disturbed: the largest change of an output by looking inside; 0 where
    ONNX Runtime ran the same kernels as ever.
    """

    layers: tuple[Layer, ...]
    threshold: float
    first: str | None
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    frames: int
    disturbed: float

    def parts(self, layer: Layer) -> bool:
        """Whether the graphs part at `layer`. A number that is none does."""
        return not (layer.own <= self.threshold and layer.difference <= PILED_UP)


class _Exposed:
    """A graph that gives every layer's output.

    cut: layers whose outputs are read from extra inputs, LAYER + `_CUT`, instead of from the layer.
    """

    def __init__(self, model: bytes, cut: frozenset[str] = frozenset()) -> None:
        onnx = require("onnx", "train")
        import onnxruntime

        from leaf_edge.runtime.engine import _options

        graph = onnx.load_from_string(model)
        self.tensors = _layers_of(graph)
        if cut:
            _cut(graph, cut)
        there = {output.name for output in graph.graph.output}
        for tensor in dict.fromkeys(tensor for tensor, _, _ in self.tensors.values()):
            if tensor not in there:
                graph.graph.output.append(onnx.ValueInfoProto(name=tensor))
        self._session: Any = onnxruntime.InferenceSession(
            graph.SerializeToString(), _options(1), providers=["CPUExecutionProvider"]
        )
        inputs = {node.name for node in self._session.get_inputs()}
        self._feeds = {name for name in cut if name + _CUT in inputs}

    def run(
        self, views: NDArray[np.uint8], feeds: dict[str, NDArray[np.float64]] | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Values of every layer for views [1, 2, 3, 224, 224]; feeds: what is read at each cut."""
        names = list(dict.fromkeys([*(tensor for tensor, _, _ in self.tensors.values()), *OUTPUT_NAMES]))
        fed = {name + _CUT: (feeds or {})[name].astype(np.float32) for name in self._feeds}
        values = dict(zip(names, self._session.run(names, {INPUT_NAME: views, **fed}), strict=True))
        found = {}
        for layer, (tensor, scale, zero) in self.tensors.items():
            value = values[tensor].astype(np.float64)
            found[layer] = value if scale is None else (value - zero.item()) * scale.item()
        return found


def _layers_of(model: Any) -> Tensors:
    """Layers in order, each with the last tensor that holds its output, as codes where there are codes."""
    from onnx import numpy_helper

    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    layers: Tensors = {}
    for node in _active(model):
        for output in node.output:
            name = _layer_name(output)
            if name is None:
                continue
            if node.op_type == "DequantizeLinear" and all(x in constants for x in node.input[1:3]):
                scale, zero = (constants[x] for x in node.input[1:3])
                # a scale for each channel is for weights: such an activation is taken as it comes out
                layers[name] = (node.input[0], scale, zero) if scale.size == 1 else (output, None, None)
            elif node.op_type != "QuantizeLinear":
                layers[name] = (output, None, None)
    return layers


def _active(model: Any) -> list[Any]:
    """Nodes that do not just dequantise weights and biases."""
    fixed = {item.name for item in model.graph.initializer}
    active = []
    for node in model.graph.node:
        if all(name in fixed for name in node.input):
            fixed.update(node.output)
        else:
            active.append(node)
    return active


def _cut(model: Any, layers: frozenset[str]) -> None:
    """Lets every layer of `model` read from new float inputs what it read from one of `layers`."""
    from onnx import TensorProto, helper

    active = _active(model)
    made = {output for node in active for output in node.output}
    read: dict[str, None] = {}
    for node in active:
        for number, tensor in enumerate(node.input):
            source = _layer_name(tensor)
            if tensor in made and source in layers and source != _layer_name(node.output[0]):
                node.input[number] = f"{source}{_CUT}"
                read[node.input[number]] = None
    for name in read:
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def _layer_name(tensor: str) -> str | None:
    """The layer that a tensor belongs to; None for the bytes on their way to the tensor `input`."""
    if tensor == INPUT_NAME or tensor.startswith(f"{INPUT_NAME}."):
        return None
    return next((tensor.removesuffix(step) for step in _STEPS if tensor.endswith(step)), tensor)


def compare_layers(
    a: bytes, b: bytes, views: NDArray[np.uint8], *, threshold: float = THRESHOLD
) -> LayerReport:
    """Run both graphs on `views`, uint8 [N, 2, 3, 224, 224], one frame at a time; sums over all frames.

    a, b: ONNX files. Raises `MissingExtraError` without the package onnx, `BundleError` MODEL where a graph
    is not a student.
    """
    plain = (OnnxEngine(a), OnnxEngine(b))
    first, second = _Exposed(a), _Exposed(b)
    matched = frozenset(first.tensors) & frozenset(second.tensors)
    alone = _Exposed(b, matched)
    sums = {name: np.zeros(5) for name in first.tensors if name in matched}
    disturbed = 0.0
    for frame in views:
        batch = frame[np.newaxis]
        x, y = first.run(batch), second.run(batch)
        for engine, values in zip(plain, (x, y), strict=True):
            for name, output in zip(OUTPUT_NAMES, engine(batch), strict=True):
                disturbed = max(disturbed, float(np.abs(values[name] - output).max()))
        z = alone.run(batch, {name: x[name].reshape(y[name].shape) for name in sums})
        for name in sums:
            sums[name] += _sums(x[name].ravel(), y[name].ravel(), z[name].ravel())
    layers = tuple(_layer(name, part) for name, part in sums.items())
    report = LayerReport(
        layers,
        threshold,
        None,
        tuple(name for name in first.tensors if name not in matched),
        tuple(name for name in second.tensors if name not in matched),
        len(views),
        disturbed,
    )
    return replace(report, first=next((layer.name for layer in layers if report.parts(layer)), None))


def _sums(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> NDArray[np.float64]:
    return np.array([x @ x, (x - y) @ (x - y), (x - z) @ (x - z), x @ z, x.size])


def _layer(name: str, sums: NDArray[np.float64]) -> Layer:
    squares, piled, own, product, count = map(float, sums)
    if squares == 0.0:
        own, piled = (float("inf") if value else 0.0 for value in (own, piled))
        return Layer(name, own, piled, 1.0, 0.0)
    return Layer(
        name, (own / squares) ** 0.5, (piled / squares) ** 0.5, product / squares, (squares / count) ** 0.5
    )
