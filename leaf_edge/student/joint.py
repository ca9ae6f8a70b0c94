"""Joint distillation: a student of a teacher's point and pair labels, and of synthetic chains.

A batch is a function of (seed, step), and each picture in it of its place there too, so that a run can be
gone on with, and so that several processes each decode only their part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leaf_edge.datasets.synthetic import CHAIN
from leaf_edge.evaluation.metrics import Agreement, agreement
from leaf_edge.recipes import RecipeError
from leaf_edge.student import joint_losses, losses
from leaf_edge.student.data import ChainViews
from leaf_edge.student.distil import Teachers, in_order
from leaf_edge.student.group import Group
from leaf_edge.student.joint_losses import Alignment, FeatureMatch
from leaf_edge.student.joint_recipe import BatchSizes, Terms
from leaf_edge.student.network import Prediction, Student
from leaf_edge.student.run import Part
from leaf_edge.student.teacher_labels import TeacherLabels

Array = NDArray[Any]
_WORKERS = 2
_LEAST_POINTS = 10
"""Held-out point labels that a rank correlation takes; with fewer, pairs measure."""


class Pictures(Protocol):
    """What a student sees of the labelled pictures: views uint8 [2, 3, 224, 224], or pooled features float32
    [2, head] that were computed before."""

    def views(self, index: int, rng: np.random.Generator) -> Array:
        """Of picture `index`, under label-preserving changes."""
        ...

    def chain(self, number: int, rng: np.random.Generator) -> ChainViews:
        """A clean picture with a growing fault; the fault goes round with `number`."""
        ...


@dataclass(frozen=True)
class JointBatch:
    """index: int64 [P], labelled pictures in the batch. pairs: int64 [Q, 2], places among them; pair: int64
    [Q], which pair of the labels each is. views: of this process's part. count: of all, chains included.
    severity: float32 [C, CHAIN]. chain_faults: float32 [C * CHAIN, 8]."""

    index: NDArray[np.int64]
    pairs: NDArray[np.int64]
    pair: NDArray[np.int64]
    views: Array
    count: int
    severity: NDArray[np.float32]
    chain_faults: NDArray[np.float32]


class JointBatches:
    """Batches of the labels' pictures, pairs and chains."""

    def __init__(self, labels: TeacherLabels, pictures: Pictures, sizes: BatchSizes, seed: int) -> None:
        self.labels, self.pictures, self.sizes, self.seed = labels, pictures, sizes, seed
        self.pointed = np.flatnonzero(labels.pointed | np.isfinite(labels.faults[:, 0]))
        self.points = sizes.pictures if len(self.pointed) else 0
        self.pairs = sizes.pairs if len(labels.pairs) else 0
        if not self.points + self.pairs:
            raise RecipeError("no label of the kinds that the batch asks for (pictures, pairs)")
        by_points = len(self.pointed) // self.points if self.points else 0
        by_pairs = len(labels.pairs) // self.pairs if self.pairs and not self.points else 0
        self.steps_per_epoch = max(1, by_points, by_pairs)

    def _drawn(self, step: int, count: int, of: int, stream: int) -> NDArray[np.int64]:
        """`count` positions below `of` for a step: passes over all of them, each in an order of its own."""
        if not count:
            return np.zeros(0, np.int64)
        at = step * count + np.arange(count)
        passes, place = np.divmod(at, of)
        out = np.empty(count, np.int64)
        for number in np.unique(passes):
            order = np.random.default_rng([self.seed, stream, int(number)]).permutation(of)
            out[passes == number] = order[place[passes == number]]
        return out

    def at(self, step: int, group: Group) -> JointBatch:
        """The batch of a step, counted from 0 over all epochs, with the views of the group's part."""
        labels = self.labels
        points = self.pointed[self._drawn(step, self.points, len(self.pointed), 0)]
        chosen = self._drawn(step, self.pairs, len(labels.pairs), 1)
        # a picture that is drawn twice is seen once
        index = np.array(list(dict.fromkeys([*points, *labels.pairs[chosen].ravel()])), np.int64)
        place = {int(i): k for k, i in enumerate(index)}
        pairs = np.array([[place[int(a)], place[int(b)]] for a, b in labels.pairs[chosen]], np.int64)
        count = len(index) + self.sizes.chains * CHAIN
        mine = group.part(count)
        views: list[Array] = []
        for k in range(*mine.indices(len(index))):
            views.append(self.pictures.views(int(index[k]), np.random.default_rng([self.seed, step, k])))
        severity = np.zeros((self.sizes.chains, CHAIN), np.float32)
        faults: list[NDArray[np.float32]] = []
        for c in range(self.sizes.chains):
            # every process makes every chain's labels; drawing them needs the picture, so chains are few
            number = step * self.sizes.chains + c
            chain = self.pictures.chain(number, np.random.default_rng([self.seed, step, 1 << 20, c]))
            severity[c] = chain.severity
            faults.append(chain.faults)
            first = len(index) + c * CHAIN
            views += [v for k, v in enumerate(chain.views) if mine.start <= first + k < mine.stop]
        return JointBatch(
            index,
            pairs.reshape(-1, 2),
            chosen,
            np.stack(views),
            count,
            severity,
            np.concatenate(faults) if faults else np.zeros((0, labels.faults.shape[1]), np.float32),
        )

    def stream(self, begin: int, end: int, group: Group, ahead: bool = True) -> Iterator[JointBatch]:
        """Batches of steps [begin, end); `ahead`: made in threads before they are needed."""
        if not ahead:
            yield from (self.at(step, group) for step in range(begin, end))
            return
        with ThreadPoolExecutor(_WORKERS) as pool:
            waiting: deque[Future[JointBatch]] = deque()
            try:
                for step in range(begin, end):
                    waiting.append(pool.submit(self.at, step, group))
                    if len(waiting) > 2 * _WORKERS:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


class Extras(nn.Module):
    """Projections that are trained with a student and not kept."""

    def __init__(self, align: Alignment | None, match: FeatureMatch | None) -> None:
        super().__init__()
        self.align, self.match = align, match


class JointObjective:
    """Objective of a run: the terms of a recipe over `JointBatches`.

    held_out: labels that only measure; predict: their quality by a student, in their order.
    larger: whose features are matched; board: trained students that teach too.
    """

    def __init__(
        self,
        batches: JointBatches,
        terms: Terms,
        held_out: TeacherLabels,
        predict: Callable[[Student], NDArray[np.float32]],
        extra: Extras | None = None,
        larger: Student | None = None,
        board: Teachers | None = None,
        ahead: bool = True,
    ) -> None:
        self.batches, self.weights, self.held_out, self.predict = batches, terms, held_out, predict
        self.extra, self.larger, self.board, self._ahead = extra, larger, board, ahead
        labels = batches.labels
        self._levels = torch.from_numpy(np.nan_to_num(labels.levels))
        self._quality = torch.from_numpy(np.nan_to_num(labels.quality))
        self._faults = torch.from_numpy(labels.faults)
        points = labels.reliability if terms.reliability else np.ones_like(labels.reliability)
        self._weight = torch.from_numpy(np.where(labels.pointed, points, 0).astype(np.float32))
        pairs = labels.pair_reliability if terms.reliability else np.ones_like(labels.pair_reliability)
        self._pair_weight = torch.from_numpy(pairs.astype(np.float32))
        self._preference = torch.from_numpy(labels.preference)

    @property
    def steps_per_epoch(self) -> int:
        return self.batches.steps_per_epoch

    def stream(self, begin: int, end: int, group: Group) -> Iterator[JointBatch]:
        return self.batches.stream(begin, end, group, self._ahead)

    def part(self, batch: JointBatch, group: Group) -> Part:
        return Part(batch.views, batch.count)

    def terms(
        self, batch: JointBatch, part: Tensor, prediction: Prediction, group: Group
    ) -> Iterator[tuple[str, Tensor]]:
        w, n = self.weights, len(batch.index)
        mos, spread = prediction.mos.float(), prediction.spread.float()
        logits = prediction.fault_logits.float()
        index = torch.from_numpy(batch.index)
        here = mos.device
        levels, weight = self._levels[index].to(here), self._weight[index].to(here)
        if w.distribution and self.batches.points:
            yield (
                "distribution",
                w.distribution * joint_losses.distribution(mos[:n], spread[:n], levels, weight),
            )
        if w.expectation and self.batches.points:
            expected = self._quality[index].to(here)
            yield "expectation", w.expectation * joint_losses.expectation(mos[:n], expected, weight)
        if w.pair and len(batch.pairs):
            a, b = torch.from_numpy(batch.pairs).T
            pair = torch.from_numpy(batch.pair)
            spreads = torch.stack([spread[a], spread[b]], 1)
            told = self._preference[pair].to(here), self._pair_weight[pair].to(here)
            yield "pair", w.pair * joint_losses.preference(mos[a], mos[b], spreads, *told, w.pair_model)
        yield from self._known(batch, mos, logits, index)
        if self.extra is not None and self.extra.align is not None:
            yield "align", w.align * self.extra.align(prediction.features[:n], levels, weight)
        if self.larger is not None and self.extra is not None and self.extra.match is not None:
            with torch.no_grad():
                larger = self.larger.to(part.device)
                target = group.gather(larger.predict(part).features.float(), batch.count)
            yield "features", w.features * self.extra.match(prediction.features, target)
        if self.board is not None:
            yield from self._board(batch, part, mos, logits, group)

    def _known(
        self, batch: JointBatch, mos: Tensor, logits: Tensor, index: Tensor
    ) -> Iterator[tuple[str, Tensor]]:
        """Faults that the teacher knows, and chains."""
        w, n = self.weights, len(batch.index)
        faults = self._faults[index].to(mos.device)
        known = torch.isfinite(faults[:, 0])
        if w.faults and known.any():
            gap = nn.functional.binary_cross_entropy_with_logits(logits[:n][known], faults[known])
            yield "known_faults", w.faults * gap
        if len(batch.severity):
            severity = torch.from_numpy(batch.severity).to(mos.device)
            yield "order", w.order * losses.chain_order(mos[n:].reshape(severity.shape), severity)
            labels = torch.from_numpy(batch.chain_faults).to(mos.device)
            gap = nn.functional.binary_cross_entropy_with_logits(logits[n:], labels)
            yield "faults", w.faults * gap

    def _board(
        self, batch: JointBatch, part: Tensor, mos: Tensor, logits: Tensor, group: Group
    ) -> Iterator[tuple[str, Tensor]]:
        assert self.board is not None
        w, n = self.weights.board, len(batch.index)
        told = self.board(part)
        quality = group.gather(told.mos, batch.count).clone()
        faults = group.gather(told.faults, batch.count)
        if len(batch.severity):
            severity = torch.from_numpy(batch.severity).to(mos.device)
            quality[n:] = in_order(quality[n:].reshape(severity.shape), severity).flatten()
        yield "board_mos", w * (10 * nn.functional.huber_loss(mos, quality, delta=0.2))
        if len(mos) > 1:
            yield "board_order", w * losses.fidelity(mos, quality)
        yield "board_faults", w * nn.functional.binary_cross_entropy_with_logits(logits, faults)

    def validate(self, student: Student) -> Agreement:
        """Agreement with the held-out labels: of expected quality where there are point labels (10 or more),
        else of the pairs: their concordance then stands for all three correlations, and the share of them in
        the wrong order for the error."""
        predicted = self.predict(student).astype(np.float64)
        return agree(predicted, self.held_out)


def check_measurable(labels: TeacherLabels) -> None:
    """Raises `RecipeError` where held-out labels are too few for `agree`."""
    if labels.pointed.sum() < _LEAST_POINTS and not (labels.preference != 0.5).any():
        raise RecipeError(
            f"{len(labels.keys)} pictures are held out, too few to measure on: label more, or set "
            "labels.held_out higher"
        )


def agree(predicted: NDArray[np.float64], labels: TeacherLabels) -> Agreement:
    """Agreement of predicted quality [N] with labels; see `JointObjective.validate`."""
    check_measurable(labels)
    pointed = labels.pointed
    if pointed.sum() >= _LEAST_POINTS:
        return agreement(predicted[pointed], labels.quality[pointed])
    decided = labels.preference != 0.5
    gap = predicted[labels.pairs[decided, 0]] - predicted[labels.pairs[decided, 1]]
    concordance = float((np.sign(gap) * np.sign(labels.preference[decided] - 0.5)).mean())
    return Agreement(concordance, concordance, concordance, (1 - concordance) / 2, int(decided.sum()))
