"""Bias correction: INT8's mean error of each channel, taken out without any training.

After Nagel et al., 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction"
(arXiv 1906.04721), section 4.2 and appendix D, with calibration views in place of data-free estimates,
and the mean taken after ReLU6: what the next layer reads is what must be right.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leaf_edge.export.encoding import Plan
from leaf_edge.export.net import RELU6, Layer, Net
from leaf_edge.export.simulate import Walk, activated, images, parameters

_STEPS = 3
_LEAST_ACTIVE = 0.02
_LARGEST_STEP = 0.5


def correct_bias(net: Net, plan: Plan, views: NDArray[np.uint8]) -> Net:
    """A net whose biases give each channel, under `plan`, the mean that it has in float.

    Float and INT8 pass through the layers side by side over `views` [N, 2, 3, 224, 224], some dozens,
    and each layer is corrected before the next one is reached, the float heads included. All frames are
    held at once, about 40 MB for each (width 1.0).
    """
    weights = parameters(net)
    source = images(views)
    exact, rounded = Walk(net, source), Walk(net, source, plan)
    with torch.no_grad():
        for layer in net:
            pair = weights.get(layer.name)
            wanted, got = exact.linear(layer, pair), rounded.linear(layer, pair)
            if pair is not None:
                shift = _shift(layer, wanted, got)
                weights[layer.name] = (pair[0], pair[1] + shift)
                got += _over_channels(shift, got)
            exact.put(layer.name, activated(layer, wanted))
            rounded.put(layer.name, activated(layer, got))
    return net.with_parameters({name: (w.numpy(), b.numpy()) for name, (w, b) in weights.items()})


def _shift(layer: Layer, wanted: Tensor, got: Tensor) -> Tensor:
    """What to add to each channel of `got` so that the means after the activation agree, [C].

    Newton steps: under ReLU6 the mean moves with the share of values strictly between 0 and 6.
    """
    dims = (0, 2, 3) if got.ndim == 4 else (0,)
    if not layer.relu6:
        return wanted.mean(dims) - got.mean(dims)
    target = wanted.clamp(0, RELU6).mean(dims)
    shift = torch.zeros_like(target)
    for _ in range(_STEPS):
        moved = got + _over_channels(shift, got)
        active = ((moved > 0) & (moved < RELU6)).float().mean(dims).clamp(min=_LEAST_ACTIVE)
        step = (target - moved.clamp_(0, RELU6).mean(dims)) / active
        shift += step.clamp(-_LARGEST_STEP, _LARGEST_STEP)
    return shift


def _over_channels(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(1, -1, *[1] * (like.ndim - 2))
