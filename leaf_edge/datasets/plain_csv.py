"""Any rated pictures, listed in a CSV.

Columns: `file` (relative to the CSV's folder, or to `images/` in it) and one of `mos` (1 to 5), `mos01`
(0 to 1) or `mos100` (0 to 100), higher is better; and, as far as known, `std` (deviation of the ratings,
on the same scale), `subset`, `group` (pictures of one scene), `split` (train, val or test). Other
columns are passed over. The path is the CSV, or a folder with `mos.csv` or `labels.csv`.
"""

from __future__ import annotations

from pathlib import Path

from leaf_edge.datasets import biq2021
from leaf_edge.datasets.rated import (
    FIVE_POINT,
    SPLIT_WORDS,
    Pictures,
    RatedSample,
    RatedSet,
    RatedSetError,
    Scale,
)
from leaf_edge.datasets.tables import Columns, has_columns, read_table

LAYOUT = "a CSV, or a folder with mos.csv or labels.csv (file,mos[,std,subset,group,split]; mos 1 to 5)"

SCALES = {"mos": FIVE_POINT, "mos01": Scale(0.0, 1.0), "mos100": Scale(0.0, 100.0)}
_COLUMNS: Columns = (("file",), tuple(SCALES))


def _table(path: Path) -> Path | None:
    if path.is_file():
        return path
    return next((file for name in ("mos.csv", "labels.csv") if (file := path / name).is_file()), None)


def recognises(path: Path) -> bool:
    """Whether there is such a CSV; not one with exactly BIQ2021's columns, whose scale is another."""
    table = _table(path)
    return table is not None and has_columns(table, _COLUMNS) and not biq2021.recognises(table.parent)


def read(path: Path) -> RatedSet:
    """The pictures that `path` lists. Raises as `open_rated`."""
    table = _table(path)
    if table is None:
        raise FileNotFoundError(f"{path}: expected {LAYOUT}")
    rows = read_table(table, _COLUMNS)
    column = next(name for name in SCALES if name in rows[0].cells)
    scale = SCALES[column]
    pictures = Pictures(table.parent, ".", "images")
    samples = []
    for row in rows:
        name, label = row.text("file"), row.number(column, low=scale.low, high=scale.high)
        word = row.text("split", default="").lower()
        if word and word not in SPLIT_WORDS:
            raise RatedSetError(f"{row.where}: split is {word!r}; expected train, val or test")
        samples.append(
            RatedSample(
                pictures.find(name, row.where),
                scale.to_mos(label),
                label,
                scale.deviation_to_mos(row.deviation("std")),
                row.text("subset", default=""),
                row.text("group", default=name),
                SPLIT_WORDS.get(word),
            )
        )
    sides = {sample.split for sample in samples}
    default = next((side for side in ("test", "val") if side in sides), "all")
    return RatedSet(table.stem, tuple(samples), scale, "not known", default_split=default)
