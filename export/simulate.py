"""The layers of a student in torch, in float or with simulated INT8, one layer at a time.

Rounding is torch's fake quantisation, which computes what Q and DQ nodes compute and passes gradients
straight through, so that the same code observes, repairs and fine-tunes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leaf_edge.contract import OUTPUT_NAMES
from leaf_edge.export.encoding import WEIGHT_MAX, Plan, Quantizer, weight_scales
from leaf_edge.export.net import RELU6, SOURCE, SOURCE_OFFSET, SOURCE_SCALE, Layer, Net

Parameters = Mapping[str, tuple[Tensor, Tensor]]
"""(weight, bias) by layer name."""
Probe = Callable[[Layer, Tensor, Tensor], None]
"""Called for each layer with its linear result (before ReLU6) and its output (before rounding)."""


def images(views: NDArray[np.uint8]) -> Tensor:
    """Views [N, 2, 3, 224, 224] to normalised images [2 N, 3, 224, 224], as the graph does."""
    x = torch.from_numpy(np.ascontiguousarray(views)).flatten(0, 1).float()
    x = (x - SOURCE_OFFSET) / SOURCE_SCALE
    return x.contiguous(memory_format=torch.channels_last)


def parameters(net: Net) -> dict[str, tuple[Tensor, Tensor]]:
    """The weights and biases of `net` as tensors."""
    return {
        layer.name: (torch.from_numpy(layer.parameters[0]), torch.from_numpy(layer.parameters[1]))
        for layer in net
        if layer.weight is not None
    }


def round_tensor(x: Tensor, quantizer: Quantizer | None) -> Tensor:
    """`x` as its codes stand for it; unchanged without a quantizer."""
    if quantizer is None:
        return x
    first, last = quantizer.limits
    return torch.fake_quantize_per_tensor_affine(x, float(quantizer.scale), quantizer.zero_point, first, last)


def round_weight(weight: Tensor, bias: Tensor, input_scale: float) -> Tensor:
    """`weight` as its S8 codes stand for it, one scale for each output channel."""
    scales = torch.from_numpy(weight_scales(weight.detach().numpy(), bias.detach().numpy(), input_scale))
    zero = torch.zeros(len(scales), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scales, zero, 0, -WEIGHT_MAX, WEIGHT_MAX)


def linear_result(layer: Layer, inputs: list[Tensor], weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """The layer's result before ReLU6."""
    x = inputs[0]
    if layer.kind == "add":
        return x + inputs[1]
    if layer.kind == "pool":
        return F.adaptive_avg_pool2d(x, 1)
    if weight is None or bias is None:
        raise ValueError(f"layer {layer.name} needs weights")
    if layer.kind == "conv":
        top, left, bottom, right = layer.pads
        if top == bottom and left == right:
            return F.conv2d(x, weight, bias, layer.stride, (top, left), groups=layer.groups)
        return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, layer.stride, groups=layer.groups)
    return F.linear(x.reshape(-1, weight.shape[1]), weight, bias)


def activated(layer: Layer, linear: Tensor) -> Tensor:
    """ReLU6 where the layer has it."""
    return linear.clamp(0, RELU6) if layer.relu6 else linear


class Walk:
    """One pass over the layers for one batch. Tensors are dropped after their last reader."""

    def __init__(self, net: Net, source: Tensor, plan: Plan | None = None) -> None:
        self._net, self._plan = net, plan
        self._left = {name: len(net.consumers(name)) for name in (SOURCE, *(x.name for x in net))}
        self._values: dict[str, Tensor] = {}
        self.put(SOURCE, source)

    def put(self, name: str, value: Tensor) -> None:
        """Stores the output of a layer, rounded where the plan says so."""
        self._values[name] = round_tensor(value, self._plan.tensors.get(name) if self._plan else None)

    def linear(self, layer: Layer, weights: tuple[Tensor, Tensor] | None) -> Tensor:
        """The layer's result before ReLU6, from the stored inputs, with the plan's rounding of weights."""
        inputs = [self._values[name] for name in layer.inputs]
        for name in layer.inputs:
            self._left[name] -= 1
            if not self._left[name]:
                del self._values[name]
        weight, bias = weights or (None, None)
        if weight is not None and bias is not None and self._plan and self._plan.in_int8(layer):
            weight = round_weight(weight, bias, float(self._plan.tensors[layer.inputs[0]].scale))
        return linear_result(layer, inputs, weight, bias)

    def take(self, name: str) -> Tensor:
        """An output that no layer reads."""
        return self._values[name]


def run(
    net: Net,
    source: Tensor,
    plan: Plan | None = None,
    weights: Parameters | None = None,
    probe: Probe | None = None,
) -> dict[str, Tensor]:
    """Outputs (contract.OUTPUT_NAMES) for normalised images `source`; rounded as `plan` says, if given.

    weights: instead of those of `net`.
    """
    weights = weights or parameters(net)
    walk = Walk(net, source, plan)
    for layer in net:
        linear = walk.linear(layer, weights.get(layer.name))
        out = activated(layer, linear)
        if probe:
            probe(layer, linear, out)
        walk.put(layer.name, out)
    mos, spread, faults = (walk.take(name) for name in OUTPUT_NAMES)
    return {
        "mos": mos.reshape(-1),
        "spread": F.softplus(spread).reshape(-1) + net.spread_floor,
        "faults": torch.sigmoid(faults),
    }


def run_views(
    net: Net, views: NDArray[np.uint8], plan: Plan | None = None, batch: int = 8, probe: Probe | None = None
) -> dict[str, NDArray[np.float32]]:
    """As `run`, for views [N, 2, 3, 224, 224], a batch at a time, without gradients."""
    weights = parameters(net)
    parts = []
    with torch.no_grad():
        for i in range(0, len(views), batch):
            parts.append(run(net, images(views[i : i + batch]), plan, weights, probe))
    return {name: torch.cat([p[name] for p in parts]).numpy() for name in OUTPUT_NAMES}


def joint_features(net: Net, views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of both views joined, which the heads read, in float: [N, joint] for views
    [N, 2, 3, 224, 224]."""
    parts: list[NDArray[np.float32]] = []

    def probe(layer: Layer, linear: Tensor, out: Tensor) -> None:
        if layer.kind == "joint":
            parts.append(out.numpy().copy())

    run_views(net, views, probe=probe)
    return np.concatenate(parts)
