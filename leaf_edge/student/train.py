"""Training: photographs with MOS together with synthetic chains, or a larger student as a teacher too.

The run is a function of its configuration: batches, dropout and schedule depend on (seed, step), so a
run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leaf_edge.contract import mos_to_unit
from leaf_edge.datasets.biq2021 import Sample
from leaf_edge.evaluation.metrics import Agreement, agreement
from leaf_edge.student import distil, losses
from leaf_edge.student.data import Batch, Batches, read_rgb, views_of
from leaf_edge.student.distil import Teachers
from leaf_edge.student.initial import load_imagenet
from leaf_edge.student.network import Student, StudentConfig, load_checkpoint, save_checkpoint
from leaf_edge.student.shrink import shrink_from

SIZES: dict[str, StudentConfig] = {
    "leaf-m": StudentConfig(),
    "leaf-s": StudentConfig(expansion=1.25, head=320),
    "leaf-l": StudentConfig(backbone="efficientnet-lite2"),
}
"""The shipped sizes, 299 and 82 million multiply-adds a view, and a larger one to teach them."""

SAVE_EVERY = 200  # steps
SHRINK_PICTURES = 640
"""Pictures by which a student is cut from its teacher."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run; stored with its results.

    size: of `SIZES`. views: both, global or fragments. epochs: over the rated photographs.
    rated, chains, unlabelled: photographs, synthetic chains, and pictures that only a teacher judges,
    in a batch. lr, head_lr: of backbone and heads, cosine to zero after `warmup` steps.
    ema: decay of the averaged weights, which are the result.
    frozen_blocks: blocks that keep their initial weights, with the stem (0: none, stem trained).
    patience: epochs without a better validation SRCC before the run stops.
    """

    size: str = "leaf-m"
    views: str = "both"
    epochs: int = 5
    rated: int = 16
    chains: int = 2
    unlabelled: int = 0
    lr: float = 2e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.02
    warmup: int = 150
    ema: float = 0.998
    frozen_blocks: int = 6
    patience: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size is {self.size!r}; expected one of: {', '.join(SIZES)}")
        none_below_0 = (self.chains, self.unlabelled, self.warmup)
        if min(self.epochs, self.rated - 1, self.patience) < 1 or min(none_below_0) < 0:
            raise ValueError(f"settings out of range: {self}")

    def student(self) -> StudentConfig:
        """The network that this run trains."""
        return StudentConfig(**{**asdict(SIZES[self.size]), "views": self.views})


@dataclass(frozen=True)
class Progress:
    """Told after every step: steps done of all, epoch from 1, mean loss of the epoch so far, and the
    last validation (None before the first)."""

    step: int
    steps: int
    epoch: int
    loss: float
    validation: Agreement | None


class Validation:
    """Rated photographs that a run never trains on, as views in memory."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.mos: NDArray[np.float64] = np.array([s.mos for s in samples])
        self.subset: NDArray[np.str_] = np.array([s.subset for s in samples])
        self.views = np.stack([views_of(read_rgb(s.path)) for s in samples])

    def predict(self, student: Student, batch: int = 16) -> NDArray[np.float32]:
        """Raw quality float32 [N], computed in float32."""
        return predict(student, self.views, batch)

    def measure(self, student: Student) -> Agreement:
        """Agreement with MOS; its rmse is in raw units (MOS / 4)."""
        return agreement(self.predict(student), mos_to_unit_array(self.mos))


def mos_to_unit_array(mos: NDArray[np.float64]) -> NDArray[np.float64]:
    """`mos_to_unit` over an array."""
    return np.array([mos_to_unit(float(m)) for m in mos])


def predict(student: Student, views: NDArray[np.uint8], batch: int = 16) -> NDArray[np.float32]:
    """Raw quality float32 [N] of views uint8 [N, 2, 3, 224, 224], in float32 and evaluation mode."""
    student.eval()
    with torch.inference_mode():
        parts = [
            student.predict(torch.from_numpy(views[i : i + batch])).mos.numpy()
            for i in range(0, len(views), batch)
        ]
    return np.concatenate(parts)


def initial_student(
    config: TrainConfig,
    imagenet: Path | None,
    teacher: Student | None,
    views: NDArray[np.uint8] | None = None,
) -> Student:
    """A student to train: ImageNet's weights where given, else cut from the teacher by what both make of
    `views` (see `shrink_from`).

    Without either, random weights (for tests). Raises ValueError where the weights do not fit.
    """
    torch.manual_seed(config.seed)
    student = Student(config.student())
    if imagenet is not None:
        load_imagenet(student, imagenet)
    elif teacher is not None:
        if views is None:
            raise ValueError("a student is cut from its teacher with views at hand; none given")
        shrink_from(student, teacher, views)
    return student.channels_last()


class Run:
    """A training run in a folder: `last.pt` (to go on), `best.pt` (the result), `log.jsonl`.

    Raises ValueError where the folder holds a run with other settings.
    """

    def __init__(
        self, config: TrainConfig, folder: Path, student: Student, teachers: Teachers | None
    ) -> None:
        self.config, self.folder, self.student, self.teachers = config, folder, student, teachers
        folder.mkdir(parents=True, exist_ok=True)
        self.average = [p.detach().clone() for p in student.parameters()]
        heads = ("joint", "mos", "spread", "faults")
        named = list(student.named_parameters())
        body = [p for n, p in named if n.split(".")[0] not in heads]
        head = [p for n, p in named if n.split(".")[0] in heads]
        self.optimizer = torch.optim.AdamW(
            [{"params": body, "peak": config.lr}, {"params": head, "peak": config.head_lr}],
            lr=config.lr,
            weight_decay=config.weight_decay,
        )
        self.step, self.bad_epochs = 0, 0
        self.best: Agreement | None = None
        self.last: Agreement | None = None
        self._resume()

    def _resume(self) -> None:
        path = self.folder / "last.pt"
        if not path.exists():
            return
        data = torch.load(path, map_location="cpu", weights_only=True)
        if data["train"] != asdict(self.config):
            changed = sorted(k for k, v in asdict(self.config).items() if data["train"].get(k) != v)
            raise ValueError(
                f"{self.folder} holds a run with other settings ({', '.join(changed)}); "
                "give the same ones to go on, or another folder"
            )
        self.student.load_state_dict(data["state"])
        self.optimizer.load_state_dict(data["optimizer"])
        self.average = list(data["average"])
        self.step, self.bad_epochs = data["step"], data["bad_epochs"]
        self.best = Agreement(*data["best"]) if data["best"] else None
        self.last = Agreement(*data["last"]) if data["last"] else None

    def save(self) -> None:
        """`last.pt`, atomically."""
        save_checkpoint(
            self.folder / "last.pt",
            self.student,
            train=asdict(self.config),
            optimizer=self.optimizer.state_dict(),
            average=self.average,
            step=self.step,
            bad_epochs=self.bad_epochs,
            best=tuple(self.best) if self.best else None,
            last=tuple(self.last) if self.last else None,
        )

    def averaged(self) -> Student:
        """A student with the averaged weights."""
        student = Student(self.student.config)
        with torch.no_grad():
            for p, mean in zip(student.parameters(), self.average, strict=True):
                p.copy_(mean)
        return student.channels_last().eval()

    def train(
        self,
        batches: Batches,
        validation: Validation,
        on_step: Callable[[Progress], None] = lambda progress: None,
    ) -> Agreement:
        """Runs to the end, or to `patience`. Returns the best validation; it belongs to `best.pt`."""
        per_epoch = batches.steps_per_epoch
        steps = self.config.epochs * per_epoch
        sums: dict[str, float] = {}
        count, began = 0, time.monotonic()
        if self.bad_epochs < self.config.patience:
            for batch in batches.stream(self.step, steps):
                terms = self._update(batch, steps)
                count += 1
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0.0) + value
                self.step += 1
                epoch = (self.step - 1) // per_epoch + 1
                if self.step % per_epoch == 0:
                    means = {k: v / count for k, v in sums.items()}
                    self._end_epoch(epoch, means, validation, time.monotonic() - began)
                    sums, count, began = {}, 0, time.monotonic()
                if self.step % SAVE_EVERY == 0 or self.step % per_epoch == 0:
                    self.save()
                loss = sums.get("loss", 0.0) / max(count, 1)
                on_step(Progress(self.step, steps, epoch, loss, self.last))
                if self.bad_epochs >= self.config.patience:
                    break
        if self.best is None:
            raise RuntimeError("the run ended before its first validation")
        return self.best

    def _learning_rates(self, steps: int) -> None:
        warm = min(1.0, (self.step + 1) / max(self.config.warmup, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / steps))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * warm * cosine

    def _update(self, batch: Batch, steps: int) -> dict[str, float]:
        self._learning_rates(steps)
        self.student.train()
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # dropout
        views = torch.from_numpy(batch.views)
        with torch.autocast("cpu", torch.bfloat16):
            prediction = self.student.predict(views, self.config.frozen_blocks)
            terms = dict(self._terms(batch, views, prediction))
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise RuntimeError(f"the loss is not finite at step {self.step}: lower the learning rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        with torch.no_grad():
            # the average of few steps must not remember the initial weights
            decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self.average, list(self.student.parameters()), 1 - decay)
        return {"loss": float(loss.detach())} | {k: float(v.detach()) for k, v in terms.items()}

    def _terms(self, batch: Batch, views: Tensor, prediction: Any) -> Iterator[tuple[str, Tensor]]:
        rated, chained = len(batch.mos), len(batch.mos) + len(batch.faults)
        mos, spread = prediction.mos.float(), prediction.spread.float()
        logits = prediction.fault_logits.float()
        yield "rated", losses.rated(mos[:rated], spread[:rated], torch.from_numpy(batch.mos))
        if len(batch.severity):
            severity = torch.from_numpy(batch.severity)
            yield "order", 5 * losses.chain_order(mos[rated:chained].reshape(severity.shape), severity)
            known = torch.from_numpy(batch.faults)
            yield "faults", 2 * F.binary_cross_entropy_with_logits(logits[rated:chained], known)
        if self.teachers is not None:
            taught = self.teachers(views)
            if len(batch.severity):
                severity = torch.from_numpy(batch.severity)
                chains = taught.mos[rated:chained].reshape(severity.shape)
                taught.mos[rated:chained] = distil.in_order(chains, severity).flatten()
            yield from distil.losses(prediction, taught)

    def _end_epoch(self, epoch: int, means: dict[str, float], validation: Validation, seconds: float) -> None:
        student = self.averaged()
        self.last = validation.measure(student)
        better = self.best is None or self.last.srcc > self.best.srcc
        if better:
            self.best, self.bad_epochs = self.last, 0
            save_checkpoint(
                self.folder / "best.pt",
                student,
                train=asdict(self.config),
                epoch=epoch,
                validation=self.last._asdict(),
            )
        else:
            self.bad_epochs += 1
        entry = {"epoch": epoch, "seconds": round(seconds, 1), "train": means}
        entry |= {"validation": self.last._asdict(), "best": better}
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")


def run_training(
    config: TrainConfig,
    samples: Sequence[Sample],
    folder: Path,
    *,
    imagenet: Path | None = None,
    teachers: Sequence[Path] = (),
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> Agreement:
    """Trains `config` on the training side of `samples`; results in `folder` (see `Run`).

    imagenet: safetensors with MobileNetV2's weights. teachers: checkpoints of students as large or
    larger, to distil; without `imagenet` the run starts from the first one's channels. Returns the
    best validation agreement. Raises ValueError where unlabelled pictures have no teacher.
    """
    if config.unlabelled and not teachers:
        raise ValueError("unlabelled pictures need a teacher to judge them")
    train = [s for s in samples if s.split == "train"]
    held_out = [s for s in samples if s.split == "val"]
    batches = Batches(train, config.rated, config.chains, config.seed, config.unlabelled)
    board = Teachers([load_checkpoint(path) for path in teachers]) if teachers else None
    cut = board is not None and imagenet is None and not (folder / "last.pt").exists()
    views = batches.views(SHRINK_PICTURES) if cut else None
    student = initial_student(config, imagenet, board.first if board and cut else None, views)
    run = Run(config, folder, student, board)
    return run.train(batches, Validation(held_out), on_step)
