"""A small world for pipelines: frames and ratings that are made here, a tiny student, a recipe of seconds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from leaf_edge.pipeline.recipe import PipelineRecipe
from leaf_edge.pipeline.run import run_pipeline
from leaf_edge.pipeline.stage import Done
from leaf_edge.recipes import parse
from leaf_edge.student.network import StudentConfig


class Ran(NamedTuple):
    """A pipeline that ran to its end in `root`."""

    recipe: dict[str, Any]
    root: Path
    stages: list[Done]


TINY = StudentConfig(0.25, 2, 32, 16)
BANK = 6
LOOSE = {
    # a student of a few seconds and a few dozen pictures: what is tested is the pipeline, not its quality
    "srcc_loss": 1.0,
    "mos_mean": 4.0,
    "mos_max": 4.0,
    "fault_mean": 1.0,
    "flips": 1.0,
    "pair_mean": 4.0,
    "pair_max": 4.0,
    "pair_flips": 1.0,
}


def picture(seed: int, blur: float = 0.0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Blobs and edges, uint8 [96, 112, 3]."""
    rng = np.random.default_rng([11, seed])
    coarse = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    image = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
    image = cv2.GaussianBlur(image, (0, 0), 1.0)
    grain = np.kron(rng.integers(-20, 21, (48, 56, 3)), np.ones((2, 2, 1), np.int64))
    image = np.clip(image.astype(np.int64) + grain, 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(image, (0, 0), blur) if blur else image


def make_frames(folder: Path, count: int = 12) -> Path:
    """Clean frames."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i:02}.png"), picture(i))
    return folder


def make_ratings(folder: Path, scenes: int = 12, each: int = 5) -> Path:
    """A plain CSV: `scenes` of `each` pictures that differ in blur, rated by it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file,mos,group"]
    for scene in range(scenes):
        for k in range(each):
            name = f"{scene:02}-{k}.png"
            cv2.imwrite(str(folder / name), picture(100 + scene, 0.9 * k))
            lines.append(f"{name},{4.6 - 0.7 * k + 0.03 * scene:.2f},scene{scene}")
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    return folder / "ratings.csv"


def recipe_of(frames: Path, start: Path, ratings: Path | None = None) -> dict[str, Any]:
    """The recipe as YAML has it."""
    recipe: dict[str, Any] = {
        "name": "tiny",
        "frames": [str(frames)],
        "teacher": {"kind": "reference", "options": {"per_picture": 16}, "pairs_per_picture": 2},
        "distill": {
            "size": "leaf-s",
            "backbone": "frozen",
            "variants": 1,
            "start": {"student": str(start)},
            "labels": {"held_out": 0.4},
            "batch": {"pictures": 16, "pairs": 4, "chains": 1},
            "schedule": {"epochs": 2, "warmup": 2, "precision": "fp32"},
            "tensorboard": False,
        },
        "calibrate": {"strategies": ["map", "head"], "folds": 3, "chains": 8, "head_steps": 5},
        "evaluate": {"clean": str(frames), "pictures": 1},
        "export": {"calibration_frames": 24, "most_float": 0, "budgets": dict(LOOSE)},
    }
    if ratings is not None:
        recipe["ratings"] = {"data": str(ratings)}
    return recipe


def changed_by(recipe: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with other values; keys are paths with dots."""
    copy: dict[str, Any] = json.loads(json.dumps(recipe))
    for path, value in changes.items():
        *parents, last = path.split(".")
        inner = copy
        for name in parents:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return copy


def run_all(recipe: dict[str, Any], root: Path) -> list[Done]:
    """All stages."""
    return list(run_pipeline(parse(recipe, PipelineRecipe), root))


def ran(stages: list[Done]) -> list[str]:
    """Those that were not skipped."""
    return [done.name for done in stages if not done.skipped]


def hashes(bundle: Path) -> dict[str, str]:
    """SHA-256 of every file of a bundle."""
    files = sorted(p for p in bundle.rglob("*") if p.is_file())
    return {str(p.relative_to(bundle)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
