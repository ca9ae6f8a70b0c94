"""The Q/DQ graph for TensorRT with float16 where it had float32 between its INT8 layers.

In a strongly typed network the graph alone says what computes in which type, so the types are written into
it. INT8 layers stay INT8; what joins them (residual sums, ReLU, pooling, layers that were kept in float)
becomes float16; everything after the last quantised tensor, the heads with it, stays float32: there are the
scores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HALF_OPSET = 19
"""The first opset whose QuantizeLinear and DequantizeLinear take float16. TensorRT 10.3 parses it."""
HALF_IR_VERSION = 9
"""The ONNX file format that came with opset 19."""
SMALLEST_SCALE = float(np.finfo(np.float16).tiny)
"""Smallest scale that float16 holds with all its 11 bits, 6.1e-5."""

_KNOWN = frozenset(
    (
        *("Cast", "Reshape", "Sub", "Div", "Add", "Relu", "Clip", "Conv", "Gemm", "GlobalAveragePool"),
        *("QuantizeLinear", "DequantizeLinear", "Sigmoid", "Softplus"),
    )
)
"""Operators of an exported student; all mean the same in opset 17 and 19, Q and DQ aside."""


class HalfError(ValueError):
    """The graph cannot be written with float16; the text says why."""


def half_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, a symmetric Q/DQ graph of `leaf-edge export`, with float16 between its INT8 layers.

    Inputs and outputs keep their types. A scale becomes its nearest float16 (at most 0.05 % off); scales
    below `SMALLEST_SCALE` are raised to it, and weights get the codes that fit the new scale, so that no
    weight moves by more than half of it. `model` is not changed.
    Raises `HalfError` for an operator that a student does not have, a zero point that is not 0, or a
    constant that float16 cannot hold.
    """
    graph = model.graph
    unknown = sorted({node.op_type for node in graph.node} - _KNOWN)
    if unknown:
        raise HalfError(f"expected the operators of an exported student; found {', '.join(unknown)}")
    half = _before_a_quantizer(graph.node)
    if not half:
        raise HalfError("the graph has no QuantizeLinear: expected the Q/DQ graph for TensorRT")
    return _Halver(model, half).write()


def _before_a_quantizer(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Outputs of the nodes from which some QuantizeLinear is reached; ONNX lists nodes in order."""
    needed: set[str] = set()
    for node in reversed(list(nodes)):
        if node.op_type == "QuantizeLinear" or needed.intersection(node.output):
            needed.update(node.input)
            needed.update(node.output)
    return {node.output[0] for node in nodes if node.output[0] in needed}


class _Halver:
    def __init__(self, model: onnx.ModelProto, half: set[str]) -> None:
        self.model, self.half = model, half
        self.old: dict[str, NDArray[Any]] = {
            t.name: numpy_helper.to_array(t) for t in model.graph.initializer
        }
        self.new: dict[str, NDArray[Any]] = {}

    def write(self) -> onnx.ModelProto:
        nodes = [self._node(node) for node in self.model.graph.node]
        graph = helper.make_graph(
            nodes,
            self.model.graph.name,
            list(self.model.graph.input),
            list(self.model.graph.output),
            [numpy_helper.from_array(value, name) for name, value in self.new.items()],
        )
        result = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", HALF_OPSET)],
            ir_version=HALF_IR_VERSION,
            producer_name=self.model.producer_name,
        )
        known = {prop.key: prop.value for prop in self.model.metadata_props}
        helper.set_model_props(result, {**known, "float": "float16"})
        onnx.checker.check_model(result, full_check=True)
        return result

    def _node(self, node: onnx.NodeProto) -> onnx.NodeProto:
        node, half = onnx.NodeProto.FromString(node.SerializeToString()), node.output[0] in self.half
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            # Q before its DQ, both by one float16 number: what a code means does not depend on who reads it
            self._scaled(node, np.float16 if half else np.float32)
            return node
        if node.op_type == "Cast" and half:
            (to,) = (attribute for attribute in node.attribute if attribute.name == "to")
            if to.i == TensorProto.FLOAT:
                to.i = TensorProto.FLOAT16
        for i, name in enumerate(node.input):
            value = self.old.get(name)
            if value is None:
                continue
            convert = half and value.dtype == np.float32
            node.input[i] = (
                self._constant(f"{name}.half", _to_half(name, value))
                if convert
                else self._constant(name, value)
            )
        return node

    def _scaled(self, node: onnx.NodeProto, dtype: type[np.float16] | type[np.float32]) -> None:
        """Scale, zero point and, for weights, codes of one Q or DQ."""
        data, scale, zero = node.input
        if np.any(self.old[zero]):
            raise HalfError(f"{node.name}: expected zero point 0, as TensorRT takes it; found another")
        wanted = self.old[scale]
        rounded = np.maximum(wanted, SMALLEST_SCALE).astype(np.float16)
        suffix = "half" if dtype is np.float16 else "rounded"
        node.input[1] = self._constant(f"{scale}.{suffix}", rounded.astype(dtype))
        node.input[2] = self._constant(zero, self.old[zero])
        if data in self.old:
            node.input[0] = self._constant(data, _recoded(self.old[data], wanted, rounded))

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self.new.setdefault(name, value)
        return name


def _recoded(codes: NDArray[Any], old: NDArray[np.float32], new: NDArray[np.float16]) -> NDArray[Any]:
    """Codes [out, ...] of the same weights by other scales [out]."""
    ratio = old.astype(np.float64) / new.astype(np.float64)
    shaped = ratio.reshape(-1, *[1] * (codes.ndim - 1))
    limit = np.iinfo(codes.dtype)
    recoded: NDArray[Any] = np.clip(np.rint(codes * shaped), -limit.max, limit.max).astype(codes.dtype)
    return recoded


def _to_half(name: str, value: NDArray[np.float32]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        result = value.astype(np.float16)
    if not np.isfinite(result).all():
        raise HalfError(f"{name} holds {np.abs(value).max():g}, which float16 (up to 65504) cannot")
    return result
