"""The last stage: the calibrated student, quantised and accepted, as a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Licence, load_bundle
from leaf_edge.bundle.errors import BundleError
from leaf_edge.calibration.frames import choose
from leaf_edge.export import About, BuildOptions, BuildReport, RefusedError, build_bundle, contact_sheet
from leaf_edge.export import Rated as RatedViews
from leaf_edge.pipeline.context import Context, budgets_of, write_json
from leaf_edge.pipeline.ratings import Rated, Ratings, listed
from leaf_edge.pipeline.stage import Done, file_digest, stage
from leaf_edge.student.data import read_rgb, views_of
from leaf_edge.student.joint_pictures import StorePictures
from leaf_edge.student.joint_run import read_labels
from leaf_edge.student.network import load_checkpoint
from leaf_edge.teacher.rows import PictureRow

REFUSAL = ("refused.json", "worst.png")
"""What a refusal leaves in the folder of its stage: the report, and the frames that INT8 changed most."""


class ExportRefusedError(RefusedError):
    """The export was refused. folder: with the files of `REFUSAL`."""

    def __init__(self, report: BuildReport, folder: Path) -> None:
        super().__init__(report)
        self.folder = folder


def bundle_path(context: Context) -> Path:
    """Where the bundle is written."""
    return context.root / f"{context.recipe.name}.leaf"


def export_stage(context: Context, calibrated: Done, store: Path, ratings: Ratings) -> Done:
    """Writes the bundle, or raises `ExportRefusedError` and writes none."""
    recipe, section = context.recipe, context.recipe.export
    checkpoint, bundle = calibrated.folder / "student.pt", bundle_path(context)
    frames = _calibration_frames(context, store)
    about = _about(context, calibrated, ratings)

    def work(folder: Path) -> dict[str, Any]:
        for name in REFUSAL:
            (folder / name).unlink(missing_ok=True)
        check = _rated_views(ratings.check)
        try:
            _, report = build_bundle(
                load_checkpoint(checkpoint),
                bundle,
                calibration=_frame_views(frames, folder / "frames"),
                fit=_rated_views(ratings.fit),
                validation=check,
                about=about,
                options=BuildOptions(
                    budgets=budgets_of(recipe),
                    coverage=section.coverage,
                    most_float=section.most_float,
                    qat=section.qat,
                    min_coverage=section.min_coverage,
                    accept_on=section.accept_on,
                    overwrite=True,
                ),
                say=lambda text: None,
            )
        except RefusedError as error:
            write_json(folder / REFUSAL[0], error.report.to_dict())
            title = f"{recipe.name}: refused; frames that INT8 changed most"
            contact_sheet(folder / REFUSAL[1], error.report.worst, check.views, title)
            raise ExportRefusedError(error.report, folder) from None
        write_json(folder / "report.json", report.to_dict())
        return {
            "bundle": str(bundle),
            "manifest": file_digest(bundle / "manifest.json"),
            "engines": dict(report.engines),
        }

    inputs = (
        recipe.name,
        section,
        file_digest(checkpoint),
        about,
        [row.sha256 for row in frames],
        listed(ratings.fit),
        listed(ratings.check),
    )
    # a bundle that was removed or changed is exported again
    outputs = ("report.json", f"../{bundle.name}/manifest.json")
    if bundle.exists() and not _whole(bundle):
        (bundle / "manifest.json").unlink(missing_ok=True)
    return stage(context.root, "export", inputs, outputs, work)


def _whole(bundle: Path) -> bool:
    try:
        load_bundle(bundle)
    except (BundleError, OSError):
        return False
    return True


def _calibration_frames(context: Context, store: Path) -> list[PictureRow]:
    """The camera's own frames; synthetic versions too where the frames are too few."""
    rows = [row for part in read_labels(context.distill(store)) for row in part.rows]
    wanted = context.recipe.export.calibration_frames
    camera = [row for row in rows if not row.recipe]
    chosen = [camera[i] for i in choose(len(camera), wanted)]
    versions = [row for row in rows if row.recipe]
    return chosen + [versions[i] for i in choose(len(versions), max(0, wanted - len(chosen)))]


def _frame_views(rows: Sequence[PictureRow], frames: Path) -> NDArray[np.uint8]:
    pictures = StorePictures(rows, np.zeros(0, np.int64), None, frames)
    pictures.prepare()
    return np.stack([pictures.plain_views(i) for i in range(len(rows))])


def _rated_views(pictures: Sequence[Rated]) -> RatedViews:
    views = np.stack([views_of(read_rgb(p.path)) for p in pictures])
    return RatedViews(views, np.array([p.mos for p in pictures]), tuple(str(p.path) for p in pictures))


def _about(context: Context, calibrated: Done, ratings: Ratings) -> About:
    section, found = context.recipe.export, calibrated.result
    scale = f"calibrated to {found['labels']} ratings by people ({ratings.source})"
    if not ratings.human:
        scale = f"no rating by people: MOS is on the scale of the teacher ({context.teacher})"
    data = section.trained_on or (f"frames labelled by the teacher {context.teacher}", scale)
    if found["among_frames"]:
        data += (
            f"{found['among_frames']} rated pictures are among the frames: on others errors may be larger",
        )
    licences = tuple(Licence(what, licence) for what, licence in section.licences.items())
    if ratings.human:
        licences += (Licence(ratings.source, ratings.licence),)
    figures = {"validation": found["check"], "train": {"strategy": found["strategy"]}}
    return About(section.version, data, "", figures, licences)
