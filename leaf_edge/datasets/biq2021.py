"""BIQ2021: photographs with human MOS, and the project's split of them.

N. Ahmed, S. Asif, "BIQ2021: a large-scale blind image quality assessment database", J. Electronic
Imaging 31(5), 2022 (arXiv 2202.03879). No licence is stated: research use, and weights that were
trained on it say so.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leaf_edge.contract import MOS_MAX, MOS_MIN

VALIDATION_PERCENT = 15
COLUMNS = ("file", "mos", "subset", "scene_group")


@dataclass(frozen=True)
class Sample:
    """One photograph. mos: 1 to 5. group: near-identical pictures share it and stay on one side."""

    path: Path
    mos: float
    subset: str
    group: str
    split: Literal["train", "val"]


def split_of(group: str) -> Literal["train", "val"]:
    """The side of a scene group: fixed for ever, whatever other groups there are."""
    bucket = int.from_bytes(hashlib.sha256(f"biq2021:{group}".encode()).digest()[:4], "big") % 100
    return "val" if bucket < VALIDATION_PERCENT else "train"


def load(folder: str | Path) -> list[Sample]:
    """The photographs of `folder` in the order of its `mos.csv` (file,mos,subset,scene_group; mos 0..1).

    Raises FileNotFoundError where the list or a photograph is absent, ValueError naming the line
    that cannot be read.
    """
    folder = Path(folder)
    listing = folder / "mos.csv"
    if not listing.is_file():
        raise FileNotFoundError(
            f"{listing} not found; expected a folder with mos.csv ({','.join(COLUMNS)}) and its photographs"
        )
    samples = []
    with listing.open(newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{listing}: columns are {rows.fieldnames}; expected {list(COLUMNS)}")
        for number, row in enumerate(rows, start=2):
            try:
                unit = float(row["mos"])
            except (TypeError, ValueError):
                unit = -1.0
            if not 0.0 <= unit <= 1.0:
                raise ValueError(f"{listing}, line {number}: mos is {row['mos']!r}; expected 0 to 1")
            path = folder / "images" / row["file"]
            if not path.is_file():
                raise FileNotFoundError(f"{path}, named in {listing} line {number}, not found")
            group = row["scene_group"]
            mos = MOS_MIN + unit * (MOS_MAX - MOS_MIN)
            samples.append(Sample(path, mos, row["subset"], group, split_of(group)))
    if not samples:
        raise ValueError(f"{listing} lists no photographs")
    return samples
