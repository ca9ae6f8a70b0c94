"""Initial weights: ImageNet's for a full-size student, a larger student's channels for a small one."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from leaf_edge.student.network import Student, bias_of


def load_imagenet(student: Student, path: Path) -> None:
    """Copies backbone weights (names `stem.conv`, `blocks.N.{expand,dw,project}.conv`, `head.conv`).

    The student must have width 1.0, expansion 6 and head 1280. Raises ValueError naming what differs.
    """
    weights = {k: v for k, v in load_file(path).items() if not k.startswith("classifier")}
    state = student.state_dict()
    for name, value in weights.items():
        if name not in state:
            raise ValueError(f"{path}: {name} has no place in the student; expected a MobileNetV2")
        if state[name].shape != value.shape:
            raise ValueError(
                f"{path}: {name} is {list(value.shape)}, the student's is {list(state[name].shape)}; "
                "these weights fit width 1.0, expansion 6, head 1280"
            )
    missing = [n for n in state if n.split(".")[0] in ("stem", "blocks", "head") and n not in weights]
    if missing:
        raise ValueError(f"{path}: no weights for {missing[0]} and {len(missing) - 1} more")
    student.load_state_dict(weights, strict=False)


def shrink_from(small: Student, large: Student) -> None:
    """Copies the most used hidden channels of `large` into `small` (same width, smaller expansion).

    The residual stream is kept whole, hidden channels are independent of each other in every
    block, and a channel's use is taken as the product of its norms in and out (as in magnitude
    pruning, Li et al., 2017, arXiv 1608.08710). Raises ValueError where the widths differ.
    """
    if small.config.width != large.config.width:
        raise ValueError(f"width {small.config.width} differs from the larger student's {large.config.width}")
    with torch.no_grad():
        small.stem.load_state_dict(large.stem.state_dict())
        for a, b in zip(small.inverted_residuals(), large.inverted_residuals(), strict=True):
            hidden = a.dw.conv.weight.shape[0]
            out_norm = b.project.conv.weight.flatten(2).norm(dim=(0, 2))
            in_norm = b.dw.conv.weight.flatten(1).norm(dim=1)
            if b.expand is not None:
                in_norm = in_norm * b.expand.conv.weight.flatten(1).norm(dim=1)
            keep = torch.topk(out_norm * in_norm, hidden).indices.sort().values
            if a.expand is not None and b.expand is not None:
                _copy(a.expand.conv, b.expand.conv.weight[keep], bias_of(b.expand)[keep])
            _copy(a.dw.conv, b.dw.conv.weight[keep], bias_of(b.dw)[keep])
            _copy(a.project.conv, b.project.conv.weight[:, keep], b.project.conv.bias)
        head = small.config.head
        use = large.joint.weight.reshape(large.config.joint, 2, -1).norm(dim=(0, 1))
        use = use * large.head.conv.weight.flatten(1).norm(dim=1)
        keep = torch.topk(use, head).indices.sort().values
        _copy(small.head.conv, large.head.conv.weight[keep], bias_of(large.head)[keep])
        if small.config.joint == large.config.joint:
            joint = large.joint.weight.reshape(large.config.joint, 2, -1)[:, :, keep]
            _copy(small.joint, joint.reshape(large.config.joint, -1), large.joint.bias)
            for name in ("mos", "spread", "faults"):
                getattr(small, name).load_state_dict(getattr(large, name).state_dict())


def _copy(layer: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    if layer.bias is None or bias is None:
        raise ValueError("expected layers with a bias")
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
