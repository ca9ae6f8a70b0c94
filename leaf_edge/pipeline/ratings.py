"""Which rated pictures do what: some are learnt from, some fit the curve, some only measure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaf_edge.datasets.rated import open_rated
from leaf_edge.pipeline.recipe import RatingsSection
from leaf_edge.pipeline.stage import changed, file_digest
from leaf_edge.recipes import RecipeError
from leaf_edge.student.joint_pictures import StorePictures
from leaf_edge.student.teacher_labels import TeacherLabels
from leaf_edge.teacher.store import LabelStore

LEAST = 40
"""Ratings with which a pipeline can calibrate, fit a curve and measure, apart from each other."""


@dataclass(frozen=True)
class Rated:
    """A picture with its MOS (1..5); of a teacher's, with the expected quality on that scale. made: written
    by the pipeline."""

    path: Path
    mos: float
    subset: str
    group: str
    made: bool = False


@dataclass(frozen=True)
class Ratings:
    """tune: to calibrate the student on. fit: for curve and interval of the quantised network. check:
    measures. human: whether people rated; source, licence: of the ratings."""

    tune: tuple[Rated, ...]
    fit: tuple[Rated, ...]
    check: tuple[Rated, ...]
    human: bool
    source: str
    licence: str


def human_ratings(section: RatingsSection) -> Ratings:
    """The ratings of a recipe in three parts, scenes kept together: half, a quarter, a quarter. An official
    test side stays untouched. Raises `RatedSetError` and `RecipeError`."""
    found = open_rated(section.data)
    samples = [s for s in found.samples if s.split != "test"]
    if section.labels:
        if section.labels > len(samples):
            raise RecipeError(f"ratings.labels is {section.labels}; {section.data} has {len(samples)}")
        order = np.random.default_rng(section.seed).permutation(len(samples))
        samples = [samples[i] for i in sorted(order[: section.labels].tolist())]
    if len(samples) < LEAST:
        raise RecipeError(f"{len(samples)} ratings are too few for a pipeline; expected at least {LEAST}")
    rated = [Rated(s.path, s.mos, s.subset, s.group or str(s.path)) for s in samples]
    return _thirds(rated, True, found.name, found.licence)


def teacher_ratings(held_out: TeacherLabels, pictures: StorePictures, folder: Path, name: str) -> Ratings:
    """Pictures that the teacher judged and distillation held out, written to `folder`, where nobody rated:
    their expected quality takes the place of MOS."""
    import cv2

    pointed = [int(i) for i in np.flatnonzero(held_out.pointed)]
    if len(pointed) < LEAST:
        raise RecipeError(
            f"the teacher judged {len(pointed)} held-out pictures; a calibration to its scale needs {LEAST}: "
            "label more frames, or give ratings"
        )
    folder.mkdir(parents=True, exist_ok=True)
    rated = []
    for i in pointed:
        path = folder / f"{held_out.keys[i]}.png"
        if not path.exists():
            part = path.with_suffix(".part.png")
            if not cv2.imwrite(str(part), pictures.rgb(i)[..., ::-1]):
                raise OSError(28, "a picture could not be written", str(part))
            part.replace(path)
        mos = 1 + 4 * float(held_out.quality[i])
        rated.append(Rated(path, mos, "", held_out.groups[i], made=True))
    return _thirds(rated, False, name, "of the frames")


def listed(pictures: Sequence[Rated]) -> list[Any]:
    """What tells that ratings are others: of each picture path, size, time of change and MOS; of a teacher's
    held-out picture, which is made here and named by its identity, that name."""
    return [[p.path.name if p.made else [str(p.path), *changed(p.path)], p.mos] for p in pictures]


def among(ratings: Ratings, store: Path) -> int:
    """How many rated pictures are among the labelled frames, which a student is distilled on."""
    with LabelStore(store, create=False) as labels:
        frames = {row.sha256 for row in labels.pictures()}
    rated = (*ratings.tune, *ratings.fit, *ratings.check)
    return sum(file_digest(picture.path) in frames for picture in rated)


def _thirds(rated: list[Rated], human: bool, source: str, licence: str) -> Ratings:
    """Whole groups to the side that has most room left, in an order that only their names decide."""
    groups: dict[str, list[Rated]] = {}
    for picture in rated:
        groups.setdefault(picture.group, []).append(picture)
    order = sorted(groups, key=lambda g: hashlib.sha256(g.encode()).hexdigest())
    sides: list[list[Rated]] = [[], [], []]
    for group in order:
        room = [share * len(rated) - len(side) for share, side in zip((0.5, 0.25, 0.25), sides, strict=True)]
        sides[int(np.argmax(room))] += groups[group]
    if min(map(len, sides)) < LEAST // 4:
        raise RecipeError(
            f"the rated pictures are of {len(groups)} scenes only, which cannot be kept apart: "
            f"{', '.join(str(len(side)) for side in sides)} pictures to calibrate, fit and check"
        )
    return Ratings(tuple(sides[0]), tuple(sides[1]), tuple(sides[2]), human, source, licence)
