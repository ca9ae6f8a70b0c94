"""AGIQA-3K: pictures that six generators made from 300 prompts.

C. Li and others, "AGIQA-3K: an open database for AI-generated image quality assessment", IEEE TCSVT
34(8), 2024.

Accepted: `data.csv` with name, mos_quality and, where given, prompt and std_quality (0 to 5; the columns
of alignment are not used), and pictures in `Images/`, `images/`, `image/` or the folder. The subset is
the generator, the name without its last two parts (sd1.5_highcorr_096.jpg is of sd1.5); pictures of a
prompt are one group. There is no official split. Not checked against the real files.
"""

from __future__ import annotations

from pathlib import Path

from leaf_edge.datasets.rated import Pictures, RatedSample, RatedSet, Scale
from leaf_edge.datasets.tables import Columns, has_columns, read_table

LAYOUT = "data.csv (name,prompt,...,mos_quality,std_quality,...) and its pictures"

_COLUMNS: Columns = (("name",), ("mos_quality",))
_SCALE = Scale(0.0, 5.0)


def recognises(path: Path) -> bool:
    """Whether `data.csv` has these columns."""
    return has_columns(path / "data.csv", _COLUMNS)


def read(path: Path) -> RatedSet:
    """The set in `path`. Raises as `open_rated`."""
    pictures = Pictures(path, "Images", "images", "image", ".")
    samples = []
    for row in read_table(path / "data.csv", _COLUMNS):
        name, label = row.text("name"), row.number("mos_quality", low=0.0, high=5.0)
        stem = Path(name).stem.rsplit("_", 2)
        samples.append(
            RatedSample(
                pictures.find(name, row.where),
                _SCALE.to_mos(label),
                label,
                _SCALE.deviation_to_mos(row.deviation("std_quality")),
                stem[0] if len(stem) == 3 else "",
                " ".join(row.text("prompt", default=name).lower().split()),
                None,
            )
        )
    licence = "MIT is stated for the data base; the generators' own terms apply to their pictures"
    return RatedSet("AGIQA-3K", tuple(samples), _SCALE, licence)
