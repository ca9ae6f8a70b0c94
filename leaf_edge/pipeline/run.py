"""The stages of a pipeline, in their order. Each reads what those before it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from leaf_edge.calibration.finetune import features_of
from leaf_edge.calibration.select import calibrate_student, check_on
from leaf_edge.calibration.whole import StoreLabels
from leaf_edge.evaluation.model import CheckpointModel
from leaf_edge.evaluation.response import fault_response
from leaf_edge.frames import read_image
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.pipeline.bundle import export_stage
from leaf_edge.pipeline.context import (
    Context,
    Told,
    alone,
    check,
    clean_of,
    teacher_of,
    weights_of,
    write_json,
)
from leaf_edge.pipeline.labels import label_stage
from leaf_edge.pipeline.ratings import Ratings, among, human_ratings, listed, teacher_ratings
from leaf_edge.pipeline.recipe import PipelineRecipe
from leaf_edge.pipeline.stage import Done, changed, file_digest, stage
from leaf_edge.student.joint_pictures import StorePictures
from leaf_edge.student.joint_run import labels_digest, read_labels, run_distillation
from leaf_edge.student.network import load_checkpoint, save_checkpoint

STAGES = ("label", "distill", "calibrate", "evaluate", "export")


def run_pipeline(
    recipe: PipelineRecipe, root: Path, told: Told = lambda what, done, of: None
) -> Iterator[Done]:
    """Runs the stages in `root`, one at a time as the caller asks for them; the bundle is root/NAME.leaf.

    A stage whose inputs are those of a completed run is skipped; one that was interrupted goes on. told:
    (what, done, of) of the work in a stage. Raises `RecipeError`, `PipelineError`, FileNotFoundError,
    `SourceError`, `CalibrationError` and `RefusedError` (with the report) where a stage cannot be done.
    """
    check(recipe, root)
    rated = human_ratings(recipe.ratings) if recipe.ratings is not None else None
    with alone(root):
        teacher = teacher_of(recipe)
        try:
            context = Context(recipe, root, told, teacher.name, teacher.version)
            labelled = label_stage(context, teacher)
        finally:
            teacher.close()
        yield labelled
        store = labelled.folder / labelled.result["store"]
        distilled = _distill(context, store)
        yield distilled
        ratings = rated or _teacher_ratings(context, store, distilled.folder)
        calibrated = _calibrate(context, store, distilled.folder, ratings)
        yield calibrated
        yield _evaluate(context, calibrated, ratings)
        yield export_stage(context, calibrated, store, ratings)


def _distill(context: Context, store: Path) -> Done:
    recipe = context.distill(store)

    def work(folder: Path) -> dict[str, Any]:
        best = run_distillation(
            recipe,
            folder,
            on_step=lambda p: context.told("distillation", p.step, p.steps),
            told=context.told,
        )
        return {"held_out_srcc": round(best.srcc, 4), "held_out_pictures": best.pictures}

    weights = [file_digest(path) for path in weights_of(recipe)]
    labels = labels_digest(*read_labels(recipe))
    return stage(context.root, "distill", (context.recipe.distill, labels, weights), ("best.pt",), work)


def _teacher_ratings(context: Context, store: Path, distilled: Path) -> Ratings:
    _, held_out = read_labels(context.distill(store))
    none = np.zeros(0, np.int64)
    pictures = StorePictures(held_out.rows, none, None, distilled / "frames")
    pictures.prepare()
    return teacher_ratings(held_out, pictures, distilled / "held-out", context.teacher)


def _calibrate(context: Context, store: Path, distilled: Path, ratings: Ratings) -> Done:
    options, best = context.recipe.calibrate, distilled / "best.pt"

    def work(folder: Path) -> dict[str, Any]:
        labels = StoreLabels(store) if "whole" in options.strategies else None
        result = calibrate_student(load_checkpoint(best), ratings.tune, folder, options, labels, context.told)
        write_json(folder / "calibration.json", result.to_json(options) | {"human": ratings.human})
        save_checkpoint(folder / "student.pt", result.student, calibrated={"strategy": result.strategy})
        features = features_of(result.student, [r.path for r in ratings.check], folder / "features")
        agreement, coverage = check_on(result, features, ratings.check)
        return {
            "strategy": result.strategy,
            "labels": result.labels,
            "human": ratings.human,
            "among_frames": among(ratings, store) if ratings.human else 0,
            "check": agreement,
            "coverage": [row.to_json() for row in coverage],
            "why": result.why,
        }

    rated = listed(ratings.tune), listed(ratings.check), ratings.human
    inputs = (options, file_digest(best), _teaching(context, store), *rated)
    return stage(context.root, "calibrate", inputs, ("student.pt", "calibration.json"), work)


def _teaching(context: Context, store: Path) -> str:
    """Of the labels that anchor a whole fine-tune; nothing where there is none."""
    if "whole" not in context.recipe.calibrate.strategies:
        return ""
    return StoreLabels(store).digest


def _evaluate(context: Context, calibrated: Done, ratings: Ratings) -> Done:
    section, checkpoint = context.recipe.evaluate, calibrated.folder / "student.pt"
    clean = clean_of(context.recipe)

    found = {"agreement": calibrated.result["check"], "human": ratings.human}
    found["among_frames"] = calibrated.result["among_frames"]

    def work(folder: Path) -> dict[str, Any]:
        result = dict(found)
        if clean:
            pictures = [to_rgb(read_image(path)) for path in clean]
            (response,) = fault_response(
                [CheckpointModel(checkpoint)],
                pictures,
                on_picture=lambda done: context.told("faults", done, len(pictures)),
            )
            result["falling"], result["named"] = response.falling, response.named
        write_json(folder / "report.json", result)
        return result

    inputs = (section, file_digest(checkpoint), found, [[str(p), *changed(p)] for p in clean])
    return stage(context.root, "evaluate", inputs, ("report.json",), work)
