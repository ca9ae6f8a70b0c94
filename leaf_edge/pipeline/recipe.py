"""The recipe of a pipeline: everything that the bundle depends on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from leaf_edge.calibration.frames import MIN_COVERAGE, MIN_FRAMES
from leaf_edge.calibration.strategies import CalibrateOptions
from leaf_edge.student.joint_recipe import DistillRecipe

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class TeacherSection:
    """kind: transformers, openai, reference or simulated; options: its own (see docs/teachers.md).
    pairs_per_picture: pairs that a picture is in; 0 makes none. points: whether pictures are judged alone.
    seed: of synthetic versions and of the choice of pairs."""

    kind: Literal["transformers", "openai", "reference", "simulated"]
    options: Mapping[str, Any] = field(default_factory=dict)
    points: bool = True
    pairs_per_picture: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pairs_per_picture < 0 or self.pairs_per_picture == 1:
            raise ValueError(f"pairs_per_picture is {self.pairs_per_picture}; expected 0, or 2 or more")
        if not (self.points or self.pairs_per_picture):
            raise ValueError("neither points nor pairs are wanted")


@dataclass(frozen=True)
class RatingsSection:
    """data: a set of rated pictures (any that `leaf-edge evaluate` reads). labels: how many of them may be
    used in all, drawn by `seed`; 0 takes every one. A quarter of those measures only, and another quarter
    fits the curve of the quantised network."""

    data: Path
    labels: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.labels < 0:
            raise ValueError(f"labels is {self.labels}; expected 0 (all) or more")


@dataclass(frozen=True)
class EvaluateSection:
    """clean: clean pictures, on which the response to each synthetic fault is measured; pictures: of them, at
    most."""

    clean: Path | None = None
    pictures: int = 8

    def __post_init__(self) -> None:
        if self.pictures < 1:
            raise ValueError(f"pictures is {self.pictures}; expected 1 or more")


@dataclass(frozen=True)
class ExportSection:
    """version: of the bundle. calibration_frames: of the unlabelled frames, for INT8. coverage: of the
    interval. most_float: layers that may stay in float where a budget breaks; qat: steps of fine-tuning
    before that. min_coverage: share of the pictures that measure with a calibration frame like them.
    accept_on: engine of the `trt` encoding. budgets: of the acceptance, by name (`leaf_edge.export.Budgets`),
    where they differ. trained_on, licences: for the card."""

    version: str = "1.0.0"
    calibration_frames: int = 128
    coverage: float = 0.9
    most_float: int = 4
    qat: int = 0
    min_coverage: float = MIN_COVERAGE
    accept_on: Literal["auto", "tensorrt", "onnxruntime"] = "auto"
    budgets: Mapping[str, float] = field(default_factory=dict)
    trained_on: tuple[str, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.version.strip():
            raise ValueError("version is empty; expected a text such as 1.0.0")
        if self.calibration_frames < MIN_FRAMES:
            raise ValueError(
                f"calibration_frames is {self.calibration_frames}; expected {MIN_FRAMES} or more"
            )
        if not 0 < self.coverage < 1 or self.most_float < 0:
            raise ValueError(
                f"coverage is {self.coverage}, most_float {self.most_float}; "
                "expected a share between 0 and 1, and 0 or more layers"
            )
        if not 0 <= self.min_coverage <= 1 or self.qat < 0:
            raise ValueError(
                f"min_coverage is {self.min_coverage}, qat {self.qat}; "
                "expected a share, 0 to 1, and 0 or more steps"
            )


@dataclass(frozen=True)
class PipelineRecipe:
    """name: of the bundle (`NAME.leaf`). frames: unlabelled images, folders and clips; every: of clips, each
    N-th frame from the first. ratings: human MOS; without it the scale of MOS is the teacher's."""

    name: str
    frames: tuple[str, ...]
    teacher: TeacherSection
    every: int = 1
    distill: DistillRecipe = field(default_factory=DistillRecipe)
    ratings: RatingsSection | None = None
    calibrate: CalibrateOptions = field(default_factory=CalibrateOptions)
    evaluate: EvaluateSection = field(default_factory=EvaluateSection)
    export: ExportSection = field(default_factory=ExportSection)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name is {self.name!r}; expected lower case, digits, . _ -")
        if not self.frames or self.every < 1:
            raise ValueError("expected frames to label, and every of 1 or more")
        labels = self.distill.labels
        if labels.stores or labels.root or labels.teachers:
            raise ValueError(
                "stores, teachers and root of distill.labels are the pipeline's own: leave them out"
            )
