"""The stages of a pipeline. Each reads what the one before it wrote, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Licence
from leaf_edge.calibration.finetune import features_of
from leaf_edge.calibration.frames import choose
from leaf_edge.calibration.select import calibrate_student, check_on
from leaf_edge.calibration.whole import StoreLabels
from leaf_edge.evaluation.model import CheckpointModel
from leaf_edge.evaluation.response import fault_response
from leaf_edge.export import About, Budgets, BuildOptions, RefusedError, build_bundle
from leaf_edge.export import Rated as RatedViews
from leaf_edge.frames import read_image
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.pipeline.ratings import Rated, Ratings, human_ratings, teacher_ratings
from leaf_edge.pipeline.recipe import PipelineRecipe
from leaf_edge.pipeline.stage import Done, file_digest, fingerprint, listing, stage
from leaf_edge.recipes import RecipeError
from leaf_edge.student.data import read_rgb, views_of
from leaf_edge.student.joint_pictures import StorePictures
from leaf_edge.student.joint_run import labels_digest, read_labels, run_distillation
from leaf_edge.student.network import load_checkpoint, save_checkpoint
from leaf_edge.teacher.ingest import ingest
from leaf_edge.teacher.labelling import LabelOptions, label
from leaf_edge.teacher.pair_plan import PairPlan
from leaf_edge.teacher.registry import make_teacher
from leaf_edge.teacher.store import LabelStore

STAGES = ("label", "distill", "calibrate", "evaluate", "export")
Told = Callable[[str, int, int], None]
STORE = "labels.sqlite"


@dataclass(frozen=True)
class _Context:
    recipe: PipelineRecipe
    root: Path
    told: Told
    teacher: str
    version: str


def run_pipeline(
    recipe: PipelineRecipe, root: Path, told: Told = lambda what, done, of: None
) -> Iterator[Done]:
    """Runs the stages in `root`, one at a time as the caller asks for them; the bundle is root/NAME.leaf.

    A stage whose inputs are those of a completed run is skipped; one that was interrupted goes on. told:
    (what, done, of) of the work in a stage. Raises `RecipeError`, `SourceError`, `CalibrationError` and
    `RefusedError` (with the report) where a stage cannot be done.
    """
    teacher = _make_teacher(recipe)
    context = _Context(recipe, root, told, teacher.name, teacher.version)
    teacher.close()
    labelled = _label(context)
    yield labelled
    distilled = _distill(context, labelled.folder / STORE)
    yield distilled
    ratings = _ratings(context, labelled.folder / STORE, distilled.folder)
    calibrated = _calibrate(context, labelled.folder / STORE, distilled.folder, ratings)
    yield calibrated
    yield _evaluate(context, calibrated, ratings)
    yield _export(context, calibrated, labelled.folder / STORE, ratings)


def _make_teacher(recipe: PipelineRecipe) -> Any:
    try:
        return make_teacher(recipe.teacher.kind, recipe.teacher.options)
    except ValueError as error:
        raise RecipeError(f"teacher: {error}") from None


def _label(context: _Context) -> Done:
    recipe, section = context.recipe, context.recipe.teacher
    identity = (context.teacher, context.version, section)

    def work(folder: Path) -> dict[str, Any]:
        teacher = _make_teacher(recipe)
        options = LabelOptions(
            points=section.points,
            pairs=section.pairs_per_picture > 0,
            pair_plan=PairPlan(section.pairs_per_picture or 2, section.seed, judged_only=section.points),
            seed=section.seed,
        )
        try:
            with LabelStore(folder / STORE) as store:
                found = ingest(
                    store,
                    recipe.frames,
                    every=recipe.every,
                    on_file=lambda done, of: context.told("files", done, of),
                )
                done = label(
                    store,
                    teacher,
                    options,
                    lambda kind, done, total, failed: context.told(f"{kind} labels", done, total),
                )
                counts = {"points": len(store.points()), "pairs": len(store.pairs())}
        finally:
            teacher.close()
        if not (counts["points"] or counts["pairs"]):
            reason = next(iter(done.failed.values()), "no picture was found")
            raise RecipeError(f"the teacher judged nothing: {reason}")
        return {
            "pictures": done.pictures,
            **counts,
            "failed": len(done.failed),
            "skipped": found.problems[:20],
        }

    inputs = (identity, recipe.every, listing(recipe.frames))
    # new frames are labelled into the same store; another teacher gets a store of its own
    return stage(context.root, "label", inputs, (), work, keep=fingerprint(identity))


def _distill(context: _Context, store: Path) -> Done:
    recipe = _with_store(context, store)
    start = recipe.start.student or recipe.start.imagenet
    larger = [p for p in (recipe.terms.larger, *recipe.terms.students) if p is not None]

    def work(folder: Path) -> dict[str, Any]:
        best = run_distillation(
            recipe,
            folder,
            on_step=lambda p: context.told("distillation", p.step, p.steps),
            told=context.told,
        )
        return {"held_out_srcc": round(best.srcc, 4), "held_out_pictures": best.pictures}

    digests = [file_digest(p) for p in (start, *larger) if p is not None]
    labels = labels_digest(*read_labels(recipe))
    return stage(context.root, "distill", (context.recipe.distill, labels, digests), ("best.pt",), work)


def _with_store(context: _Context, store: Path) -> Any:
    distill = context.recipe.distill
    teachers = distill.labels.teachers or (context.teacher,)
    return replace(distill, labels=replace(distill.labels, stores=(store,), teachers=teachers))


def _ratings(context: _Context, store: Path, distilled: Path) -> Ratings:
    if context.recipe.ratings is not None:
        return human_ratings(context.recipe.ratings)
    _, held_out = read_labels(_with_store(context, store))
    none = np.zeros(0, np.int64)
    pictures = StorePictures(held_out.rows, none, context.recipe.distill.labels.root, distilled / "frames")
    pictures.prepare()
    return teacher_ratings(held_out, pictures, distilled / "held-out", context.teacher)


def _listed(pictures: tuple[Rated, ...]) -> list[Any]:
    return [[str(p.path), p.path.stat().st_size, p.mos] for p in pictures]


def _calibrate(context: _Context, store: Path, distilled: Path, ratings: Ratings) -> Done:
    options, best = context.recipe.calibrate, distilled / "best.pt"

    def work(folder: Path) -> dict[str, Any]:
        labels = StoreLabels(store) if "whole" in options.strategies else None
        result = calibrate_student(load_checkpoint(best), ratings.tune, folder, options, labels, context.told)
        _write_json(folder / "calibration.json", result.to_json(options) | {"human": ratings.human})
        save_checkpoint(folder / "student.pt", result.student, calibrated={"strategy": result.strategy})
        features = features_of(result.student, [r.path for r in ratings.check], folder / "features")
        agreement, coverage = check_on(result, features, ratings.check)
        return {
            "strategy": result.strategy,
            "labels": result.labels,
            "human": ratings.human,
            "check": agreement,
            "coverage": [row.to_json() for row in coverage],
            "why": result.why,
        }

    inputs = (options, file_digest(best), _listed(ratings.tune), _listed(ratings.check), ratings.human)
    return stage(context.root, "calibrate", inputs, ("student.pt", "calibration.json"), work)


def _evaluate(context: _Context, calibrated: Done, ratings: Ratings) -> Done:
    section, checkpoint = context.recipe.evaluate, calibrated.folder / "student.pt"
    clean = _clean(section.clean, section.pictures) if section.clean else []

    def work(folder: Path) -> dict[str, Any]:
        result: dict[str, Any] = {"agreement": calibrated.result["check"], "human": ratings.human}
        if clean:
            pictures = [to_rgb(read_image(path)) for path in clean]
            (response,) = fault_response(
                [CheckpointModel(checkpoint)],
                pictures,
                on_picture=lambda done: context.told("faults", done, len(pictures)),
            )
            result["falling"], result["named"] = response.falling, response.named
        _write_json(folder / "report.json", result)
        return result

    inputs = (section, file_digest(checkpoint), calibrated.result["check"], [str(p) for p in clean])
    return stage(context.root, "evaluate", inputs, ("report.json",), work)


def _clean(folder: Path, most: int) -> list[Path]:
    if not folder.is_dir():
        raise RecipeError(f"evaluate.clean is {folder}; expected a folder of clean pictures")
    found = sorted(
        p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".webp")
    )
    if not found:
        raise RecipeError(f"evaluate.clean: no picture in {folder}")
    return [found[i] for i in choose(len(found), most)]


def _export(context: _Context, calibrated: Done, store: Path, ratings: Ratings) -> Done:
    recipe, section = context.recipe, context.recipe.export
    checkpoint, bundle = calibrated.folder / "student.pt", context.root / f"{context.recipe.name}.leaf"

    def work(folder: Path) -> dict[str, Any]:
        views = _calibration_views(context, store, folder / "frames")
        try:
            _, report = build_bundle(
                load_checkpoint(checkpoint),
                bundle,
                calibration=views,
                fit=RatedViews(_views(ratings.fit), np.array([r.mos for r in ratings.fit])),
                validation=RatedViews(_views(ratings.check), np.array([r.mos for r in ratings.check])),
                about=_about(context, calibrated, ratings),
                options=BuildOptions(
                    budgets=_budgets(section.budgets),
                    coverage=section.coverage,
                    most_float=section.most_float,
                    overwrite=True,
                ),
                say=lambda text: None,
            )
        except RefusedError as error:
            _write_json(folder / "refused.json", error.report.to_dict())
            raise
        _write_json(folder / "report.json", report.to_dict())
        return {"bundle": str(bundle), "manifest": file_digest(bundle / "manifest.json")}

    inputs = (recipe.name, section, file_digest(checkpoint), _listed(ratings.fit), _listed(ratings.check))
    # a bundle that was removed or changed is exported again
    outputs = ("report.json", f"../{bundle.name}/manifest.json")
    return stage(context.root, "export", inputs, outputs, work)


def _calibration_views(context: _Context, store: Path, frames: Path) -> NDArray[np.uint8]:
    """Views of the camera's own frames; of synthetic versions too where the frames are too few."""
    parts = read_labels(_with_store(context, store))
    rows = [row for part in parts for row in part.rows]
    wanted = context.recipe.export.calibration_frames
    camera = [row for row in rows if not row.recipe]
    chosen = [camera[i] for i in choose(len(camera), wanted)]
    versions = [row for row in rows if row.recipe]
    chosen += [versions[i] for i in choose(len(versions), max(0, wanted - len(chosen)))]
    root = context.recipe.distill.labels.root
    pictures = StorePictures(chosen, np.zeros(0, np.int64), root, frames)
    pictures.prepare()
    return np.stack([pictures.plain_views(i) for i in range(len(chosen))])


def _views(pictures: tuple[Rated, ...]) -> NDArray[np.uint8]:
    return np.stack([views_of(read_rgb(p.path)) for p in pictures])


def _budgets(given: Any) -> Budgets:
    try:
        return Budgets(**given)
    except TypeError as error:
        raise RecipeError(f"export.budgets: {error}") from None


def _about(context: _Context, calibrated: Done, ratings: Ratings) -> About:
    section = context.recipe.export
    scale = f"calibrated to {calibrated.result['labels']} ratings by people ({ratings.source})"
    if not ratings.human:
        scale = f"no rating by people: MOS is on the scale of the teacher ({context.teacher})"
    data = section.trained_on or (f"frames labelled by the teacher {context.teacher}", scale)
    licences = tuple(Licence(what, licence) for what, licence in section.licences.items())
    if ratings.human:
        licences += (Licence(ratings.source, ratings.licence),)
    figures = {"validation": calibrated.result["check"], "train": {"strategy": calibrated.result["strategy"]}}
    return About(section.version, data, "", figures, licences)


def _write_json(path: Path, value: Any) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
