"""A small student and small sets of views, made from drawn scenes: no data is needed."""

from __future__ import annotations

import copy

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leaf_edge.export import Rated
from leaf_edge.export.golden import dusk, landscape, street
from leaf_edge.frames import Frame
from leaf_edge.student.network import Conv, Student, StudentConfig
from leaf_edge.views import make_views

Views = NDArray[np.uint8]


def small_student(**config: object) -> Student:
    """Random weights, scaled layer by layer on a few scenes to what a trained network has.

    Most values pass ReLU6 uncut, and raw quality is the main direction of the joint features: without
    both, a random network is chaotic, and INT8 (or another order of float32 sums) changes its outputs
    beyond anything that a test could bound.
    """
    torch.manual_seed(5)
    sizes: dict[str, object] = {"width": 0.25, "expansion": 3, "head": 64, "joint": 32, **config}
    student = Student(StudentConfig(**sizes)).eval()  # type: ignore[arg-type]
    goals: dict[nn.Module, tuple[float, float]] = {  # mean and standard deviation of each channel
        student.joint: (2.0, 1.0),
        student.mos: (0.5, 0.15),
        student.spread: (-3.0, 0.3),
        student.faults: (-1.0, 1.0),
    }
    for module in student.modules():
        if isinstance(module, Conv):
            goals[module.conv] = (0.0, 0.5) if module.linear else (2.0, 1.0)
    hooks = [layer.register_forward_hook(_scaler(*goal)) for layer, goal in goals.items()]
    hooks.append(student.mos.register_forward_pre_hook(_to_main_direction))
    raw_scores(student, scenes(12, seed=9))
    for hook in hooks:
        hook.remove()
    return student


def _scaler(mean: float, deviation: float):  # type: ignore[no-untyped-def]
    """A forward hook that gives each output channel this mean and standard deviation."""

    def scale(layer: nn.Conv2d | nn.Linear, inputs: tuple[Tensor], out: Tensor) -> Tensor:
        dims = (0, 2, 3) if out.ndim == 4 else (0,)
        gain = deviation / out.std(dims).clamp(min=1e-3)
        assert layer.bias is not None
        layer.weight.mul_(gain.reshape(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias.copy_((layer.bias - out.mean(dims)) * gain + mean)
        return layer.forward(inputs[0])

    return scale


def _to_main_direction(layer: nn.Linear, inputs: tuple[Tensor]) -> None:
    centred = inputs[0] - inputs[0].mean(0)
    direction = torch.linalg.svd(centred, full_matrices=False).Vh[0]
    layer.weight[0] = direction * direction.sum().sign()  # a singular vector has no sign of its own


def scenes(count: int, seed: int = 0) -> Views:
    """Views of crops of the golden scenes with some blur, light and noise: uint8 [count, 2, 3, 224, 224]."""
    rng = np.random.default_rng(seed)
    pictures = (landscape(), street(), dusk())
    views = []
    for i in range(count):
        picture = pictures[i % 3]
        y, x = rng.integers(0, 60), rng.integers(0, 100)
        crop = picture[y : y + 120, x : x + 220].astype(np.float32)
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.1, 3)) * rng.uniform(0.4, 1.3)
        crop += rng.normal(0, rng.uniform(0, 12), crop.shape)
        views.append(make_views(Frame.from_array(np.clip(crop, 0, 255).astype(np.uint8))))
    return np.stack(views)


def raw_scores(student: Student, views: Views) -> NDArray[np.float64]:
    """Raw quality [N]; at most 12 frames at once."""
    with torch.no_grad():
        parts = [student(torch.from_numpy(views[i : i + 12]))[0] for i in range(0, len(views), 12)]
    return torch.cat(parts).numpy().astype(np.float64)


def rated(student: Student, count: int, seed: int, noise: float = 0.15) -> Rated:
    """Views whose MOS is the student's own opinion and some noise, spread over 1.5..4.5."""
    views = scenes(count, seed)
    mos = 3 + 5 * (raw_scores(student, views) - 0.5)
    mos += np.random.default_rng(seed).normal(0, noise, count)
    return Rated(views, np.clip(mos, 1, 5))


def tiny_student() -> Student:
    """The smallest student: its export takes a second or two."""
    return small_student(expansion=1, head=32, joint=16)


def rescaled(student: Student, octaves: int, seed: int = 0) -> Student:
    """A copy that computes the same in float, to the bit, whose linear activations have channels of unlike
    ranges.

    Layer by layer, each channel of a residual stream is scaled by a power of two, 1 to 2**`octaves`, in every
    convolution that writes it, and scaled back in every one that reads it.
    """
    rng = np.random.default_rng(seed)
    student = copy.deepcopy(student)
    scale: Tensor | None = None
    with torch.no_grad():
        for block in student.inverted_residuals():
            if scale is not None:
                _read(block.expand if block.expand is not None else block.dw, scale, block.expand is None)
            project = block.project.conv
            if block.residual and scale is None:
                continue  # what it adds comes from the stem, through ReLU6, which no scale passes
            if not block.residual:
                steps = rng.integers(0, octaves + 1, project.out_channels)
                scale = torch.from_numpy(2.0**steps).float()
            assert scale is not None
            project.weight.mul_(scale.reshape(-1, 1, 1, 1))
            assert project.bias is not None
            project.bias.mul_(scale)
        assert scale is not None
        _read(student.head, scale, False)
    return student


def _read(layer: Conv | nn.Module, scale: Tensor, depthwise: bool) -> None:
    assert isinstance(layer, Conv)
    layer.conv.weight.div_(scale.reshape(-1, 1, 1, 1) if depthwise else scale.reshape(1, -1, 1, 1))
