"""BIQ2021: photographs with human MOS, and the project's split of them.

N. Ahmed, S. Asif, "BIQ2021: a large-scale blind image quality assessment database", J. Electronic
Imaging 31(5), 2022 (arXiv 2202.03879). No licence is stated: research use, and weights that were
trained on it say so.

Two layouts are read as a `RatedSet`: the project's list (`mos.csv`, see `load`; its split is the
project's own, by scene group), and the official one, `Train (Images and MOS).csv` and `Test (Images and
MOS).csv` (Image Name, MOS 0 to 1, and a deviation where there is one) with pictures in `Images/`; the
latter was not checked against the real files and knows no scenes.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leaf_edge.contract import MOS_MAX, MOS_MIN, mos_to_unit
from leaf_edge.datasets.rated import Pictures, RatedSample, RatedSet, RatedSetError, Scale, Split
from leaf_edge.datasets.tables import Columns, read_table

VALIDATION_PERCENT = 15
COLUMNS = ("file", "mos", "subset", "scene_group")
LAYOUT = f"mos.csv ({','.join(COLUMNS)}) and images/, or 'Train (Images and MOS).csv' and Images/"

_OFFICIAL: dict[Split, str] = {"train": "Train (Images and MOS).csv", "test": "Test (Images and MOS).csv"}
_OFFICIAL_COLUMNS: Columns = (("Image Name", "image"), ("MOS",))
_SCALE = Scale(0.0, 1.0)
_LICENCE = "none stated: research use, and weights that were trained on it say so"


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


def recognises(path: Path) -> bool:
    """Whether `path` holds the project's list, by its exact columns, or an official one."""
    if any((path / name).is_file() for name in _OFFICIAL.values()):
        return True
    try:
        with (path / "mos.csv").open(newline="", encoding="utf-8-sig") as file:
            return tuple(next(csv.reader(file), ())) == COLUMNS
    except (OSError, ValueError, csv.Error):
        return False


def read(path: Path) -> RatedSet:
    """The set in `path`, in either layout. Raises as `leaf_edge.datasets.rated.open_rated`."""
    if any((path / name).is_file() for name in _OFFICIAL.values()):
        return _read_official(path)
    try:
        photographs = load(path)
    except (ValueError, csv.Error) as error:
        raise RatedSetError(str(error)) from None
    first: dict[Path, int] = {}
    for line, photograph in enumerate(photographs, start=2):
        before = first.setdefault(photograph.path, line)
        if before != line:
            where = f"{path / 'mos.csv'}, line {line}"
            raise RatedSetError(f"{where}: {photograph.path.name} is listed twice, first in line {before}")
    samples = tuple(
        RatedSample(s.path, s.mos, mos_to_unit(s.mos), None, s.subset, s.group, s.split) for s in photographs
    )
    return RatedSet("BIQ2021", samples, _SCALE, _LICENCE, "the project's own split", "val")


def _read_official(path: Path) -> RatedSet:
    samples = []
    pictures = Pictures(path, "Images", "images")
    for side, name in _OFFICIAL.items():
        if not (path / name).is_file():
            continue
        for row in read_table(path / name, _OFFICIAL_COLUMNS):
            picture, label = row.text("Image Name", "image"), row.number("MOS", low=0.0, high=1.0)
            deviation = _SCALE.deviation_to_mos(row.deviation("Standard Deviation", "STD", "SD"))
            found = pictures.find(picture, row.where)
            samples.append(RatedSample(found, _SCALE.to_mos(label), label, deviation, "", picture, side))
    default = "test" if any(s.split == "test" for s in samples) else "train"
    return RatedSet("BIQ2021", tuple(samples), _SCALE, _LICENCE, "the official split", default)
