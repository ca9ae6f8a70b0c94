"""KonIQ-10k: photographs from the web with crowd ratings.

V. Hosu, H. Lin, T. Sziranyi, D. Saupe, "KonIQ-10k: an ecologically valid database for deep learning of
blind image quality assessment", IEEE TIP 29, 2020.

Accepted: `koniq10k_scores_and_distributions.csv` or `koniq10k_distributions_sets.csv` or both, in the
folder or its `metadata/`; pictures in `1024x768/`, else `512x384/`, else `images/`. Columns used:
image_name, MOS, SD, c1..c5, set. MOS comes from the file of scores where it is there. Published copies
hold MOS as the mean rating (1 to 5) or rescaled to 0 to 100: a value above 5 tells the second. The
deviation is taken from the counts c1..c5 where they are given, else SD where MOS is 1 to 5. Sides of the
official split come from `set`. Not checked against the real files.
"""

from __future__ import annotations

import math
from pathlib import Path

from leaf_edge.datasets.rated import (
    FIVE_POINT,
    SPLIT_WORDS,
    Pictures,
    RatedSample,
    RatedSet,
    RatedSetError,
    Scale,
    Split,
)
from leaf_edge.datasets.tables import Columns, Row, read_table

SCORES, SETS = "koniq10k_scores_and_distributions.csv", "koniq10k_distributions_sets.csv"
LAYOUT = f"{SCORES} or {SETS}, and 1024x768/ or 512x384/"

_COLUMNS: Columns = (("image_name",), ("MOS",))
_COUNTS = ("c1", "c2", "c3", "c4", "c5")


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / "metadata" / name) if p.is_file()), None)


def recognises(path: Path) -> bool:
    """Whether one of the two lists is there."""
    return any(_find(path, name) for name in (SCORES, SETS))


def read(path: Path) -> RatedSet:
    """The set in `path`. Raises as `open_rated`."""
    lists = [found for name in (SCORES, SETS) if (found := _find(path, name))]
    if not lists:
        raise FileNotFoundError(f"{path}: expected {LAYOUT}")
    rows = read_table(lists[0], _COLUMNS)
    labels = [row.number("MOS", low=0.0, high=100.0) for row in rows]
    scale = Scale(0.0, 100.0) if max(labels) > 5.0 else FIVE_POINT
    if scale is FIVE_POINT:
        labels = [row.number("MOS", low=1.0, high=5.0) for row in rows]
    sides = _sides(path)
    pictures = Pictures(path, "1024x768", "512x384", "images")
    samples = []
    for row, label in zip(rows, labels, strict=True):
        name = row.text("image_name")
        if sides is not None and name not in sides:
            raise RatedSetError(f"{row.where}: {name} is not in {_find(path, SETS)}, which lists the split")
        deviation = _deviation(row, scale)
        split = sides[name] if sides is not None else None
        picture = pictures.find(name, row.where)
        samples.append(RatedSample(picture, scale.to_mos(label), label, deviation, "", name, split))
    return RatedSet(
        "KonIQ-10k",
        tuple(samples),
        scale,
        "photographs from YFCC100M under their Creative Commons licences; ratings for research",
        default_split="test" if sides is not None else "all",
    )


def _sides(folder: Path) -> dict[str, Split] | None:
    """Official side of each picture; None without the list of sets."""
    found = _find(folder, SETS)
    if found is None:
        return None
    sides: dict[str, Split] = {}
    for row in read_table(found, (("image_name",), ("set",))):
        word = row.text("set").lower()
        if word not in SPLIT_WORDS:
            raise RatedSetError(f"{row.where}: set is {word!r}; expected training, validation or test")
        sides[row.text("image_name")] = SPLIT_WORDS[word]
    return sides


def _deviation(row: Row, scale: Scale) -> float | None:
    """Population deviation of the five counts, or the column SD where its unit is sure."""
    if all(row.has(name) for name in _COUNTS):
        counts = [row.number(name, low=0, high=1e6) for name in _COUNTS]
        total = sum(counts)
        if total > 0:
            mean = sum(k * c for k, c in enumerate(counts, start=1)) / total
            return math.sqrt(sum(c * (k - mean) ** 2 for k, c in enumerate(counts, start=1)) / total)
    return row.deviation("SD") if scale is FIVE_POINT else None
