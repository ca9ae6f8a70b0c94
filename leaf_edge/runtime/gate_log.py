"""Score logs, read to be gated again: CSV and JSON Lines as `leaf-edge score` and `gate` write them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from leaf_edge.contract import FAULTS
from leaf_edge.frames.frame import FrameError
from leaf_edge.runtime.gate_streams import GateInput
from leaf_edge.runtime.score import StageTimes

REQUIRED = ("source", "frame", "mos")
_STAGES = tuple(item.name for item in fields(StageTimes))
_NUMBERS = frozenset({"time_s", "mos", "mos_lo", "mos_hi", "raw", *FAULTS, *_STAGES})


class LogError(FrameError):
    """A score log that cannot be read. The text names the log and the line."""


def read_log(data: bytes, name: str) -> list[GateInput]:
    """The rows of a score log, in order.

    data: the whole log, UTF-8; JSON Lines where it begins with `{`, else CSV with a header.
        `source`, `frame` and `mos` are needed; an empty or null `mos` is a frame without a score.
    name: of the log, for messages.
    A row is a still where it says so (`still` in a decision log); where nothing is said, where its
    source has frame 0 only, without a time. Raises `LogError`.
    """
    text = data.decode("utf-8-sig", "surrogateescape")  # file names are bytes, not always UTF-8
    if not text.strip():
        raise LogError(f"{name}: is empty; expected a score log as CSV or JSON Lines")
    records = _json_lines(text, name) if text.lstrip().startswith("{") else _csv_rows(text, name)
    rows = [_scored(record, where) for where, record in records]
    if not rows:
        raise LogError(f"{name}: holds a header but no score")
    return _with_stills(rows)


def _json_lines(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise LogError(f"{where}: is not JSON ({error})") from None
        if not isinstance(record, dict):
            raise LogError(f"{where}: is {type(record).__name__}; expected a JSON object")
        yield where, record


def _csv_rows(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = reader.fieldnames or []
        if missing := [column for column in REQUIRED if column not in header]:
            raise LogError(f"{name}: has no column {', '.join(missing)}; found {', '.join(header)}")
        for row in reader:
            where = f"{name}, line {reader.line_num}"
            if None in row or None in row.values():
                raise LogError(f"{where}: has another number of values than the header's {len(header)}")
            yield where, _nested({column: _value(column, cell, where) for column, cell in row.items()})
    except csv.Error as error:
        raise LogError(f"{name}, at line {reader.line_num}: is not CSV ({error})") from None


def _value(column: str, cell: str, where: str) -> Any:
    """A cell of a CSV as the value that JSON Lines would hold."""
    if column == "still":
        return {"true": True, "false": False}.get(cell.lower())
    if column != "frame" and column not in _NUMBERS:
        return cell
    if not cell.strip():
        return None
    try:
        return int(cell) if column == "frame" else float(cell)
    except ValueError:
        raise LogError(f"{where}: {column} is {cell!r}; expected a number") from None


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """Columns of faults and stages as the objects that JSON Lines holds."""
    groups = {"faults": FAULTS, "stages": _STAGES}
    grouped = {column for columns in groups.values() for column in columns}
    record = {column: value for column, value in row.items() if column not in grouped}
    for group, columns in groups.items():
        if values := {column: row[column] for column in columns if column in row}:
            record[group] = values
    return record


def _scored(record: dict[str, Any], where: str) -> GateInput:
    if missing := [key for key in REQUIRED if key not in record]:
        raise LogError(f"{where}: has no {', '.join(missing)}")
    source, frame, still = record["source"], record["frame"], record.get("still")
    if not isinstance(source, str):
        raise LogError(f"{where}: source is {source!r}; expected text")
    if isinstance(frame, bool) or not isinstance(frame, int) or not 0 <= frame < 1 << 63:
        raise LogError(f"{where}: frame is {frame!r}; expected a whole number, 0 or more")
    if still is not None and not isinstance(still, bool):
        raise LogError(f"{where}: still is {still!r}; expected true or false")
    return GateInput(
        source=source,
        frame=frame,
        time_s=_number("time_s", record.get("time_s"), where),
        mos=_number("mos", record["mos"], where),
        reason=str(record.get("reason") or ""),
        still=bool(still),
        record=record,
    )


def _number(key: str, value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise LogError(f"{where}: {key} is {value!r}; expected a finite number, or nothing")
    return float(value)


def _with_stills(rows: list[GateInput]) -> list[GateInput]:
    """Marks as stills the rows that say nothing of it and whose source has neither times nor numbers."""
    streams = {row.source for row in rows if row.frame != 0 or row.time_s is not None}
    return [
        replace(row, still=True) if row.record.get("still") is None and row.source not in streams else row
        for row in rows
    ]
