"""The stage that labels, and which of the labels are of the frames that there are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leaf_edge.pipeline.context import Context, PipelineError
from leaf_edge.pipeline.stage import Done, fingerprint, frame_files, listing, stage
from leaf_edge.teacher.ingest import ingest
from leaf_edge.teacher.interface import Teacher
from leaf_edge.teacher.labelling import LabelOptions, label
from leaf_edge.teacher.pair_plan import PairPlan
from leaf_edge.teacher.pictures import file_sha256, frame_sha256
from leaf_edge.teacher.rows import PictureRow
from leaf_edge.teacher.store import LabelStore

STORE = "labels.sqlite"
_CURRENT = "current.sqlite"
_LOST = 0.01
"""Share of the judgments that may fail for now, a server being away, before the pipeline stops."""


def label_stage(context: Context, teacher: Teacher) -> Done:
    """Labels the frames. The result's `store` is the file of it that the further stages read.

    Raises `PipelineError` where nothing was judged, or too much failed for now.
    """
    recipe, section = context.recipe, context.recipe.teacher
    identity = (context.teacher, context.version, section)

    def work(folder: Path) -> dict[str, Any]:
        options = LabelOptions(
            points=section.points,
            pairs=section.pairs_per_picture > 0,
            pair_plan=PairPlan(section.pairs_per_picture or 2, section.seed, judged_only=section.points),
            seed=section.seed,
        )
        with LabelStore(folder / STORE) as store:
            found = ingest(
                store, recipe.frames, every=recipe.every, on_file=lambda n, of: context.told("files", n, of)
            )
            label(
                store,
                teacher,
                options,
                lambda kind, done, total, failed: context.told(f"{kind} labels", done, total),
            )
        name = current_store(folder, recipe.frames, recipe.every)
        with LabelStore(folder / name) as store:
            counts = {
                "pictures": len(store.pictures()),
                "points": len(store.points()),
                "pairs": len(store.pairs()),
            }
            known = {row.sha256 for row in store.pictures()}
        with LabelStore(folder / STORE) as store:
            failed = [
                row
                for row in store.failures(context.teacher, context.version)
                if known.issuperset(row.key.split(" "))
            ]
        made = counts["points"] + counts["pairs"]
        if not made:
            reason = failed[0].reason if failed else next(iter(found.problems), "no picture was found")
            raise PipelineError(f"the teacher judged nothing: {reason}")
        lost = [row for row in failed if row.transient]
        if len(lost) > _LOST * (made + len(failed)):
            raise PipelineError(
                f"{len(lost)} of {made + len(failed)} judgments failed for now ({lost[0].reason}): start the "
                "pipeline again when the teacher answers; labels that were made are kept"
            )
        reasons = [*found.problems, *(row.reason for row in failed)]
        return {
            **counts,
            "store": name,
            "failed": len(failed),
            "skipped": len(found.problems),
            "reasons": reasons[:20],
        }

    inputs = (identity, recipe.every, listing(recipe.frames))
    # new frames are labelled into the same store; another teacher gets a store of its own
    return stage(context.root, "label", inputs, (), work, keep=fingerprint(identity))


def current_store(folder: Path, frames: Sequence[str], every: int) -> str:
    """Name of the store that holds the labels of these frames alone.

    Labels of frames that went or changed stay in `STORE`, as they may come back; where there are such, those
    of the others are copied, with the path at which each frame lies now.
    """
    (folder / _CURRENT).unlink(missing_ok=True)
    with LabelStore(folder / STORE, create=False) as store:
        rows = store.pictures()
        now = _present(rows, frames, every)
        if all(now.get(row.sha256) == row for row in rows):
            return STORE
        part = folder / f"{_CURRENT}.part"
        part.unlink(missing_ok=True)
        with LabelStore(part) as copy:
            copy.add_pictures(now.values())
            for identity in store.teachers():
                points = [p for p in store.points(*identity) if p.sha256 in now]
                copy.put_points(*identity, [(p.sha256, p.judgment) for p in points])
                pairs = [p for p in store.pairs(*identity) if p.first in now and p.second in now]
                copy.put_pairs(*identity, [(p.first, p.second, p.judgment) for p in pairs])
                faults = [f for f in store.faults(*identity) if f.sha256 in now]
                copy.put_faults(*identity, [(f.sha256, f.severities) for f in faults])
    part.replace(folder / _CURRENT)
    return _CURRENT


def _present(rows: Sequence[PictureRow], frames: Sequence[str], every: int) -> dict[str, PictureRow]:
    """The rows whose frame is among the files now, by identity, with its path."""
    content = {path: file_sha256(path) for path in frame_files(frames)}
    known = {Path(row.source) for row in rows}
    images = {sha256: path for path, sha256 in content.items()}
    others = [path for path in content if path not in known]  # where a clip that was moved may be

    def place(row: PictureRow) -> str | None:
        camera = str(row.recipe["clean"]) if row.recipe else row.sha256
        if row.frame is None:
            own = content.get(Path(row.source))
            return row.source if own == camera else str(images[camera]) if camera in images else None
        if row.frame % every:
            return None
        for path in (Path(row.source), *others):
            if path in content and frame_sha256(content[path], row.frame) == camera:
                return row.source if path == Path(row.source) else str(path)
        return None

    places = {row.sha256: place(row) for row in rows}
    return {row.sha256: replace(row, source=at) for row in rows if (at := places[row.sha256]) is not None}
