"""SPAQ: photographs of smartphones.

Y. Fang, H. Zhu, Y. Zeng, K. Ma, Z. Wang, "Perceptual quality assessment of smartphone photography", CVPR
2020.

Accepted: `MOS and Image attribute scores.xlsx` (first sheet), or a CSV of it, in `Annotations/` or in the
folder; pictures in `TestImage/`, else in the folder. Columns used: Image name, MOS (0 to 100). There is no
official split and no deviation. Not checked against the real files.
"""

from __future__ import annotations

from pathlib import Path

from leaf_edge.datasets.rated import Pictures, RatedSample, RatedSet, Scale
from leaf_edge.datasets.tables import Columns, read_table

_NAME = "MOS and Image attribute scores"
LAYOUT = f"Annotations/{_NAME}.xlsx (or a .csv of it) and TestImage/"

_COLUMNS: Columns = (("Image name",), ("MOS",))
_SCALE = Scale(0.0, 100.0)


def _table(folder: Path) -> Path | None:
    places = [folder / "Annotations", folder / "annotations", folder]
    files = [place / f"{_NAME}{suffix}" for place in places for suffix in (".xlsx", ".csv")]
    return next((file for file in files if file.is_file()), None)


def recognises(path: Path) -> bool:
    """Whether the table of scores is there."""
    return _table(path) is not None


def read(path: Path) -> RatedSet:
    """The set in `path`. Raises as `open_rated`."""
    table = _table(path)
    if table is None:
        raise FileNotFoundError(f"{path}: expected {LAYOUT}")
    pictures = Pictures(path, "TestImage", ".")
    samples = []
    for row in read_table(table, _COLUMNS):
        name, label = row.text("Image name"), row.number("MOS", low=0.0, high=100.0)
        picture = pictures.find(name, row.where)
        samples.append(RatedSample(picture, _SCALE.to_mos(label), label, None, "", name, None))
    return RatedSet("SPAQ", tuple(samples), _SCALE, "research use; see the set's own terms")
