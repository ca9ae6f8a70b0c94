"""A distillation from its recipe to its checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leaf_edge.evaluation.metrics import Agreement
from leaf_edge.recipes import RecipeError, as_plain, dump_recipe
from leaf_edge.student.distil import Teachers
from leaf_edge.student.group import Group
from leaf_edge.student.initial import load_imagenet
from leaf_edge.student.joint import Extras, JointBatches, JointObjective, Pictures, check_measurable
from leaf_edge.student.joint_losses import Alignment, FeatureMatch
from leaf_edge.student.joint_pictures import (
    FeaturePictures,
    StorePictures,
    clean_pictures,
    compute_features,
    pooled,
)
from leaf_edge.student.joint_recipe import DistillRecipe, Terms
from leaf_edge.student.network import CheckpointError, Student, StudentConfig, load_checkpoint
from leaf_edge.student.run import Progress, Run
from leaf_edge.student.shrink import shrink_from
from leaf_edge.student.teacher_labels import TeacherLabels, from_store
from leaf_edge.student.train import SHRINK_PICTURES, SIZES, predict
from leaf_edge.teacher.store import LabelStore

Told = Callable[[str, int, int], None]
_MEASURED = 1000
"""Held-out pictures that are measured on, at most: their views stay in memory."""
_BANK = 320
"""Chains whose features are computed once, for a frozen backbone."""


def read_labels(recipe: DistillRecipe) -> tuple[TeacherLabels, TeacherLabels]:
    """(training, held out) labels of a recipe's stores. Raises `RecipeError` where there are none, and
    FileNotFoundError for a store that is not there."""
    if not recipe.labels.stores:
        raise RecipeError("the recipe names no label store: set labels.stores")
    stores = [LabelStore(path, create=False) for path in recipe.labels.stores]
    try:
        labels = from_store(stores, recipe.labels.teachers)
    except ValueError as error:
        raise RecipeError(str(error)) from None
    finally:
        for store in stores:
            store.close()
    training, held_out = labels.split(recipe.labels.held_out)
    keep = np.cumsum(held_out.pointed | _in_pairs(held_out)) <= _MEASURED
    return training, held_out.subset(keep & (held_out.pointed | _in_pairs(held_out)))


def _in_pairs(labels: TeacherLabels) -> NDArray[np.bool_]:
    used = np.zeros(len(labels.keys), bool)
    used[labels.pairs.ravel()] = True
    return used


def labels_digest(*labels: TeacherLabels) -> str:
    """SHA-256 over labels, so that a run does not go on with others."""
    digest = hashlib.sha256()
    for part in labels:
        digest.update("\n".join(part.keys).encode())
        for array in (part.levels, part.reliability, part.faults, part.pairs, part.preference):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(np.ascontiguousarray(part.pair_reliability).tobytes())
    return digest.hexdigest()


def start_student(recipe: DistillRecipe, views: Callable[[int], NDArray[np.uint8]]) -> Student:
    """The student that a recipe starts from. views: of that many labelled pictures, to cut a larger one by.
    Raises `RecipeError` where the weights do not fit."""
    if recipe.size not in SIZES:
        raise RecipeError(f"size is {recipe.size!r}; expected one of: {', '.join(SIZES)}")
    torch.manual_seed(recipe.schedule.seed)
    student = Student(StudentConfig(**{**asdict(SIZES[recipe.size]), "views": recipe.views}))
    if recipe.start.imagenet is not None:
        load_weights(student, recipe.start.imagenet)
    elif recipe.start.student is not None:
        start = trained_student(recipe.start.student)
        if start.config == student.config:
            student.load_state_dict(start.state_dict())
        else:
            try:
                shrink_from(student, start, views(SHRINK_PICTURES))
            except ValueError as error:
                raise RecipeError(f"start.student is {recipe.start.student}: {error}") from None
    return student.channels_last()


def load_weights(student: Student, path: Path) -> None:
    """`load_imagenet`, for weights that a recipe names. Raises `RecipeError` where they do not fit."""
    try:
        load_imagenet(student, path)
    except OSError:
        raise
    except Exception as error:  # damaged files raise errors of several libraries
        raise RecipeError(f"{path} cannot be started from: {str(error).splitlines()[0]}") from None


def trained_student(path: Path) -> Student:
    """A student that a recipe names. Raises `RecipeError` for a file that is none."""
    try:
        return load_checkpoint(path)
    except CheckpointError as error:
        raise RecipeError(str(error)) from None


def _extras(terms: Terms, student: Student, larger: Student | None) -> Extras | None:
    joint = student.config.joint
    align = None
    if terms.align and terms.level_embeddings is not None:
        try:
            embeddings = np.load(terms.level_embeddings, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise RecipeError(f"{terms.level_embeddings} is not a .npy array: {error}") from None
        try:
            align = Alignment(joint, torch.from_numpy(np.asarray(embeddings, np.float32)))
        except ValueError as error:
            raise RecipeError(f"{terms.level_embeddings}: {error}") from None
    match = FeatureMatch(joint, larger.config.joint) if larger is not None else None
    return Extras(align, match) if align is not None or match is not None else None


def run_distillation(
    recipe: DistillRecipe,
    folder: Path,
    *,
    on_step: Callable[[Progress], None] = lambda progress: None,
    told: Told = lambda what, done, of: None,
) -> Agreement:
    """Runs a recipe in `folder` (see `Run`; `recipe.yaml` there is the effective recipe), or goes on with it.

    told: (what, done, of) while pictures are prepared. Returns the agreement with held-out labels of the best
    epoch. Raises `RecipeError` for recipes and labels that cannot be used, `SourceError` for pictures.
    """
    group = Group.from_environment()
    training, held_out = read_labels(recipe)
    check_measurable(held_out)
    clean = clean_pictures(training)
    if recipe.batch.chains and not len(clean):
        raise RecipeError("without point labels no picture is known to be clean: set batch.chains to 0")
    pictures = StorePictures(training.rows, clean, recipe.labels.root, folder / "frames")
    measured = StorePictures(held_out.rows, clean[:0], recipe.labels.root, folder / "frames")
    if group.first:
        for part in (pictures, measured):
            part.prepare(lambda done, of: told("frames of clips", done, of))
    group.agreed(None)  # the others wait for the frames
    student = start_student(recipe, lambda count: _some_views(pictures, count, recipe.schedule.seed))
    plain = np.stack([measured.plain_views(i) for i in range(len(measured.rows))])
    larger = trained_student(recipe.terms.larger) if recipe.terms.features and recipe.terms.larger else None
    board = Teachers([trained_student(p) for p in recipe.terms.students]) if recipe.terms.board else None
    source: Pictures = pictures
    if recipe.backbone == "frozen":
        source = _features(recipe, folder, student, pictures, labels_digest(training), group, told)
        known = pooled(student, plain)

        def measure(student: Student) -> NDArray[np.float32]:
            with torch.inference_mode():
                features = torch.from_numpy(known).float().to(student.mos.weight.device)
                return student.join(features).mos.cpu().numpy()
    else:

        def measure(student: Student) -> NDArray[np.float32]:
            return predict(student, plain)

    objective = JointObjective(
        JointBatches(training, source, recipe.batch, recipe.schedule.seed),
        recipe.terms,
        held_out,
        measure,
        _extras(recipe.terms, student, larger),
        larger,
        board,
        ahead=recipe.backbone == "train",
    )
    settings = {"recipe": _lasting(recipe), "labels": labels_digest(training, held_out)}
    try:
        run = Run(recipe.schedule, settings, folder, student, objective, group, recipe.tensorboard)
    except ValueError as error:  # the folder's run has other settings
        raise RecipeError(str(error)) from None
    if group.first:
        (folder / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    return run.train(on_step)


def _lasting(recipe: DistillRecipe) -> dict[str, Any]:
    """What of a recipe the result depends on: not where the labels lie (their content is told apart), nor
    whether curves are drawn."""
    plain: dict[str, Any] = as_plain(recipe)
    del plain["labels"]["stores"], plain["labels"]["root"], plain["tensorboard"]
    return plain


def _some_views(pictures: StorePictures, count: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(pictures.rows))[:count]
    return np.stack([pictures.views(int(i), rng) for i in chosen])


def _features(
    recipe: DistillRecipe,
    folder: Path,
    student: Student,
    pictures: StorePictures,
    digest: str,
    group: Group,
    told: Told,
) -> FeaturePictures:
    """Features of this recipe's backbone and pictures, from the folder where they are there already."""
    weights = hashlib.sha256(digest.encode())
    for value in student.state_dict().values():
        weights.update(value.numpy().tobytes())
    name = f"features-{weights.hexdigest()[:16]}-{recipe.variants}-{recipe.schedule.seed}.npz"
    path = folder / name
    if group.first and not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        chains = _BANK if recipe.batch.chains else 0
        compute_features(
            student,
            pictures,
            recipe.variants,
            chains,
            recipe.schedule.seed,
            lambda done, of: told("features", done, of),
        ).save(path)
    group.agreed(None)
    return FeaturePictures.load(path)
