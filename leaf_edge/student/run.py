"""The training loop: any objective, in a folder that can be gone on with, in one process or several.

A run is a function of its settings: batches, dropout and schedule depend on (seed, step), so a run that was
stopped goes on as if it had not been.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leaf_edge.evaluation.metrics import Agreement
from leaf_edge.student.group import Group
from leaf_edge.student.network import Prediction, Student, save_checkpoint

SAVE_EVERY = 200  # steps
HEADS = ("joint", "mos", "spread", "faults")
"""Modules of a student behind the pooled features."""


@dataclass(frozen=True)
class Schedule:
    """How a student is optimised.

    epochs: over the pictures; 0: none, the student is measured and kept as it is. lr, head_lr: peaks of
    backbone and heads, cosine to zero after `warmup` steps. ema: decay of the averaged weights, which are
    the result. clip: greatest norm of the gradient.
    frozen_blocks: blocks that keep their initial weights, with the stem (0: none, stem trained).
    patience: epochs without a better validation SRCC before the run stops. precision: bf16 or fp32.
    """

    epochs: int = 5
    lr: float = 2e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.02
    warmup: int = 150
    ema: float = 0.998
    clip: float = 5.0
    frozen_blocks: int = 6
    patience: int = 4
    precision: str = "bf16"
    seed: int = 1

    def __post_init__(self) -> None:
        if self.precision not in ("bf16", "fp32"):
            raise ValueError(f"precision is {self.precision!r}; expected bf16 or fp32")
        if self.patience < 1 or min(self.epochs, self.warmup, self.frozen_blocks) < 0:
            raise ValueError(f"settings out of range: {self}")
        if not (0 < self.lr < 1 and 0 < self.head_lr < 1 and 0 <= self.ema < 1 and self.clip > 0):
            raise ValueError(f"settings out of range: {self}")


@dataclass(frozen=True)
class Part:
    """This process's pictures, of `count` in the batch: views uint8 [n, 2, 3, 224, 224], or pooled features
    float32 [n, 2, head] that a frozen backbone has computed before."""

    views: NDArray[Any]
    count: int


class Objective(Protocol):
    """What a run learns. Batches are its own; the loop only hands them on."""

    @property
    def steps_per_epoch(self) -> int: ...

    @property
    def extra(self) -> nn.Module | None:
        """Trained with the heads, but no part of the student (projections of features)."""
        ...

    def stream(self, begin: int, end: int, group: Group) -> Iterator[Any]:
        """Batches of steps [begin, end); each a function of the step, not of those before."""
        ...

    def part(self, batch: Any, group: Group) -> Part:
        """The pictures that this process runs."""
        ...

    def terms(
        self, batch: Any, part: Tensor, prediction: Prediction, group: Group
    ) -> Iterator[tuple[str, Tensor]]:
        """Terms of the loss, weighted; `prediction` is of all pictures, `part` the views of the own ones."""
        ...

    def validate(self, student: Student) -> Agreement:
        """Agreement on pictures that are never trained on."""
        ...


@dataclass(frozen=True)
class Progress:
    """Told after every step: steps done of all, epoch from 1, mean loss of the epoch so far, and the
    last validation (None before the first)."""

    step: int
    steps: int
    epoch: int
    loss: float
    validation: Agreement | None


class Run:
    """A training run in a folder: `last.pt` (to go on), `best.pt` (the result), `log.jsonl`.

    settings: all that the result depends on; kept in both files. Raises ValueError where the folder holds a
    run with other settings.
    """

    def __init__(
        self,
        schedule: Schedule,
        settings: Mapping[str, Any],
        folder: Path,
        student: Student,
        objective: Objective,
        group: Group | None = None,
        tensorboard: bool = False,
    ) -> None:
        self.schedule, self.settings, self.folder = schedule, dict(settings), folder
        self.student, self.objective, self.group = student, objective, group or Group()
        self.device = self.group.device
        student.to(self.device)
        if objective.extra is not None:
            objective.extra.to(self.device)
        folder.mkdir(parents=True, exist_ok=True)
        named = list(student.named_parameters())
        self.body = [p for n, p in named if n.split(".")[0] not in HEADS]
        self.head = [p for n, p in named if n.split(".")[0] in HEADS]
        if objective.extra is not None:
            self.head += list(objective.extra.parameters())
        self.optimizer = torch.optim.AdamW(
            [{"params": self.body, "peak": schedule.lr}, {"params": self.head, "peak": schedule.head_lr}],
            lr=schedule.lr,
            weight_decay=schedule.weight_decay,
        )
        self.average = [p.detach().clone() for p in student.parameters()]
        self.step, self.bad_epochs = 0, 0
        self.best: Agreement | None = None
        self.last: Agreement | None = None
        self._board = self._tensorboard() if tensorboard and self.group.first else None
        self._resume()

    def _tensorboard(self) -> Any:
        from leaf_edge.extras import require

        require("tensorboard", "train")
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder / "tensorboard"))

    def _resume(self) -> None:
        path = self.folder / "last.pt"
        if not path.exists():
            return
        data = torch.load(path, map_location=self.device, weights_only=True)
        if data["train"] != self.settings:
            names = {*data["train"], *self.settings}
            changed = sorted(k for k in names if data["train"].get(k) != self.settings.get(k))
            raise ValueError(
                f"{self.folder} holds a run with other settings ({', '.join(changed)}); "
                "give the same ones to go on, or another folder"
            )
        self.student.load_state_dict(data["state"])
        if self.objective.extra is not None:
            self.objective.extra.load_state_dict(data["extra"])
        self.optimizer.load_state_dict(data["optimizer"])
        self.average = list(data["average"])
        self.step, self.bad_epochs = data["step"], data["bad_epochs"]
        self.best = Agreement(*data["best"]) if data["best"] else None
        self.last = Agreement(*data["last"]) if data["last"] else None

    def save(self) -> None:
        """`last.pt`, atomically."""
        extra = self.objective.extra
        save_checkpoint(
            self.folder / "last.pt",
            self.student,
            train=self.settings,
            extra=None if extra is None else extra.state_dict(),
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
        return student.to(self.device).channels_last().eval()

    def train(self, on_step: Callable[[Progress], None] = lambda progress: None) -> Agreement:
        """Runs to the end, or to `patience`. Returns the best validation; it belongs to `best.pt`."""
        per_epoch = self.objective.steps_per_epoch
        steps = self.schedule.epochs * per_epoch
        sums: dict[str, float] = {}
        count, began = 0, time.monotonic()
        if steps == 0 and self.best is None:
            self._end_epoch(0, {}, 0.0)  # the start as it is, measured
            if self.group.first:
                self.save()
        if self.bad_epochs < self.schedule.patience:
            for batch in self.objective.stream(self.step, steps, self.group):
                terms = self.update(batch, steps)
                count += 1
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0.0) + value
                self.step += 1
                epoch = (self.step - 1) // per_epoch + 1
                ends = self.step % per_epoch == 0
                if ends:
                    means = {k: v / count for k, v in sums.items()}
                    self._end_epoch(epoch, means, time.monotonic() - began)
                    sums, count, began = {}, 0, time.monotonic()
                if self.group.first and (ends or self.step % SAVE_EVERY == 0):
                    self.save()
                loss = sums.get("loss", 0.0) / max(count, 1)
                on_step(Progress(self.step, steps, epoch, loss, self.last))
                if self.bad_epochs >= self.schedule.patience:
                    break
        if self._board is not None:
            self._board.close()
        if self.best is None:
            raise RuntimeError("the run ended before its first validation")
        return self.best

    def _learning_rates(self, steps: int) -> None:
        warm = min(1.0, (self.step + 1) / max(self.schedule.warmup, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / steps))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * warm * cosine

    def update(self, batch: Any, steps: int) -> dict[str, float]:
        """One step; returns the terms of the loss and their sum."""
        self._learning_rates(steps)
        self.student.train()
        # dropout of all pictures in every process, the same as in one
        torch.manual_seed(self.schedule.seed * 1_000_003 + self.step)
        part = self.objective.part(batch, self.group)
        views = torch.from_numpy(part.views).to(self.device, non_blocking=True)
        computed = part.views.dtype == np.float32
        bf16 = self.schedule.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16) if bf16 else nullcontext():
            pooled = views if computed else self.student.pool(views, self.schedule.frozen_blocks)
            prediction = self.student.join(self.group.gather(pooled, part.count))
            terms = dict(self.objective.terms(batch, views, prediction, self.group))
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        if not torch.isfinite(loss):
            raise RuntimeError(f"the loss is not finite at step {self.step}: lower the learning rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.group.add_gradients(self.body)
        self.group.average_gradients(self.head)
        torch.nn.utils.clip_grad_norm_([*self.body, *self.head], self.schedule.clip)
        self.optimizer.step()
        with torch.no_grad():
            # the average of few steps must not remember the initial weights
            decay = min(self.schedule.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self.average, list(self.student.parameters()), 1 - decay)
        values = {"loss": float(loss.detach())} | {k: float(v.detach()) for k, v in terms.items()}
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"train/{name}", value, self.step)
        return values

    def _end_epoch(self, epoch: int, means: dict[str, float], seconds: float) -> None:
        student = self.averaged()
        measured = tuple(self.objective.validate(student)) if self.group.first else None
        self.last = Agreement(*self.group.agreed(measured))
        better = self.best is None or self.last.srcc > self.best.srcc
        self.bad_epochs = 0 if better else self.bad_epochs + 1
        if better:
            self.best = self.last
        if not self.group.first:
            return
        if better:
            save_checkpoint(
                self.folder / "best.pt",
                student,
                train=self.settings,
                epoch=epoch,
                validation=self.last._asdict(),
            )
        entry = {"epoch": epoch, "seconds": round(seconds, 1), "train": means}
        entry |= {"validation": self.last._asdict(), "best": better}
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")
        if self._board is not None:
            for name, value in self.last._asdict().items():
                self._board.add_scalar(f"validation/{name}", value, self.step)
            self._board.flush()
