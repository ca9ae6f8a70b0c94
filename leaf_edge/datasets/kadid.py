"""KADID-10k: 81 pictures, each with 25 distortions at five levels.

H. Lin, V. Hosu, D. Saupe, "KADID-10k: a large-scale artificially distorted IQA database", QoMEX 2019.

Accepted: `dmos.csv` (dist_img,ref_img,dmos,var) and pictures in `images/` or `distorted_images/`, named
IRR_DD_LL.png. In spite of their names, `dmos` rises with quality (1 to 5), and `var` is the standard
deviation of the ratings: 0.496 beside 4.57 and 0.869 beside 4.33 come out of 30 whole ratings as
deviations only. There is no official split. Not checked against the real files beyond that.
"""

from __future__ import annotations

import re
from pathlib import Path

from leaf_edge.datasets.rated import FIVE_POINT, Pictures, RatedSample, RatedSet, RatedSetError
from leaf_edge.datasets.tables import Columns, has_columns, read_table

LAYOUT = "dmos.csv (dist_img,ref_img,dmos,var) and images/"

DISTORTIONS = (
    *("gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift"),
    *("colour quantization", "colour saturation 1", "colour saturation 2", "JPEG 2000", "JPEG"),
    *("white noise", "white noise in colour", "impulse noise", "multiplicative noise", "denoise"),
    *("brighten", "darken", "mean shift", "jitter", "non-eccentricity patch"),
    *("pixelate", "quantization", "colour block", "high sharpen", "contrast change"),
)
"""By their number in a picture's name, from 1."""
_COLUMNS: Columns = (("dist_img",), ("ref_img",), ("dmos",))
_NAME = re.compile(r"i\d+_(\d\d)_\d\d\.\w+", re.IGNORECASE)


def recognises(path: Path) -> bool:
    """Whether `dmos.csv` has these columns."""
    return has_columns(path / "dmos.csv", _COLUMNS)


def read(path: Path) -> RatedSet:
    """The set in `path`. Raises as `open_rated`."""
    pictures = Pictures(path, "images", "distorted_images")
    samples = []
    for row in read_table(path / "dmos.csv", _COLUMNS):
        name, label = row.text("dist_img"), row.number("dmos", low=1.0, high=5.0)
        match = _NAME.fullmatch(name)
        if not match or not 1 <= int(match[1]) <= len(DISTORTIONS):
            raise RatedSetError(f"{row.where}: dist_img is {name!r}; expected a name such as I01_25_05.png")
        samples.append(
            RatedSample(
                pictures.find(name, row.where),
                FIVE_POINT.to_mos(label),
                label,
                row.deviation("var"),
                DISTORTIONS[int(match[1]) - 1],
                row.text("ref_img"),
                None,
            )
        )
    return RatedSet("KADID-10k", tuple(samples), FIVE_POINT, "research use; see the set's own terms")
