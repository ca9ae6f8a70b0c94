"""A small student and small sets of views, made from drawn scenes: no data is needed."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from leaf_edge.export import Rated
from leaf_edge.export.golden import dusk, landscape, street
from leaf_edge.frames import Frame
from leaf_edge.student.network import Student, StudentConfig
from leaf_edge.views import make_views


def small_student(**config: object) -> Student:
    """Random weights, but the outputs answer to the picture."""
    torch.manual_seed(5)
    sizes: dict[str, object] = {"width": 0.25, "expansion": 2, "head": 64, "joint": 32, **config}
    student = Student(StudentConfig(**sizes)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for module in student.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight, mode="fan_in")
                module.weight *= 1.2
                module.bias.normal_(0, 0.1)
        for linear in (student.joint, student.mos, student.faults, student.spread):
            linear.weight.normal_(0, (2 / linear.weight.shape[1]) ** 0.5)
    return student


def scenes(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Views of crops of the golden scenes with some blur, light and noise: uint8 [count, 2, 3, 224, 224]."""
    rng = np.random.default_rng(seed)
    pictures = (landscape(), street(), dusk())
    views = []
    for i in range(count):
        picture = pictures[i % 3]
        y, x = rng.integers(0, 60), rng.integers(0, 100)
        crop = picture[y : y + 120, x : x + 220].astype(np.float64)
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.1, 3)) * rng.uniform(0.4, 1.3)
        crop += rng.normal(0, rng.uniform(0, 12), crop.shape)
        views.append(make_views(Frame.from_array(np.clip(crop, 0, 255).astype(np.uint8))))
    return np.stack(views)


def rated(student: Student, count: int, seed: int, noise: float = 0.15) -> Rated:
    """Views whose MOS is the student's own opinion and some noise, spread over 1.5..4.5."""
    views = scenes(count, seed)
    with torch.no_grad():
        raw = student(torch.from_numpy(views))[0].numpy().astype(np.float64)
    low, high = reference_range(student)
    mos = 1.5 + 3 * (raw - low) / (high - low)
    mos += np.random.default_rng(seed).normal(0, noise, count)
    return Rated(views, np.clip(mos, 1, 5))


def reference_range(student: Student) -> tuple[float, float]:
    with torch.no_grad():
        raw = student(torch.from_numpy(scenes(24, 9)))[0]
    return float(raw.min()), float(raw.max())
