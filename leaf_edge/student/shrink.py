"""A small student out of a large one: fewer hidden channels, refitted to what the large one computes.

Block by block, on pictures: the hidden channels that together explain the block's output best are
kept, and the projection behind them, which is linear, is solved anew by least squares from what the
small network really sees, so that errors of earlier blocks are made good too (channel pruning with
reconstruction; He, Zhang and Sun, ICCV 2017, arXiv 1707.06168).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leaf_edge.student.network import Block, Student, bias_of

_PICTURES = 96  # for the blocks; the layer behind the pooling, with far more weights, takes all
_PIXELS = 64  # of each picture and block
_RIDGE = 1e-4  # of the mean variance of a channel
_RIDGE_JOINT = 3e-2


def shrink_from(small: Student, large: Student, views: NDArray[np.uint8]) -> None:
    """Sets the weights of `small` (same width as `large`, expansion or head at most its).

    views: uint8 [N, 2, 3, 224, 224], what both should agree on; hundreds of pictures for good
    weights. Equal sizes copy the network exactly. Raises ValueError for sizes that cannot be cut.
    """
    if small.config.backbone != large.config.backbone:
        raise ValueError(
            f"{small.config.backbone} cannot be cut from {large.config.backbone}: name a teacher with the "
            "student's backbone first"
        )
    if small.config.width != large.config.width or small.config.expansion > large.config.expansion:
        raise ValueError(
            f"width {small.config.width}, expansion {small.config.expansion} cannot be cut from the larger "
            f"student's {large.config.width}, {large.config.expansion}"
        )
    if small.config.head > large.config.head:
        raise ValueError(f"head {small.config.head} exceeds the larger student's {large.config.head}")
    small.eval(), large.eval()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        small.stem.load_state_dict(large.stem.state_dict())
        images = torch.from_numpy(views[:_PICTURES]).flatten(0, 1)
        seen = wanted = large.stem((images.float() - 128.0) / 127.5)
        for a, b in zip(small.inverted_residuals(), large.inverted_residuals(), strict=True):
            hidden = _hidden(b, wanted)
            output = b.project(hidden) + (wanted if b.residual else 0)
            _fit_block(a, b, seen, hidden, output, rng)
            seen, wanted = a(seen), output
        _fit_head(small, large, views)


def most_telling(features: NDArray[np.float64], targets: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Indices, rising, of `count` columns of `features` [M, n] that explain `targets` [M, o] best.

    Forward selection: each step takes the column that, with all before it projected out, lowers the
    squared error of all targets most.
    """
    features, targets = features - features.mean(0), targets - targets.mean(0)
    gram, cross = features.T @ features, features.T @ targets
    # a column that the chosen ones explain already has no length of its own left
    floor = 1e-6 * max(float(gram.diagonal().max()), 1e-30)
    chosen: list[int] = []
    free = np.ones(len(gram), bool)
    for _ in range(count):
        own = gram.diagonal()
        gain = np.where(free & (own > floor), (cross**2).sum(1) / np.maximum(own, floor), -1.0)
        best = int(gain.argmax()) if gain.max() > 0 else int(np.flatnonzero(free)[0])
        chosen.append(best)
        free[best] = False
        if own[best] > floor:
            share = gram[best] / own[best]
            cross = cross - np.outer(share, cross[best])
            gram = gram - np.outer(share, gram[best])
    return np.sort(np.array(chosen, np.intp))


def _hidden(block: Block, x: Tensor) -> Tensor:
    y: Tensor = block.dw(x if block.expand is None else block.expand(x))
    return y


def _fit_block(
    a: Block, b: Block, seen: Tensor, hidden: Tensor, output: Tensor, rng: np.random.Generator
) -> None:
    count = a.dw.conv.weight.shape[0]
    if count == hidden.shape[1]:
        a.load_state_dict(b.state_dict())
        return
    if a.expand is None or b.expand is None:
        raise ValueError(
            f"a block of {count} hidden channels has no expansion to choose them by; expected an expansion "
            "that gives more hidden channels than the block's input"
        )
    size = hidden.shape[2] * hidden.shape[3]
    pixels = torch.from_numpy(rng.permutation(size)[:_PIXELS])
    keep = torch.from_numpy(
        most_telling(_samples(hidden, pixels), _samples(b.project(hidden), pixels), count)
    )
    _copy(a.expand.conv, b.expand.conv.weight[keep], bias_of(b.expand)[keep])
    _copy(a.dw.conv, b.dw.conv.weight[keep], bias_of(b.dw)[keep])
    target = _samples(output - seen if a.residual else output, pixels)
    start = b.project.conv.weight[:, keep, 0, 0].double().numpy().T
    weight, bias = _ridge(_samples(_hidden(a, seen), pixels), target, start, _RIDGE)
    _copy(a.project.conv, torch.from_numpy(weight.T)[:, :, None, None], torch.from_numpy(bias))


def _fit_head(small: Student, large: Student, views: NDArray[np.uint8]) -> None:
    before = _pooled(large, views)
    joint = large.joint.weight.reshape(large.config.joint, 2, -1).double().numpy()
    wanted = np.einsum("nvc,jvc->nj", before, joint) + bias_of_linear(large.joint)
    if small.config.head == large.config.head:
        keep = np.arange(large.config.head)
    else:
        # of one channel's two views, what matters is what both together bring to the joint layer
        brought = np.sqrt((joint**2).sum(0) * before.var(0)).sum(0)
        keep = np.sort(np.argsort(-brought, kind="stable")[: small.config.head])
    _copy(small.head.conv, large.head.conv.weight[keep], bias_of(large.head)[keep])
    if small.config.joint != large.config.joint:
        return
    start = joint[:, :, keep].reshape(large.config.joint, -1).T
    weight, bias = start, bias_of_linear(large.joint)
    if small.config != large.config:
        weight, bias = _ridge(_pooled(small, views).reshape(len(views), -1), wanted, start, _RIDGE_JOINT)
    _copy(small.joint, torch.from_numpy(weight.T), torch.from_numpy(bias))
    for name in ("mos", "spread", "faults"):
        getattr(small, name).load_state_dict(getattr(large, name).state_dict())


def bias_of_linear(layer: nn.Linear) -> NDArray[np.float64]:
    """The bias of a linear layer, float64."""
    return np.asarray(layer.bias.detach().double().numpy(), np.float64)


def _pooled(student: Student, views: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pooled features of both views, [N, 2, head]."""
    parts = [
        student.backbone(torch.from_numpy(views[i : i + 16]).flatten(0, 1)) for i in range(0, len(views), 16)
    ]
    pooled = torch.cat(parts).double().numpy()
    return np.asarray(pooled.reshape(len(views), 2, -1), np.float64)


def _samples(x: Tensor, pixels: Tensor) -> NDArray[np.float64]:
    """Channels at some pixels of each picture, [M, channels]."""
    flat = x.flatten(2)[:, :, pixels]
    return np.asarray(flat.permute(0, 2, 1).reshape(-1, x.shape[1]).double().numpy(), np.float64)


def _ridge(
    x: NDArray[np.float64], y: NDArray[np.float64], start: NDArray[np.float64], strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights [n, o] and biases [o] of least squared error of x @ weights + biases - y, pulled towards
    `start` where x does not tell."""
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    gram = x.T @ x
    pull = strength * max(float(np.trace(gram)) / len(gram), 1e-12)
    change = np.linalg.solve(gram + pull * np.eye(len(gram)), x.T @ (y - x @ start))
    weight = start + change
    return weight, mean_y - mean_x @ weight


def _copy(layer: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    if layer.bias is None or bias is None:
        raise ValueError("expected layers with a bias")
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
