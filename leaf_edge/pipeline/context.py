"""What the stages of a pipeline share, and what is wrong with a recipe before any of them has begun."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leaf_edge.calibration.frames import choose
from leaf_edge.export import Budgets
from leaf_edge.pipeline.recipe import PipelineRecipe
from leaf_edge.recipes import RecipeError
from leaf_edge.student.joint_recipe import DistillRecipe
from leaf_edge.student.train import SIZES
from leaf_edge.teacher.interface import Teacher
from leaf_edge.teacher.registry import make_teacher

Told = Callable[[str, int, int], None]
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


class PipelineError(OSError):
    """A stage cannot be done with the inputs that there are. The message says why and what to do."""


@dataclass(frozen=True)
class Context:
    """recipe: as given. root: folder of the stages. told: (what, done, of) of the work in a stage. teacher,
    version: the identity of the labels."""

    recipe: PipelineRecipe
    root: Path
    told: Told
    teacher: str
    version: str

    def distill(self, store: Path) -> DistillRecipe:
        """The recipe of the distillation from this pipeline's labels."""
        distill = self.recipe.distill
        return replace(distill, labels=replace(distill.labels, stores=(store,), teachers=(self.teacher,)))


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Holds the folder for one pipeline; the lock goes with its process. Raises `PipelineError`."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError(
            "a pipeline is one process: start it without torchrun (docs/pipeline.md: several processes)"
        )
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PipelineError(
                f"{root} is in use by another pipeline: wait for it, or give another folder"
            ) from None
        yield


def teacher_of(recipe: PipelineRecipe) -> Teacher:
    """The recipe's teacher, ready to judge. Raises `RecipeError`."""
    try:
        return make_teacher(recipe.teacher.kind, recipe.teacher.options)
    except OSError:
        raise  # a file of the teacher's: the message names it
    except ValueError as error:
        raise RecipeError(f"teacher: {error}") from None


def check(recipe: PipelineRecipe, root: Path) -> None:
    """What would only fail after hours, now. Raises `RecipeError`, and FileNotFoundError for files that the
    recipe names and that are not there."""
    inside = root.resolve()
    for source in map(Path, recipe.frames):
        if not source.exists():
            raise FileNotFoundError(2, "not there; frames expects images, folders and clips", str(source))
        if source.is_dir() and inside.is_relative_to(source.resolve()):
            raise RecipeError(
                f"frames: {source} holds the output folder {root}, whose pictures would be taken for frames"
            )
    distill = recipe.distill
    if distill.size not in SIZES:
        raise RecipeError(f"distill.size is {distill.size!r}; expected one of: {', '.join(SIZES)}")
    for path in weights_of(distill):
        if not path.is_file():
            raise FileNotFoundError(2, "not there; distill names it", str(path))
    budgets_of(recipe)
    clean_of(recipe)


def weights_of(distill: DistillRecipe) -> list[Path]:
    """The files that a distillation reads besides labels and pictures."""
    terms, start = distill.terms, distill.start
    named = (start.student, start.imagenet, terms.level_embeddings, terms.larger, *terms.students)
    return [path for path in named if path is not None]


def budgets_of(recipe: PipelineRecipe) -> Budgets:
    """The budgets of the acceptance. Raises `RecipeError` for one that does not exist."""
    known = list(Budgets.__dataclass_fields__)
    for name, value in recipe.export.budgets.items():
        if name not in known:
            raise RecipeError(f"export.budgets has {name!r}; expected some of: {', '.join(known)}")
        if not value >= 0:
            raise RecipeError(f"export.budgets.{name} is {value}; expected 0 or more")
    return Budgets(**recipe.export.budgets)


def clean_of(recipe: PipelineRecipe) -> list[Path]:
    """The clean pictures of the evaluation; none where the recipe has none. Raises `RecipeError`."""
    folder = recipe.evaluate.clean
    if folder is None:
        return []
    if not folder.is_dir():
        raise RecipeError(f"evaluate.clean is {folder}; expected a folder of clean pictures")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in _PICTURES)
    if not found:
        raise RecipeError(f"evaluate.clean: no picture in {folder}")
    return [found[i] for i in choose(len(found), recipe.evaluate.pictures)]


def write_json(path: Path, value: Any) -> None:
    """Writes atomically."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
