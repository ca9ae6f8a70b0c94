"""Training: photographs with MOS together with synthetic chains, or a larger student as a teacher too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leaf_edge.contract import FAULTS, mos_to_unit
from leaf_edge.datasets.biq2021 import Sample
from leaf_edge.evaluation.metrics import Agreement, agreement
from leaf_edge.student import distil, losses
from leaf_edge.student.data import Batch, Batches, read_rgb, views_of
from leaf_edge.student.distil import Taught, Teachers
from leaf_edge.student.group import Group
from leaf_edge.student.initial import load_imagenet
from leaf_edge.student.network import Prediction, Student, StudentConfig, load_checkpoint, load_mean
from leaf_edge.student.run import Part, Progress, Run, Schedule
from leaf_edge.student.shrink import shrink_from

SIZES: dict[str, StudentConfig] = {
    "leaf-m": StudentConfig(),
    "leaf-s": StudentConfig(expansion=1.25, head=320),
    "leaf-l": StudentConfig(backbone="efficientnet-lite2"),
}
"""The shipped sizes, 299 and 82 million multiply-adds a view, and a larger one to teach them."""

SHRINK_PICTURES = 640
"""Pictures by which a student is cut from its teacher."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run; stored with its results.

    size: of `SIZES`. views: both, global or fragments. epochs: over the rated photographs; 0: none, what
    the run starts from is measured and kept.
    rated, chains, unlabelled: photographs, synthetic chains, and pictures that only a teacher judges,
    in a batch. lr, head_lr: of backbone and heads, cosine to zero after `warmup` steps.
    emphasis: faults, between commas, that get more chains than the rest (see `data.EMPHASIS`); a
    fault may be named twice.
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
    emphasis: str = ""
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
        none_below_0 = (self.epochs, self.chains, self.unlabelled, self.warmup)
        if min(self.rated - 1, self.patience) < 1 or min(none_below_0) < 0:
            raise ValueError(f"settings out of range: {self}")
        if unknown := set(self.emphasised()) - set(FAULTS):
            raise ValueError(
                f"emphasis names {', '.join(sorted(unknown))}; expected between commas: {', '.join(FAULTS)}"
            )

    def emphasised(self) -> tuple[str, ...]:
        """The faults of `emphasis`."""
        return tuple(name.strip() for name in self.emphasis.split(",") if name.strip())

    def student(self) -> StudentConfig:
        """The network that this run trains."""
        return StudentConfig(**{**asdict(SIZES[self.size]), "views": self.views})

    def schedule(self) -> Schedule:
        """How this run optimises it."""
        return Schedule(**{f.name: getattr(self, f.name) for f in fields(Schedule) if hasattr(self, f.name)})


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
    device = student.mos.weight.device
    with torch.inference_mode():
        parts = [
            student.predict(torch.from_numpy(views[i : i + batch]).to(device)).mos.cpu().numpy()
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
    elif teacher is not None and teacher.config == student.config:
        student.load_state_dict(teacher.state_dict())
    elif teacher is not None:
        if views is None:
            raise ValueError("a student is cut from its teacher with views at hand; none given")
        shrink_from(student, teacher, views)
    return student.channels_last()


class Photographs:
    """Objective: photographs with MOS and synthetic chains, and what trained students say of them."""

    extra = None

    def __init__(self, batches: Batches, validation: Validation, teachers: Teachers | None = None) -> None:
        self.batches, self.validation, self.teachers = batches, validation, teachers

    @property
    def steps_per_epoch(self) -> int:
        return self.batches.steps_per_epoch

    def stream(self, begin: int, end: int, group: Group) -> Iterator[Batch]:
        return self.batches.stream(begin, end)

    def part(self, batch: Batch, group: Group) -> Part:
        return Part(batch.views[group.part(len(batch.views))], len(batch.views))

    def terms(
        self, batch: Batch, part: Tensor, prediction: Prediction, group: Group
    ) -> Iterator[tuple[str, Tensor]]:
        rated, chained = len(batch.mos), len(batch.mos) + len(batch.faults)
        mos, spread = prediction.mos.float(), prediction.spread.float()
        yield "rated", losses.rated(mos[:rated], spread[:rated], torch.from_numpy(batch.mos).to(mos.device))
        logits = prediction.fault_logits.float()
        yield from losses.chains(mos[rated:chained], logits[rated:chained], batch.severity, batch.faults)
        if self.teachers is not None:
            told = self.teachers(part)
            taught = Taught(*(group.gather(t, len(batch.views)) for t in told))
            if len(batch.severity):
                severity = torch.from_numpy(batch.severity).to(mos.device)
                chains = taught.mos[rated:chained].reshape(severity.shape)
                taught.mos[rated:chained] = distil.in_order(chains, severity).flatten()
            yield from distil.losses(prediction, taught)

    def validate(self, student: Student) -> Agreement:
        return self.validation.measure(student)


def _digest(pool: Sequence[Path]) -> str:
    """What tells a pool from another: names and sizes of its pictures, in their order."""
    told = "".join(f"{path.name}\0{path.stat().st_size}\0" for path in pool)
    return f"{len(pool)} pictures, {hashlib.sha256(told.encode()).hexdigest()[:12]}"


def _pools(start: Sequence[Path], pool: Sequence[Path]) -> list[str]:
    """The pools that a run's weights learn from: those of the runs that it starts from, and its own."""
    before = (torch.load(path, map_location="cpu", weights_only=True).get("train", {}) for path in start)
    told = [text for settings in before for text in settings.get("pool", "").split("; ") if text]
    return list(dict.fromkeys([*told, *([_digest(pool)] if pool else [])]))


def run_training(
    config: TrainConfig,
    samples: Sequence[Sample],
    folder: Path,
    *,
    imagenet: Path | None = None,
    teachers: Sequence[Path] = (),
    start: Sequence[Path] = (),
    pool: Sequence[Path] = (),
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> Agreement:
    """Trains `config` on the training side of `samples`; results in `folder` (see `Run`).

    imagenet: safetensors with MobileNetV2's weights. start: a checkpoint to begin from, of this size or
    larger, or several: the mean of their weights. teachers: checkpoints of students to distil; without
    `imagenet` and `start` the run starts from the first one's channels. pool: pictures without ratings for
    `config.unlabelled` (none: the rated ones again). Returns the best validation agreement. Raises
    ValueError where unlabelled pictures have no teacher, or a pool is never used.
    """
    if config.unlabelled and not teachers:
        raise ValueError("unlabelled pictures need a teacher to judge them")
    if pool and not config.unlabelled:
        raise ValueError("a pool of pictures is given, and no batch has an unlabelled one; expected both")
    if not config.epochs and not start:
        raise ValueError("epochs is 0, and there is no student to start from; expected --start or epochs")
    train = [s for s in samples if s.split == "train"]
    held_out = [s for s in samples if s.split == "val"]
    emphasis = config.emphasised()
    batches = Batches(train, config.rated, config.chains, config.seed, config.unlabelled, emphasis, pool)
    board = Teachers([load_checkpoint(path) for path in teachers]) if teachers else None
    first = load_mean(start) if start else board.first if board is not None else None
    pools = _pools(start, pool)
    settings = asdict(config) | ({"pool": "; ".join(pools)} if pools else {})
    cut = first is not None and imagenet is None and not (folder / "last.pt").exists()
    views = batches.views(SHRINK_PICTURES) if cut else None
    student = initial_student(config, imagenet, first if cut else None, views)
    group = Group.from_environment()
    objective = Photographs(batches, Validation(held_out), board)
    run = Run(config.schedule(), settings, folder, student, objective, group)
    return run.train(on_step)
