"""Is a label that calls itself reliable more often right? In bins of equally many labels."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import MOS_MAX, MOS_MIN
from leaf_edge.teacher.store import LabelStore, PairRow, PointRow

BINS = 10

Floats = NDArray[np.float64]
Bin = dict[str, Any]


def in_bins(reliability: Floats, measure: Callable[[NDArray[np.int64]], Bin], bins: int = BINS) -> list[Bin]:
    """`measure` of the labels of each bin, by rising reliability. Bins have equally many labels, one more or
    less; there are fewer of them where there are fewer than two labels for each."""
    count = min(bins, len(reliability) // 2)
    if count < 1:
        return []
    order = np.argsort(reliability, kind="stable").astype(np.int64)
    return [
        {
            "labels": len(part),
            "from": float(reliability[part].min()),
            "to": float(reliability[part].max()),
            **measure(part),
        }
        for part in np.array_split(order, count)
    ]


def points_and_pairs(points: Sequence[PointRow], pairs: Sequence[PairRow]) -> Bin | None:
    """How often the order of two pictures by their point labels is that of their pair label.

    None where no pair has a point label of both. agreement: share, ties of either left out; pairs: compared.
    by_pair_reliability, by_point_reliability: in bins; a pair's point reliability is the lesser of both.
    """
    known = {row.sha256: row.judgment for row in points}
    rows = [
        (known[row.first], known[row.second], row.judgment)
        for row in pairs
        if row.first in known and row.second in known
    ]
    rows = [(a, b, j) for a, b, j in rows if a.mos != b.mos and j.preference != 0.5]
    if not rows:
        return None
    agree = np.array([(a.mos > b.mos) == (j.preference > 0.5) for a, b, j in rows], np.float64)

    def share(part: NDArray[np.int64]) -> Bin:
        return {"agreement": float(agree[part].mean())}

    return {
        "pairs": len(rows),
        "agreement": float(agree.mean()),
        "by_pair_reliability": in_bins(np.array([j.reliability for _, _, j in rows]), share),
        "by_point_reliability": in_bins(
            np.array([min(a.reliability, b.reliability) for a, b, _ in rows]), share
        ),
    }


def against_mos(points: Sequence[PointRow], pairs: Sequence[PairRow], mos: Mapping[str, float]) -> Bin:
    """Labels against people's mean opinion (1..5 by SHA-256), whole and by bins of reliability.

    points: SRCC, mean absolute error and bias (label less MOS) of expectations. pairs: share in the order
    of the MOS, ties left out.
    """
    rated = [row for row in points if row.sha256 in mos]
    said = np.array([row.judgment.mos for row in rated])
    truth = np.array([mos[row.sha256] for row in rated])

    def error(part: NDArray[np.int64]) -> Bin:
        difference = said[part] - truth[part]
        return {
            "srcc": rank_correlation(said[part], truth[part]),
            "mae": float(np.abs(difference).mean()),
            "bias": float(difference.mean()),
        }

    both = [
        row
        for row in pairs
        if row.first in mos
        and row.second in mos
        and mos[row.first] != mos[row.second]
        and row.judgment.preference != 0.5
    ]
    right = np.array(
        [(mos[row.first] > mos[row.second]) == (row.judgment.preference > 0.5) for row in both], np.float64
    )

    def share(part: NDArray[np.int64]) -> Bin:
        return {"right": float(right[part].mean())}

    whole = np.arange(len(rated), dtype=np.int64)
    return {
        "points": {
            "labels": len(rated),
            **(error(whole) if rated else {"srcc": None, "mae": None, "bias": None}),
            "by_reliability": in_bins(np.array([row.judgment.reliability for row in rated]), error),
        },
        "pairs": {
            "labels": len(both),
            "right": float(right.mean()) if both else None,
            "by_reliability": in_bins(np.array([row.judgment.reliability for row in both]), share),
        },
    }


def rank_correlation(a: Floats, b: Floats) -> float | None:
    """Spearman's, with mean ranks for ties; None for fewer than two values or a constant."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_mos(path: Path, store: LabelStore) -> dict[str, float]:
    """MOS 1..5 by SHA-256 from a CSV file with the columns `sha256,mos` or `file,mos`, in any order and
    beside others. A file is matched to the paths of the store's images: whole, else by its last part.

    Raises FileNotFoundError, or ValueError that names the line: columns, numbers, a last part that several
    pictures of the store share, or no picture of the store at all.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected CSV with file,mos or sha256,mos")
    whole: dict[str, str] = {}
    last: dict[str, set[str]] = {}
    held: set[str] = set()
    for row in store.pictures():
        held.add(row.sha256)
        if row.frame is None and not row.recipe:
            whole[row.source] = row.sha256
            last.setdefault(Path(row.source).name, set()).add(row.sha256)
    found: dict[str, float] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        key = "sha256" if "sha256" in names else "file"
        if key not in names or "mos" not in names:
            raise ValueError(f"{path}: columns are {list(names)}; expected file,mos or sha256,mos")
        for number, line in enumerate(reader, start=2):
            value, name = _mos(path, number, line["mos"]), line[key] or ""
            if key == "file":
                same = last.get(Path(name).name, set())
                if name not in whole and len(same) > 1:
                    raise ValueError(
                        f"{path}, line {number}: {len(same)} pictures of the store are named {name}; "
                        "expected their paths as the store has them, or sha256,mos"
                    )
                sha256 = whole.get(name) or next(iter(same), None)
            else:
                if not _SHA256.fullmatch(name):
                    raise ValueError(f"{path}, line {number}: {name!r} is no SHA-256 in lower case")
                sha256 = name
            if sha256 is not None and sha256 in held:
                found[sha256] = value
    if not found:
        raise ValueError(f"{path}: none of its pictures is in {store.path}")
    return found


def _mos(path: Path, number: int, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not MOS_MIN <= value <= MOS_MAX:
        raise ValueError(f"{path}, line {number}: mos is {text!r}; expected {MOS_MIN:g} to {MOS_MAX:g}")
    return value
