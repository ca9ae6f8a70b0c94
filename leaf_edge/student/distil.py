"""Distillation: one trained student or several teach another, on pictures that nobody rated too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_edge.student.losses import ORDER_GAIN, fidelity
from leaf_edge.student.network import Prediction, Student


class Taught(NamedTuple):
    """mos float32 [N], raw; faults float32 [N, 8], severities; features [N, joint] of the first teacher."""

    mos: Tensor
    faults: Tensor
    features: Tensor


class Teachers:
    """Mean quality and severities of one trained student or more; they see what the learner sees.

    Raises ValueError without any.
    """

    def __init__(self, students: Sequence[Student]) -> None:
        if not students:
            raise ValueError("expected at least one teacher")
        self.students = [student.channels_last().eval() for student in students]

    @property
    def first(self) -> Student:
        """The one whose channels and features the learner takes over."""
        return self.students[0]

    @torch.no_grad()
    def __call__(self, views: Tensor) -> Taught:
        """What they say of views uint8 [N, 2, 3, 224, 224]."""
        told = [student.to(views.device).predict(views) for student in self.students]
        return Taught(
            torch.stack([p.mos.float() for p in told]).mean(0),
            torch.stack([torch.sigmoid(p.fault_logits.float()) for p in told]).mean(0),
            told[0].features.float(),
        )


def in_order(quality: Tensor, severity: Tensor) -> Tensor:
    """A teacher's quality of chains [C, K], lowered where it does not fall by ORDER_GAIN x severity: that a
    picture with more of a fault is worse is known better than any teacher judges it."""
    lifted = quality + ORDER_GAIN * severity
    return torch.cummin(lifted, dim=1).values - ORDER_GAIN * severity


def losses(prediction: Prediction, taught: Taught) -> Iterator[tuple[str, Tensor]]:
    """Terms of a learner's loss: Huber and fidelity to the quality, cross-entropy to the severities,
    squared error to the features."""
    mos = prediction.mos.float()
    yield "teacher_mos", 10 * F.huber_loss(mos, taught.mos, delta=0.2) + fidelity(mos, taught.mos)
    yield (
        "teacher_faults",
        F.binary_cross_entropy_with_logits(prediction.fault_logits.float(), taught.faults),
    )
    if prediction.features.shape == taught.features.shape:
        yield "teacher_features", F.mse_loss(prediction.features.float(), taught.features)
