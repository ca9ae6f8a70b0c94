"""Ratings of pictures in a plain CSV: `file,mos`, and `subset` where there is one."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import MOS_MAX, MOS_MIN
from leaf_edge.frames import FrameError, read_image
from leaf_edge.views import make_views
from leaf_edge.views.native import SHAPE

_SHOWN = 20
"""Names in a message; the rest is counted."""


@dataclass(frozen=True)
class Rating:
    """path: of the picture. mos: 1..5. subset: "" where the list has none."""

    path: Path
    mos: float
    subset: str


@dataclass(frozen=True)
class Ratings:
    """What a list holds. sha256: of the list's bytes."""

    rows: tuple[Rating, ...]
    sha256: str

    @property
    def mos(self) -> NDArray[np.float64]:
        """[n], 1..5."""
        return np.array([row.mos for row in self.rows])

    @property
    def subsets(self) -> list[str]:
        """[n]."""
        return [row.subset for row in self.rows]


def read_ratings(listing: str | Path, root: str | Path | None = None) -> Ratings:
    """The pictures of a CSV with the columns `file` and `mos` (1..5); other columns but `subset` are ignored.

    root: folder that the names start from; by default the list's own.
    Raises FileNotFoundError where the list or pictures are absent (all of them are named), ValueError
    naming the line that cannot be read or a picture that is listed twice.
    """
    listing = Path(listing)
    if not listing.is_file():
        raise FileNotFoundError(f"{listing} not found; expected a CSV file with the columns file,mos")
    data = listing.read_bytes()
    folder = listing.parent if root is None else Path(root)
    try:
        rows = csv.DictReader(data.decode("utf-8-sig").splitlines())
        columns = list(rows.fieldnames or ())
        if not {"file", "mos"} <= set(columns):
            raise ValueError(f"{listing}: columns are {','.join(columns) or 'none'}; expected file,mos")
        found = [
            Rating(folder / (row["file"] or ""), _mos(row["mos"], listing, number), row.get("subset") or "")
            for number, row in enumerate(rows, start=2)
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{listing} cannot be read as a CSV in UTF-8 ({error})") from None
    if not found:
        raise ValueError(f"{listing} lists no pictures")
    seen: set[Path] = set()
    for rating in found:
        if rating.path in seen:
            raise ValueError(f"{listing}: {rating.path} is listed twice; give one MOS for each picture")
        seen.add(rating.path)
    missing = [str(rating.path) for rating in found if not rating.path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(found)} pictures in {listing} are not there: {_some(missing)}"
        )
    return Ratings(tuple(found), hashlib.sha256(data).hexdigest())


def _mos(text: str | None, listing: Path, number: int) -> float:
    try:
        mos = float(text or "")
    except ValueError:
        mos = math.nan
    if not MOS_MIN <= mos <= MOS_MAX:
        raise ValueError(
            f"{listing}, line {number}: mos is {text!r}; expected {MOS_MIN:g} (bad) to {MOS_MAX:g} (best)"
        )
    return mos


def _some(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def views_of_ratings(
    ratings: Ratings, on_picture: Callable[[int], None] = lambda done: None
) -> NDArray[np.uint8]:
    """Views uint8 [n, 2, 3, 224, 224], 0.3 MB each. on_picture: told how many are done.

    Raises ValueError naming all pictures that cannot be decoded.
    """
    views = np.empty((len(ratings.rows), *SHAPE), np.uint8)
    broken = []
    for i, rating in enumerate(ratings.rows):
        try:
            make_views(read_image(rating.path), out=views[i])
        except (FrameError, OSError) as error:
            broken.append(f"{rating.path} ({error})")
        on_picture(i + 1)
    if broken:
        raise ValueError(f"{len(broken)} of {len(ratings.rows)} pictures cannot be read: {_some(broken)}")
    return views
