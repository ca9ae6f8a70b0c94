"""A small world for distillation: pictures that differ in blur, labels that know it, a tiny size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from leaf_edge.student.network import StudentConfig
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.pictures import file_sha256
from leaf_edge.teacher.rows import PictureRow
from leaf_edge.teacher.store import LabelStore

TINY = StudentConfig(0.25, 2, 32, 16)
TEACHER, VERSION = "test:blur", "1"


def make_pictures(folder: Path, count: int = 40) -> list[Path]:
    """Coarse noise under eight strengths of blur."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = []
    for i in range(count):
        image = np.kron(rng.integers(0, 256, (18, 20, 3), dtype=np.uint8), np.ones((4, 4, 1), np.uint8))
        path = folder / f"{i:02}.png"
        cv2.imwrite(str(path), cv2.GaussianBlur(image, (0, 0), 0.3 + (i % 8) * 0.7))
        paths.append(path)
    return paths


def quality_of(path: Path) -> float:
    """0 (most blur) to 1, as the labels know it."""
    return 1 - (int(path.stem) % 8) / 7


def make_store(path: Path, pictures: list[Path], points: bool = True, pairs: bool = True) -> Path:
    """Labels of `pictures` by their blur; pairs of neighbours in the list."""
    with LabelStore(path) as store:
        keys = []
        for picture in pictures:
            keys.append(file_sha256(picture))
            store.add_pictures([PictureRow(keys[-1], str(picture), width=80, height=72)])
        if points:
            store.put_points(
                TEACHER,
                VERSION,
                [(k, PointJudgment.of(_levels(quality_of(p)))) for k, p in zip(keys, pictures, strict=True)],
            )
        if pairs:
            told = []
            for a in range(len(keys)):
                b = (a + 3) % len(keys)
                gap = quality_of(pictures[a]) - quality_of(pictures[b])
                p = float(1 / (1 + np.exp(-6 * gap)))
                told.append((keys[a], keys[b], PairJudgment.of(p, p)))
            store.put_pairs(TEACHER, VERSION, told)
    return path


def _levels(quality: float) -> list[float]:
    distance = np.abs(np.array([1, 0.75, 0.5, 0.25, 0]) - quality)
    weights = np.exp(-((distance / 0.15) ** 2))
    return [float(w) for w in weights / weights.sum()]
