"""Repairs of INT8 error that need no training: equalised channels, and corrected biases.

Both after Nagel et al., 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction"
(arXiv 1906.04721), sections 4.1 and 4.2, with observed activations in place of data-free estimates.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from leaf_edge.export.encoding import Plan
from leaf_edge.export.net import Array, Net
from leaf_edge.export.observe import Observation
from leaf_edge.export.simulate import Walk, activated, images, parameters

_LARGEST = 32.0


def equalize(net: Net, seen: Observation, strength: float) -> Net:
    """A net of the same function whose residual stream has channels of more even ranges.

    One scale serves all channels of a tensor, so a channel that uses a tenth of the range has a tenth
    of the codes. From the projections through the additions to the next expansions the stream is
    linear: channels scaled up where they are written and down where they are read give the same
    outputs. Writing costs nothing, as each output channel has its own weight scale; reading makes
    the weights of a row less even, and `strength` in 0..1 trades the two. A stream that a ReLU6 writes
    to stays as it is: scaled, it would be clipped elsewhere.
    """
    weights = {x.name: x.parameters for x in net if x.kind == "conv"}
    for group in _streams(net):
        if any(net[name].relu6 for name in group):
            continue
        peak = np.max([seen.channel_peak[name] for name in group if net[name].kind == "conv"], axis=0)
        live = np.maximum(peak, 1e-3 * peak.max() + 1e-12)
        factor = np.clip(np.exp(np.log(live).mean()) / live, 1 / _LARGEST, _LARGEST) ** strength
        _scale(net, weights, group, factor.astype(np.float32))
    return net.with_parameters(weights)


def _streams(net: Net) -> list[set[str]]:
    """Sets of tensors that must share their channels' scale: linear projections, joined by additions."""
    groups: list[set[str]] = []
    for layer in net:
        if layer.kind == "conv" and not layer.relu6:
            groups.append({layer.name})
        elif layer.kind == "add":
            members = {layer.name, *layer.inputs}
            for group in [g for g in groups if g & members]:
                members |= group
                groups.remove(group)
            groups.append(members)
    return groups


def _scale(net: Net, weights: dict[str, tuple[Array, Array]], tensors: set[str], factor: Array) -> None:
    """Multiplies the channels of `tensors` by `factor`, and divides where convolutions read them."""
    for name in tensors:
        if net[name].kind == "conv":
            w, b = weights[name]
            weights[name] = (w * factor.reshape(-1, 1, 1, 1), b * factor)
        for reader in net.consumers(name):
            if reader.kind == "conv":
                w, b = weights[reader.name]
                weights[reader.name] = (w / factor.reshape(1, -1, 1, 1), b)


def correct_bias(net: Net, plan: Plan, views: NDArray[np.uint8]) -> Net:
    """A net whose biases take out the mean error that INT8 brings to each channel.

    Float and INT8 pass through the layers side by side over `views` [N, 2, 3, 224, 224], each layer
    being corrected before the next one is reached (section 4.2's empirical form). All frames are held
    at once: about 20 MB for each.
    """
    weights = parameters(net)
    source = images(views)
    exact, rounded = Walk(net, source), Walk(net, source, plan)
    with torch.no_grad():
        for layer in net:
            pair = weights.get(layer.name)
            wanted = exact.linear(layer, pair)
            got = rounded.linear(layer, pair)
            if pair is not None and plan.in_int8(layer):
                error = (got - wanted).mean(dim=(0, 2, 3) if got.ndim == 4 else 0)
                weights[layer.name] = (pair[0], pair[1] - error)
                got -= error.reshape(1, -1, *[1] * (got.ndim - 2))
            exact.put(layer.name, activated(layer, wanted))
            rounded.put(layer.name, activated(layer, got))
    return net.with_parameters({name: (w.numpy(), b.numpy()) for name, (w, b) in weights.items()})
