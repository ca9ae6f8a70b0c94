"""Writing the Q/DQ graphs of both encodings from one observation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from leaf_edge.contract import INPUT_NAME
from leaf_edge.export.encoding import (
    Encoding,
    Plan,
    Quantizer,
    make_plan,
    quantize_bias,
    quantize_weight,
    weight_scales,
)
from leaf_edge.export.graph import VIEW_SHAPE, GraphWriter, conv_attributes
from leaf_edge.export.net import RELU6, SOURCE, Layer, Net
from leaf_edge.export.observe import RULES, Observation, Rule
from leaf_edge.export.repair import correct_bias
from leaf_edge.export.to_onnx import float_model, joined, normalized_input, run_model

CORRECTION_FRAMES = 32
COMPARISON_FRAMES = 64


def quantized_model(net: Net, plan: Plan) -> onnx.ModelProto:
    """The Q/DQ graph of `net` under `plan`. Its metadata says how it is quantised."""
    return _Writer(net, plan).write()


class _Writer:
    """`tensor` holds, for each tensor of the net, its name in the graph: after its DQ, if it has one."""

    def __init__(self, net: Net, plan: Plan) -> None:
        self.net, self.plan, self.g = net, plan, GraphWriter()
        self.tensor: dict[str, str] = {}

    def write(self) -> onnx.ModelProto:
        self._source()
        for layer in self.net:
            if layer.kind != "head":
                self._layer(layer)
        metadata = {
            "quantisation": self.plan.encoding.quantisation,
            "keep_float": ",".join(sorted(self.plan.keep_float)),
        }
        return self.g.finish(self.net, self.tensor["joint"], metadata)

    def _source(self) -> None:
        g, quantizer = self.g, self.plan.tensors.get(SOURCE)
        if quantizer is not None and quantizer.dtype is np.uint8:
            # the bytes are the codes: no pass over the input at all
            x = g.node("Reshape", [INPUT_NAME, g.shape("shape.images", -1, *VIEW_SHAPE[1:])], "views.images")
            self.tensor[SOURCE] = g.node("DequantizeLinear", [x, *self._scale(SOURCE, quantizer)], SOURCE)
            return
        self._store(SOURCE, normalized_input(g))

    def _layer(self, layer: Layer) -> None:
        g = self.g
        inputs = [self.tensor[name] for name in layer.inputs]
        if layer.kind == "add":
            self._store(layer.name, g.node("Add", inputs, f"{layer.name}.float"))
        elif layer.kind == "pool":
            self._pool(layer, g.node("GlobalAveragePool", inputs, f"{layer.name}.float"))
        else:
            weight, bias = self._weights(layer)
            if layer.kind == "conv":
                out = g.node(
                    "Conv", [*inputs, weight, bias], f"{layer.name}.linear", **conv_attributes(layer)
                )
            else:
                out = g.node("Gemm", [*inputs, weight, bias], f"{layer.name}.linear", transB=1)
            self._store(layer.name, self._relu6(layer, out) if layer.relu6 else out)

    def _relu6(self, layer: Layer, linear: str) -> str:
        """ReLU6 less what the codes' own limits do."""
        g, quantizer = self.g, self.plan.tensors.get(layer.name)
        lo, hi = quantizer.covers if quantizer else (-np.inf, np.inf)
        six = RELU6 * (1 + 1e-6)  # a scale is rounded to float32
        if lo >= 0 and hi <= six:
            return linear
        if hi <= six:
            return g.node("Relu", [linear], f"{layer.name}.float")
        return g.node("Clip", [linear, g.scalar("zero", 0), g.scalar("six", RELU6)], f"{layer.name}.float")

    def _pool(self, layer: Layer, pooled: str) -> None:
        """Pooled features, joined: by codes where the engine reshapes codes, else before rounding."""
        (reader,) = self.net.consumers(layer.name)
        features = reader.parameters[0].shape[1]
        quantizer = self.plan.tensors.get(layer.name)
        if quantizer is None:
            self.tensor[layer.name] = joined(self.g, pooled, features)
        elif self.plan.encoding.symmetric:
            self._store(layer.name, joined(self.g, pooled, features))
        else:
            scale = self._scale(layer.name, quantizer)
            codes = self.g.node("QuantizeLinear", [pooled, *scale], f"{layer.name}.codes")
            codes = joined(self.g, codes, features)
            self.tensor[layer.name] = self.g.node("DequantizeLinear", [codes, *scale], layer.name)

    def _store(self, name: str, value: str) -> None:
        """Keeps `value` as the tensor `name`, through a Q and a DQ where the plan says so."""
        quantizer = self.plan.tensors.get(name)
        if quantizer is not None:
            scale = self._scale(name, quantizer)
            codes = self.g.node("QuantizeLinear", [value, *scale], f"{name}.codes")
            value = self.g.node("DequantizeLinear", [codes, *scale], f"{name}.rounded")
        self.tensor[name] = value

    def _scale(self, name: str, quantizer: Quantizer) -> list[str]:
        zero = np.array(quantizer.zero_point, quantizer.dtype)
        return [
            self.g.constant(f"{name}.scale", quantizer.scale),
            self.g.constant(f"{name}.zero_point", zero),
        ]

    def _weights(self, layer: Layer) -> list[str]:
        """Names of weight and bias: constants, or codes through a DQ for each output channel."""
        g, name = self.g, layer.name
        weight, bias = layer.parameters
        if not self.plan.in_int8(layer):
            return [g.constant(f"{name}.weight", weight), g.constant(f"{name}.bias", bias)]
        input_scale = self.plan.tensors[layer.inputs[0]].scale
        scales = weight_scales(weight, bias, float(input_scale))
        w = self._dequantized(f"{name}.weight", quantize_weight(weight, scales), scales)
        if not self.plan.encoding.integer_bias:
            return [w, g.constant(f"{name}.bias", bias)]
        codes = quantize_bias(bias, scales, input_scale)
        return [w, self._dequantized(f"{name}.bias", codes, scales * input_scale)]

    def _dequantized(
        self, name: str, codes: NDArray[np.int8] | NDArray[np.int32], scales: NDArray[np.float32]
    ) -> str:
        inputs = [
            self.g.constant(f"{name}.codes", codes),
            self.g.constant(f"{name}.scale", scales),
            self.g.constant(f"{name}.zero_point", np.zeros(len(scales), codes.dtype)),
        ]
        return self.g.node("DequantizeLinear", inputs, name, axis=0)


@dataclass(frozen=True)
class Quantized:
    """One encoding of a student.

    net: the layers as quantised, biases corrected. rule: of the ranges. error: by rule, the mean
    absolute change of raw quality on calibration views that biases were not corrected on, an affine
    map being free, as the curve takes it up.
    """

    net: Net
    plan: Plan
    model: onnx.ModelProto
    rule: Rule
    error: Mapping[str, float]


def quantize(
    net: Net,
    encoding: Encoding,
    seen: Observation,
    views: NDArray[np.uint8],
    *,
    rules: Sequence[Rule] = RULES,
    keep_float: Sequence[str] = (),
    reference: Net | None = None,
) -> Quantized:
    """The encoding of `net` by the rule for ranges that changes the scores least.

    seen: of the one calibration run, the same for all encodings. views: calibration views, uint8
    [N, 2, 3, 224, 224], 2 or more: biases are corrected on at most half of them (`CORRECTION_FRAMES`),
    and the rules are compared on others, on the engine of the runtime. reference: the float network that
    scores are compared with, where `net` was fine-tuned from it; biases then stay as the fine-tuning left
    them, as it has seen the rounding that a correction would take out.
    """
    if len(views) < 2 or not rules:
        raise ValueError(f"expected 2 calibration views and one of {RULES}; found {len(views)}, {rules}")
    half = min(CORRECTION_FRAMES, len(views) // 2)
    unseen = views[half : half + COMPARISON_FRAMES]
    wanted = run_model(float_model(reference or net), unseen)["mos"]
    tried = []
    for rule in rules:
        plan = make_plan(net, encoding, seen.ranges(rule, encoding), keep_float)
        corrected = correct_bias(net, plan, views[:half]) if reference is None else net
        model = quantized_model(corrected, plan)
        error = score_change(wanted, run_model(model, unseen)["mos"])
        tried.append(Quantized(corrected, plan, model, rule, {rule: error}))
    best = min(tried, key=lambda q: q.error[q.rule])
    return replace(best, error={q.rule: q.error[q.rule] for q in tried})


def score_change(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    """Mean absolute change of raw quality that no affine map of `got` takes out."""
    if np.ptp(got) < 1e-9:
        return float(np.abs(wanted - wanted.mean()).mean())
    slope, offset = np.polyfit(got.astype(np.float64), wanted.astype(np.float64), 1)
    return float(np.abs(slope * got + offset - wanted).mean())
