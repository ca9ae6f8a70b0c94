"""Settings of a tuning run, and what it reports."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from leaf_edge.teacher import prompts


class TuningError(OSError):
    """A run that cannot go on. The message says what was found and what to do."""


@dataclass(frozen=True)
class TuneConfig:
    """How a teacher is tuned.

    epochs: over the questions. lr: peak, cosine to zero after `warmup` steps. batch: questions in a forward
    pass; accumulate: such passes in a step. rank, alpha, dropout: of LoRA. clip: greatest norm of the
    gradient. precision: bf16 or fp32, of the base's weights; the adapter's are fp32. wordings: how many are
    used, in turn.
    """

    epochs: int = 2
    lr: float = 1e-4
    warmup: int = 10
    batch: int = 2
    accumulate: int = 8
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    weight_decay: float = 0.0
    clip: float = 1.0
    precision: str = "bf16"
    wordings: int = len(prompts.POINT_WORDINGS)
    max_pixels: int = 1_048_576
    device_map: str = "auto"
    gradient_checkpointing: bool = False
    save_every: int = 50
    seed: int = 1

    def __post_init__(self) -> None:
        if self.precision not in ("bf16", "fp32"):
            raise ValueError(f"precision is {self.precision!r}; expected bf16 or fp32")
        if min(self.epochs, self.batch, self.accumulate, self.rank, self.save_every) < 1 or self.warmup < 0:
            raise ValueError(
                "expected 1 or more epochs, batch, accumulate, rank and save_every, and warmup of 0 or more"
            )
        if not (
            self.lr > 0
            and self.alpha > 0
            and self.clip > 0
            and 0 <= self.dropout < 1
            and self.weight_decay >= 0
        ):
            raise ValueError(
                "expected lr, alpha and clip above 0, dropout from 0 to below 1, weight_decay not below 0"
            )
        prompts.point_wordings(self.wordings)

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of step 0, 1, ... of `steps`."""
        if step < self.warmup:
            return self.lr * (step + 1) / (self.warmup + 1)
        part = (step - self.warmup) / max(1, steps - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * part))


DEFAULTS = TuneConfig()


@dataclass(frozen=True)
class TuneStep:
    """step: done so far, of `steps`. loss: mean cross-entropy of an answer token, in nats. seconds: of this
    step."""

    step: int
    steps: int
    epoch: int
    loss: float
    lr: float
    norm: float
    seconds: float


@dataclass(frozen=True)
class TuneResult:
    """adapter, merged: folders that the `transformers` teacher loads. losses: of every step."""

    adapter: Path
    merged: Path
    losses: tuple[float, ...]
