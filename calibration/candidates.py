"""Unlabelled frames as a choice of the next ones to rate needs them: scores, uncertainty, features."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.contract import FAULTS, MOS_MAX, MOS_MIN
from leaf_edge.extras import require
from leaf_edge.frames.frame import Frame
from leaf_edge.runtime.scorer import load
from leaf_edge.views import make_views

Floats = NDArray[np.float64]
Views = NDArray[np.uint8]

_BATCH = 16
_GRID = 4


class Key(NamedTuple):
    """Which frame: its source as given, and its number there."""

    source: str
    frame: int


@dataclass(frozen=True)
class Candidates:
    """keys: [N]. raw, spread: [N]. features: [N, D]. disagreement: [N], or None. basis: what the features
    are, for people."""

    keys: list[Key]
    raw: Floats
    spread: Floats
    features: Floats
    disagreement: Floats | None
    basis: str


def from_frames(frames: Iterable[Frame], model: str, advance: Callable[[], None]) -> Candidates:
    """Runs a model over frames. model: a bundle (`leaf-s`, a path), or a checkpoint (.pt, needs torch).

    Features are the student's own joined features from a checkpoint; a bundle does not give them out, so
    there they are statistics of the views and the fault severities, which see exposure, colour,
    composition and faults but not what a scene shows. advance: called after each frame.
    Raises `CalibrationError` where there is no frame, and as the model's loader does.
    """
    network = _checkpoint(model) if model.endswith(".pt") else _bundle(model)
    keys: list[Key] = []
    waiting: list[Views] = []
    parts: list[tuple[Floats, Floats, Floats]] = []
    for frame in frames:
        keys.append(Key(frame.source, frame.index))
        waiting.append(make_views(frame))
        if len(waiting) == _BATCH:
            parts.append(network(np.stack(waiting)))
            waiting.clear()
        advance()
    if waiting:
        parts.append(network(np.stack(waiting)))
    if not parts:
        raise CalibrationError("no frame was left to choose from")
    raw, spread, features = (np.concatenate(part) for part in zip(*parts, strict=True))
    basis = (
        "the student's features" if model.endswith(".pt") else "statistics of the views and fault severities"
    )
    return Candidates(keys, raw, spread, features, None, basis)


def _bundle(model: str) -> Callable[[Views], tuple[Floats, Floats, Floats]]:
    scorer = load(model)

    def run(views: Views) -> tuple[Floats, Floats, Floats]:
        out = scorer.score_views(views)
        features = np.concatenate([view_statistics(views), out.faults], axis=1)
        return out.mos.astype(np.float64), out.spread.astype(np.float64), features

    return run


def _checkpoint(model: str) -> Callable[[Views], tuple[Floats, Floats, Floats]]:
    torch = require("torch", "train")
    from leaf_edge.student.network import load_checkpoint

    student = load_checkpoint(model)

    def run(views: Views) -> tuple[Floats, Floats, Floats]:
        with torch.inference_mode():
            out = student.predict(torch.from_numpy(views))
        mos, spread, features = (t.numpy().astype(np.float64) for t in (out.mos, out.spread, out.features))
        return mos, spread, features

    return run


def view_statistics(views: Views) -> Floats:
    """[N, 25] of views uint8 [N, 2, 3, 224, 224]: of the global view luma in a 4x4 grid, mean and deviation
    of each plane; of the fragments deviation, gradient and its largest tenth."""
    whole, patches = views[:, 0].astype(np.float32), views[:, 1].astype(np.float32).mean(axis=1)
    n, _, height, width = whole.shape
    grid = whole.mean(axis=1).reshape(n, _GRID, height // _GRID, _GRID, width // _GRID).mean(axis=(2, 4))
    gradient = np.abs(np.diff(patches, axis=2)).reshape(n, -1)
    fine = [patches.std(axis=(1, 2)), gradient.mean(axis=1), np.quantile(gradient, 0.9, axis=1)]
    planes = [whole.mean(axis=(2, 3)), whole.std(axis=(2, 3))]
    return np.concatenate([grid.reshape(n, -1), *planes, np.stack(fine, axis=1)], axis=1).astype(np.float64)


def from_scores(table: Path) -> Candidates:
    """From the CSV that `leaf-edge score --output` writes. Uncertainty is half the width of the interval,
    features are fault severities and the score. A column `disagreement` (of a teacher with the model, any
    unit; empty where unknown) is used where there is one. Raises `CalibrationError` that names the line."""
    needed = ("source", "frame", "mos_lo", "mos_hi", "raw", *FAULTS)
    keys: list[Key] = []
    numbers: list[list[float]] = []
    told: list[float] = []
    for where, row in _rows(table, needed):
        keys.append(Key(row["source"], int(_number(row, "frame", where))))
        numbers.append([_number(row, name, where) for name in needed[2:]])
        told.append(_number(row, "disagreement", where) if row.get("disagreement") else np.nan)
    if not keys:
        raise CalibrationError(f"{table} has no frame")
    values = np.array(numbers)
    disagreement = np.array(told) if np.isfinite(told).any() else None
    spread = (values[:, 1] - values[:, 0]) / 2
    return Candidates(keys, values[:, 2], spread, values[:, 2:], disagreement, "scores and fault severities")


def read_ratings(table: Path) -> list[tuple[Key, float]]:
    """Ratings in order of arrival: CSV with source, mos (1 to 5) and, for clips, frame. Rows without a mos
    are passed over, so that a list of suggestions can be filled in bit by bit and given back.
    Raises `CalibrationError` that names the line."""
    ratings = []
    for where, row in _rows(table, ("source", "mos")):
        if not (row["mos"] or "").strip():
            continue
        mos = _number(row, "mos", where)
        if not MOS_MIN <= mos <= MOS_MAX:
            raise CalibrationError(f"{where}: mos is {mos:g}; expected {MOS_MIN:g} to {MOS_MAX:g}")
        frame = int(_number(row, "frame", where)) if row.get("frame") else 0
        ratings.append((Key(row["source"], frame), mos))
    return ratings


def matched(candidates: Candidates, ratings: list[tuple[Key, float]]) -> tuple[list[int], list[float], int]:
    """(positions, their MOS, how many ratings are of frames that are not among the candidates); of a frame
    that was rated more than once the mean counts, in the place of its first rating."""
    at = {Key(normpath(key.source), key.frame): i for i, key in enumerate(candidates.keys)}
    found: dict[int, list[float]] = {}
    absent = 0
    for key, mos in ratings:
        i = at.get(Key(normpath(key.source), key.frame))
        if i is None:
            absent += 1
        else:
            found.setdefault(i, []).append(mos)
    return list(found), [float(np.mean(mos)) for mos in found.values()], absent


def _rows(table: Path, needed: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.DictReader(file)
        missing = [name for name in needed if name not in (rows.fieldnames or ())]
        if missing:
            raise CalibrationError(f"{table} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
        return [(f"{table}, line {rows.line_num}", row) for row in rows]


def _number(row: dict[str, Any], name: str, where: str) -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError):
        value = float("nan")
    if not np.isfinite(value):
        raise CalibrationError(f"{where}: {name} is {row[name]!r}; expected a number")
    return value
