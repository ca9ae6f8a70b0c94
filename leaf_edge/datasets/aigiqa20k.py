"""AIGIQA-20K: pictures of 15 generators, with the split of the NTIRE 2024 challenge.

C. Li and others, "AIGIQA-20K: a large database for AI-generated image quality assessment", CVPR
workshops 2024.

Accepted: `info_train.csv`, `info_val.csv`, `info_test.csv`, those that are there, with the columns name
(or image_name, img_name) and mos (0 to 5), and where given prompt and std; pictures in a folder of the
side's name, or in `images/` or the folder. The challenge published lists without MOS: those are left
out, and the note says so. The subset is the name without its last part (DALLE2_0123.png is of DALLE2).
Not checked against the real files.
"""

from __future__ import annotations

from pathlib import Path

from leaf_edge.datasets.rated import SPLITS, Pictures, RatedSample, RatedSet, RatedSetError, Scale
from leaf_edge.datasets.tables import Columns, has_columns, read_table

LAYOUT = "info_train.csv, info_val.csv or info_test.csv (name,mos) and train/, val/, test/"

_NAMES = ("name", "image_name", "img_name")
_MOS = ("mos", "mos_quality")
_COLUMNS: Columns = (_NAMES,)
_SCALE = Scale(0.0, 5.0)


def recognises(path: Path) -> bool:
    """Whether one of the lists is there with its column of names."""
    return any(has_columns(path / f"info_{side}.csv", _COLUMNS) for side in SPLITS)


def read(path: Path) -> RatedSet:
    """The set in `path`. Raises as `open_rated`."""
    lists = {side: path / f"info_{side}.csv" for side in SPLITS}
    if not any(file.is_file() for file in lists.values()):
        raise FileNotFoundError(f"{path}: expected {LAYOUT}")
    samples: list[RatedSample] = []
    unrated = []
    for side, file in lists.items():
        if not file.is_file():
            continue
        if not has_columns(file, (_NAMES, _MOS)):
            read_table(file, _COLUMNS)  # complains where the names are not there either
            unrated.append(file.name)
            continue
        pictures = Pictures(path, side, "images", "Images", ".")
        for row in read_table(file, (_NAMES, _MOS)):
            name, label = row.text(*_NAMES), row.number(*_MOS, low=0.0, high=5.0)
            stem = Path(name).stem.rpartition("_")[0]
            deviation = _SCALE.deviation_to_mos(row.deviation("std", "std_quality", "mos_std"))
            group = " ".join(row.text("prompt", default=name).lower().split())
            picture = pictures.find(name, row.where)
            samples.append(RatedSample(picture, _SCALE.to_mos(label), label, deviation, stem, group, side))
    if not samples:
        raise RatedSetError(
            f"{path}: {', '.join(unrated)} have no column mos; there is nothing to compare with"
        )
    rated = {sample.split for sample in samples}
    note = f"no MOS in {', '.join(unrated)}" if unrated else ""
    default = next(side for side in ("test", "val", "train") if side in rated)
    licence = "Apache-2.0 is stated where it is published; the generators' own terms apply to their pictures"
    return RatedSet("AIGIQA-20K", tuple(samples), _SCALE, licence, note, default)
