"""Checks of rows that come from elsewhere, before they go into a label store."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from leaf_edge.contract import FAULTS, LEVELS
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.store import PictureRow, check_picture, check_sha256

Row = Mapping[str, Any]
"""A row by its columns (`schema.TABLES`)."""

_EXPECTATION_ERROR = 1e-9


def _picture(row: Row) -> None:
    recipe = json.loads(row["recipe"]) if row["recipe"] else {}
    frame = row["frame"]
    values = check_picture(
        PictureRow(row["sha256"], row["source"], frame, recipe, row["width"], row["height"])
    )
    if values[3] != row["recipe"]:
        raise ValueError("its recipe is not in canonical form")
    if row["width"] < 0 or row["height"] < 0 or (frame is not None and frame < 0):
        raise ValueError(f"expected a size and a frame from 0; found {dict(row)}")


def _point(row: Row) -> None:
    check_sha256(row["sha256"])
    judgment = PointJudgment(tuple(row[level] for level in LEVELS), row["reliability"])
    if not abs(judgment.mos - row["expectation"]) < _EXPECTATION_ERROR:
        raise ValueError(f"its expectation is {row['expectation']}; its levels expect {judgment.mos}")
    _time(row["created"])


def _pair(row: Row) -> None:
    _two(row)
    PairJudgment(row["forward"], row["backward"], row["reliability"])
    _time(row["created"])


def _two(row: Row) -> None:
    check_sha256(row["first"])
    check_sha256(row["second"])
    if not row["first"] < row["second"]:
        raise ValueError(f"expected first < second; found {row['first']} and {row['second']}")


def _fault(row: Row) -> None:
    check_sha256(row["sha256"])
    for fault in FAULTS:
        if not 0 <= row[fault] <= 1:
            raise ValueError(f"severity of {fault} is {row[fault]}; expected 0 to 1")


def _failure(row: Row) -> None:
    if row["kind"] not in ("point", "pair"):
        raise ValueError(f"kind is {row['kind']!r}; expected point or pair")
    for key in row["key"].split(" "):
        check_sha256(key)
    if row["transient"] not in (0, 1) or row["attempts"] < 1:
        raise ValueError(f"expected transient 0 or 1 and attempts from 1; found {dict(row)}")
    _time(row["updated"])


def _time(value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"a time is {value}; expected Unix seconds")


CHECKS: dict[str, Callable[[Row], None]] = {
    "pictures": _picture,
    "points": _point,
    "pairs": _pair,
    "faults": _fault,
    "plan": _two,
    "failures": _failure,
}
"""By table; each raises ValueError (or TypeError, for an empty cell) that says what is wrong."""
