"""Training on n rated photographs without any teacher: what a budget's other methods are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leaf_edge.calibration.finetune import outputs
from leaf_edge.evaluation.metrics import Agreement, agreement
from leaf_edge.student import losses
from leaf_edge.student.group import Group
from leaf_edge.student.joint_pictures import FeaturePictures
from leaf_edge.student.network import Prediction, Student
from leaf_edge.student.run import Part

_BATCH = 32


class RatingsAlone:
    """Objective: n rated photographs and synthetic chains, on features; the last fifth only measures."""

    extra = None

    def __init__(
        self,
        features: FeaturePictures,
        chosen: NDArray[np.intp],
        unit: NDArray[np.float32],
        plain: NDArray[Any],
    ) -> None:
        order = np.random.default_rng(len(chosen)).permutation(chosen)
        self.held_out, self.used = np.split(order, [max(3, len(order) // 5)])
        self.features, self.unit, self.plain = features, unit, plain
        # as many steps as distillation takes over all photographs: few ratings are not trained for less
        self.steps_per_epoch = max(1, len(unit) // _BATCH)

    def stream(self, begin: int, end: int, group: Group) -> Iterator[Any]:
        for step in range(begin, end):
            rng = np.random.default_rng([3, step])
            index = rng.choice(self.used, min(_BATCH, len(self.used)), replace=False)
            views = [self.features.views(int(i), rng) for i in index]
            chains = [self.features.chain(2 * step + k, rng) for k in range(2)]
            views += [v for chain in chains for v in chain.views]
            yield index, np.stack(views), chains

    def part(self, batch: Any, group: Group) -> Part:
        return Part(batch[1], len(batch[1]))

    def terms(
        self, batch: Any, part: Tensor, prediction: Prediction, group: Group
    ) -> Iterator[tuple[str, Tensor]]:
        index, _, chains = batch
        n = len(index)
        target = torch.from_numpy(self.unit[index])
        yield "rated", losses.rated(prediction.mos[:n], prediction.spread[:n], target)
        severity = np.stack([chain.severity for chain in chains])
        faults = np.concatenate([chain.faults for chain in chains])
        yield from losses.chains(prediction.mos[n:], prediction.fault_logits[n:], severity, faults)

    def validate(self, student: Student) -> Agreement:
        raw = outputs(student, self.plain[self.held_out].astype(np.float32))[0]
        return agreement(raw, self.unit[self.held_out])
