"""The recipe of a distillation: everything that its result depends on, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from leaf_edge.student.run import Schedule


@dataclass(frozen=True)
class Start:
    """Where the weights come from: `imagenet` (weights of the backbone, see docs/training.md) or `student`
    (a checkpoint; a larger one is cut to size). Neither: random weights, for tests."""

    imagenet: Path | None = None
    student: Path | None = None

    def __post_init__(self) -> None:
        if self.imagenet is not None and self.student is not None:
            raise ValueError("give imagenet or student, not both")


@dataclass(frozen=True)
class Labels:
    """stores: label stores to learn from. teachers: names to believe (default: all). root: folder of the
    relative paths in the stores. held_out: share of the scenes that only measure."""

    stores: tuple[Path, ...] = ()
    teachers: tuple[str, ...] = ()
    root: Path | None = None
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 0.9:
            raise ValueError(f"held_out is {self.held_out}; expected more than 0 and less than 0.9")


@dataclass(frozen=True)
class BatchSizes:
    """pictures: with point labels. pairs: of two pictures. chains: synthetic, of 4 versions of a picture that
    the teacher finds clean."""

    pictures: int = 16
    pairs: int = 6
    chains: int = 2

    def __post_init__(self) -> None:
        if min(self.pictures, self.pairs, self.chains) < 0 or self.pictures + self.pairs < 1:
            raise ValueError("expected counts from 0, and at least one picture or pair")


@dataclass(frozen=True)
class Terms:
    """Weights of the terms; 0 leaves one out. reliability: whether labels count by it. pair_model: fidelity,
    thurstone or bradley-terry. align: contrast with `level_embeddings` (a .npy of [5, D], excellent first).
    features: match the joined features of `larger`, a trained student. students, board: how much the mean of
    these trained students teaches (quality and faults), beside the store's labels."""

    distribution: float = 1.0
    expectation: float = 1.0
    pair: float = 1.0
    pair_model: Literal["fidelity", "thurstone", "bradley-terry"] = "fidelity"
    reliability: bool = True
    faults: float = 2.0
    order: float = 5.0
    align: float = 0.0
    level_embeddings: Path | None = None
    features: float = 0.0
    larger: Path | None = None
    board: float = 0.0
    students: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        weights = (self.distribution, self.expectation, self.pair, self.faults, self.order)
        if min(*weights, self.align, self.features, self.board) < 0:
            raise ValueError("weights of terms must not be negative")
        if not any((self.distribution, self.expectation, self.pair)):
            raise ValueError("all terms of the teacher's labels are 0: nothing to learn from")
        for weight, file, names in (
            (self.align, self.level_embeddings, "align needs level_embeddings"),
            (self.features, self.larger, "features needs larger"),
            (self.board, self.students, "board needs students"),
        ):
            if weight and not file:
                raise ValueError(names)


@dataclass(frozen=True)
class DistillRecipe:
    """size: of the student (leaf-s, leaf-m, leaf-l). views: both, global or fragments. backbone: `train`, or
    `frozen`: only the layers behind the pooled features learn, on features that are computed once for
    `variants` augmented versions of each picture (minutes instead of hours; a little less accurate)."""

    size: str = "leaf-s"
    views: Literal["both", "global", "fragments"] = "both"
    backbone: Literal["train", "frozen"] = "train"
    variants: int = 4
    start: Start = field(default_factory=Start)
    labels: Labels = field(default_factory=Labels)
    batch: BatchSizes = field(default_factory=BatchSizes)
    terms: Terms = field(default_factory=Terms)
    schedule: Schedule = field(default_factory=Schedule)
    tensorboard: bool = True

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise ValueError(f"variants is {self.variants}; expected 1 or more")
        if self.backbone == "frozen" and (self.terms.features or self.terms.board):
            raise ValueError(
                "students judge views, which a frozen backbone's run does not keep: set "
                "features and board to 0, or backbone to train"
            )
