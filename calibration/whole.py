"""Whole fine-tune: all weights on the ratings, with the teacher's terms kept as an anchor.

The anchor is what the distilled student said before (quality, severities and joint features, on every picture
of a batch) and, where a label store is given, the teacher's own point labels on its pictures. Synthetic
chains stay in every batch. A function of its settings; a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leaf_edge.calibration.finetune import HEADS, fingerprint
from leaf_edge.contract import mos_to_unit
from leaf_edge.datasets.synthetic import CHAIN
from leaf_edge.student import distil, losses
from leaf_edge.student.data import CLEAN_MOS, Batch, Batches, training_views
from leaf_edge.student.distil import Teachers
from leaf_edge.student.network import Student, save_checkpoint

LEAST_LABELS = 100
FEW = 500
"""Ratings up to which a whole fine-tune stays near its start."""

_SAVE_EVERY = 50


class Sample(Protocol):
    """A rated picture; mos is 1..5."""

    @property
    def path(self) -> Path: ...
    @property
    def mos(self) -> float: ...


@dataclass(frozen=True)
class WholeSettings:
    """steps: of AdamW, cosine after `warmup`. rated, chains, judged: pictures with MOS, synthetic chains,
    pictures with teacher's labels in a batch. lr, head_lr: of backbone and heads. ema: decay of the averaged
    weights, which are the result. frozen_blocks: blocks that keep their weights, with the stem. anchor:
    weight of the terms that keep the student near what it said.

    None: by the number of ratings, as `for_ratings` has it."""

    steps: int | None = None
    rated: int = 16
    chains: int = 2
    judged: int = 8
    lr: float | None = None
    head_lr: float | None = None
    weight_decay: float = 0.02
    warmup: int = 20
    ema: float | None = None
    frozen_blocks: int = 6
    anchor: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        steps = 1 if self.steps is None else self.steps
        if min(steps, self.rated - 1, self.judged) < 1 or min(self.chains, self.warmup) < 0:
            raise ValueError(f"settings out of range: {self}")

    def for_ratings(self, count: int) -> Settled:
        """These settings for `count` ratings.

        A few hundred are soon learnt by heart: 300 small steps near the start. More carry more: five passes,
        a learning rate that grows with the root of the count up to four times, an anchor that weighs as
        `FEW` ratings.
        """
        steps = max(300, math.ceil(5 * count / self.rated)) if self.steps is None else self.steps
        lr = 5e-5 * min(max(1.0, (count / FEW) ** 0.5), 4.0) if self.lr is None else self.lr
        return Settled(
            steps=steps,
            lr=lr,
            head_lr=4 * lr if self.head_lr is None else self.head_lr,
            ema=max(0.5, 1 - 6 / steps) if self.ema is None else self.ema,
            anchor=0.3 * min(1.0, FEW / count) if self.anchor is None else self.anchor,
            **{name: getattr(self, name) for name in _FIXED},
        )


_FIXED = ("rated", "chains", "judged", "weight_decay", "warmup", "frozen_blocks", "seed")


@dataclass(frozen=True)
class Settled:
    """`WholeSettings` with nothing left open."""

    steps: int
    rated: int
    chains: int
    judged: int
    lr: float
    head_lr: float
    weight_decay: float
    warmup: int
    ema: float
    frozen_blocks: int
    anchor: float
    seed: int


class StoreLabels:
    """Point labels of a store, as a source of batches. Raises ValueError where it has none."""

    def __init__(self, path: Path) -> None:
        from leaf_edge.teacher.store import LabelStore

        with LabelStore(path, create=False) as store:
            rows = {row.sha256: row for row in store.pictures()}
            points = [p for p in store.points() if p.sha256 in rows]
        if not points:
            raise ValueError(f"{path} holds no point labels; label pictures first (leaf-edge label)")
        self.rows = [rows[p.sha256] for p in points]
        self.unit = np.array([mos_to_unit(p.judgment.mos) for p in points], np.float32)
        self.reliability = np.array([p.judgment.reliability for p in points], np.float32)
        told = json.dumps([[p.sha256, p.teacher, p.version, *p.judgment.levels] for p in points])
        self.digest = hashlib.sha256(told.encode()).hexdigest()

    def at(self, step: int, count: int, seed: int) -> tuple[NDArray[np.uint8], Tensor, Tensor]:
        """Views uint8 [count, 2, 3, 224, 224], the teacher's quality 0..1 and reliability [count] of a
        step."""
        from leaf_edge.teacher.pictures import open_picture

        rng = np.random.default_rng([seed, step, 11])
        chosen = rng.choice(len(self.rows), min(count, len(self.rows)), replace=False)
        views = [training_views(open_picture(self.rows[i]).rgb, rng) for i in chosen]
        return (
            np.stack(views),
            torch.from_numpy(self.unit[chosen]),
            torch.from_numpy(self.reliability[chosen]),
        )


def unfit(samples: Sequence[Sample], settings: WholeSettings) -> str:
    """Why these ratings do not carry a whole fine-tune, or ""."""
    if len(samples) < LEAST_LABELS:
        return f"{len(samples)} labels; it takes {LEAST_LABELS}"
    if settings.chains and not any(s.mos >= CLEAN_MOS for s in samples):
        return f"no picture is rated {CLEAN_MOS} or better, for synthetic faults to start from"
    return ""


def finetune_whole(
    student: Student,
    samples: Sequence[Sample],
    settings: WholeSettings,
    folder: Path,
    labels: StoreLabels | None = None,
    told: Callable[[int], None] = lambda step: None,
) -> Student:
    """A copy of `student`, fine-tuned on `samples`. told: the steps that are done.

    folder: holds `last.pt` to go on from; a run of other settings, pictures or weights there is begun anew.
    Raises ValueError where the samples do not carry it (`unfit`), RuntimeError where the loss is not finite.
    """
    settled = settings.for_ratings(len(samples))
    rated = min(settled.rated, len(samples))
    batches = Batches(samples, rated, settled.chains, settled.seed)  # type: ignore[arg-type]
    key = _key(student, samples, settled, labels)
    start = Teachers([copy.deepcopy(student)])
    new = copy.deepcopy(student).channels_last()
    for p in new.parameters():
        p.requires_grad_(True)
    named = list(new.named_parameters())
    body = [p for n, p in named if n.split(".")[0] not in HEADS]
    head = [p for n, p in named if n.split(".")[0] in HEADS]
    optimizer = torch.optim.AdamW(
        [{"params": body, "peak": settled.lr}, {"params": head, "peak": settled.head_lr}],
        lr=settled.lr,
        weight_decay=settled.weight_decay,
    )
    average = [p.detach().clone() for p in new.parameters()]
    first = 0
    if (folder / "last.pt").exists():
        data = torch.load(folder / "last.pt", map_location="cpu", weights_only=True)
        if data["key"] == key:
            new.load_state_dict(data["state"])
            optimizer.load_state_dict(data["optimizer"])
            average, first = list(data["average"]), int(data["step"])
    folder.mkdir(parents=True, exist_ok=True)
    for step, batch in zip(range(first, settled.steps), batches.stream(first, settled.steps), strict=True):
        _step(new, start, optimizer, average, batch, labels, settled, step)
        if (step + 1) % _SAVE_EVERY == 0 or step + 1 == settled.steps:
            state = {"optimizer": optimizer.state_dict(), "average": average, "step": step + 1, "key": key}
            save_checkpoint(folder / "last.pt", new, **state)
        told(step + 1)
    with torch.no_grad():
        for p, mean in zip(new.parameters(), average, strict=True):
            p.copy_(mean)
    return new.eval()


def _step(
    new: Student,
    start: Teachers,
    optimizer: torch.optim.Optimizer,
    average: list[Tensor],
    batch: Batch,
    labels: StoreLabels | None,
    settings: Settled,
    step: int,
) -> None:
    warm = min(1.0, (step + 1) / max(settings.warmup, 1))
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    judged = labels.at(step, settings.judged, settings.seed) if labels is not None else None
    views = torch.from_numpy(np.concatenate([batch.views, judged[0]]) if judged else batch.views)
    new.train()
    torch.manual_seed(settings.seed * 1_000_003 + step)  # dropout
    with torch.autocast("cpu", torch.bfloat16):
        p = new.predict(views, min(settings.frozen_blocks, len(new.blocks)))
        taught = start(views)
        mos, n = p.mos.float(), len(batch.mos)
        loss = losses.rated(mos[:n], p.spread.float()[:n], torch.from_numpy(batch.mos))
        if len(batch.severity):
            end = n + batch.severity.size
            severity = torch.from_numpy(batch.severity)
            known = torch.from_numpy(batch.faults)
            loss = loss + 5 * losses.chain_order(mos[n:end].reshape(-1, CHAIN), severity)
            loss = loss + 2 * F.binary_cross_entropy_with_logits(p.fault_logits.float()[n:end], known)
        for _, term in distil.losses(p, taught):
            loss = loss + settings.anchor * term
        if judged:
            _, unit, reliability = judged
            own = mos[-len(unit) :]
            huber = F.huber_loss(own, unit, delta=0.2, reduction="none")
            loss = loss + settings.anchor * 10 * (reliability * huber).sum() / (reliability.sum() + 1e-6)
    if not torch.isfinite(loss):
        raise RuntimeError(f"the loss is not finite at step {step}: lower the learning rate")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(new.parameters(), 5.0)
    optimizer.step()
    with torch.no_grad():
        decay = min(settings.ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(average, list(new.parameters()), 1 - decay)


def _key(student: Student, samples: Sequence[Sample], settings: Settled, labels: StoreLabels | None) -> str:
    told: dict[str, Any] = {
        "student": fingerprint(student),
        "settings": asdict(settings),
        "pictures": [[str(s.path), s.mos] for s in samples],
        "labels": labels.digest if labels is not None else "",
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
