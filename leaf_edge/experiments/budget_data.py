"""Features and simulated labels of rated photographs: all that a budget experiment trains on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS, mos_to_unit
from leaf_edge.datasets.biq2021 import Sample
from leaf_edge.experiments.budget_recipe import BudgetRecipe, Method
from leaf_edge.student.joint_pictures import FeaturePictures, StorePictures, compute_features, pooled
from leaf_edge.student.network import Student
from leaf_edge.student.teacher_labels import TeacherLabels
from leaf_edge.teacher.judgment import PointJudgment
from leaf_edge.teacher.normal_levels import normal_levels
from leaf_edge.teacher.picture_features import picture_features
from leaf_edge.teacher.pictures import file_sha256
from leaf_edge.teacher.rows import PictureRow
from leaf_edge.teacher.sampling import estimate, sample_pairs
from leaf_edge.teacher.simulation import SimulationConfig, fit

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Photographs:
    """Rated photographs of one side of the split. mos: 1..5 [N]. look: features of the simulated teacher's
    bias [N, F]. plain: pooled features of the runtime's views, float16 [N, 2, head]."""

    samples: tuple[Sample, ...]
    rows: tuple[PictureRow, ...]
    mos: NDArray[np.float64]
    look: NDArray[np.float64]
    plain: NDArray[np.float16]

    @property
    def unit(self) -> NDArray[np.float32]:
        """MOS as raw quality, 0..1."""
        return np.array([mos_to_unit(m) for m in self.mos], np.float32)

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Of the simulated teacher's draws."""
        return np.array([int(row.sha256[:16], 16) for row in self.rows], np.uint64)


def photographs(
    samples: list[Sample], student: Student, cache: Path, told: Told = lambda done, of: None
) -> Photographs:
    """Rows, looks and plain features of photographs, kept in the file `cache`."""
    rows = [PictureRow(file_sha256(s.path), str(s.path)) for s in samples]
    pictures = StorePictures(rows, np.zeros(0, np.int64), None, cache.parent)
    if not cache.exists():
        look, plain = [], []
        for i in range(len(rows)):
            look.append(picture_features(pictures.rgb(i)))
            plain.append(pooled(student, pictures.plain_views(i)[None])[0])
            told(i + 1, len(rows))
        part = cache.with_suffix(".part.npz")
        np.savez(part, look=np.array(look), plain=np.array(plain))
        part.replace(cache)
    with np.load(cache) as data:
        return Photographs(
            tuple(samples), tuple(rows), np.array([s.mos for s in samples]), data["look"], data["plain"]
        )


def training_features(
    recipe: BudgetRecipe, student: Student, of: Photographs, cache: Path, told: Told = lambda done, of: None
) -> FeaturePictures:
    """Features of augmented versions and of chains. A chain starts at a photograph that a simulated teacher
    finds good (its seed is 0): no rating is used."""
    if not cache.exists():
        labels = simulated_labels(recipe, Method(), of, 0)
        clean = np.flatnonzero(labels.quality >= np.quantile(labels.quality, 0.8))
        pictures = StorePictures(of.rows, clean, None, cache.parent)
        compute_features(student, pictures, recipe.variants, recipe.chains, 0, told).save(cache)
    return FeaturePictures.load(cache)


def simulated_labels(recipe: BudgetRecipe, method: Method, of: Photographs, seed: int) -> TeacherLabels:
    """What a simulated teacher of this seed says of photographs and of pairs of them."""
    settings: dict[str, Any] = dict(recipe.teacher)
    config = SimulationConfig(seed=seed, honest=method.honest, **settings)
    teacher = fit(of.mos, of.look, of.keys, config)
    points = teacher.points(of.mos, of.look, of.keys)
    n = len(of.mos)
    names = [row.sha256 for row in of.rows]
    judged = {
        name: estimate(PointJudgment(tuple(map(float, p / p.sum())), float(r)))
        for name, p, r in zip(names, points.levels, points.reliability, strict=True)
    }
    known = judged if recipe.pairing == "informative" else {}  # without estimates all pictures are alike
    chosen = sample_pairs(names, known, recipe.pairs_per_picture, seed=seed) if method.pairs else []
    place = {name: i for i, name in enumerate(names)}
    pairs = np.array([[place[a], place[b]] for a, b in chosen], np.int64).reshape(-1, 2)
    a, b = pairs.T
    sides = ((of.mos[i], of.look[i], of.keys[i]) for i in (a, b))
    told = teacher.pairs(*sides)
    levels = points.levels.astype(np.float32)
    if not method.points:
        levels = np.full_like(levels, np.nan)
    return TeacherLabels(
        tuple(names),
        levels,
        points.reliability.astype(np.float32),
        np.full((n, len(FAULTS)), np.nan, np.float32),
        pairs,
        ((told.forward + told.backward) / 2).astype(np.float32),
        told.reliability.astype(np.float32),
        tuple(s.group for s in of.samples),
    )


def averaged(labels: TeacherLabels, quality: NDArray[np.float64], deviation: float = 0.11) -> TeacherLabels:
    """Labels whose expected quality is the mean of the teacher's and a student's `quality` [N] (raw), as
    distributions of one width; the pairs stay the teacher's."""
    mean = (labels.quality.astype(np.float64) + quality) / 2
    levels = normal_levels(1 + 4 * np.clip(mean, 0, 1), 4 * deviation)
    return replace(labels, levels=levels.astype(np.float32))
