"""The score of a frame: its fields, their units, and their order in tables (contract: docs/score.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from leaf_edge.contract import FAULTS

MOS_DECIMALS = 4
RAW_DECIMALS = 6
FAULT_DECIMALS = 4
TIME_DECIMALS = 6
STAGE_DECIMALS = 3
"""A score is rounded when it is made, so that a log holds exactly what the program saw and a gate
that replays the log decides the same."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Wall time of each stage for one frame, in milliseconds.

    acquire_ms: reading and decoding. views_ms: the two views. inference_ms: the network.
    mapping_ms: raw outputs to MOS, interval and reason. Stages of different frames may overlap.
    """

    acquire_ms: float = 0.0
    views_ms: float = 0.0
    inference_ms: float = 0.0
    mapping_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """Quality of one frame.

    mos: mean opinion score, 1 (bad) to 5 (excellent). mos_lo, mos_hi: the interval around it that
        holds the true MOS with the probability that the model states.
    raw: the network's own quality, about 0..1, before calibration.
    faults: severity 0 to 1 of each fault in `contract.FAULTS` order.
    reason: name of the strongest fault where it is strong enough to name, else "".
    frame: number of the frame in its source, from 0. time_s: capture time in seconds, None for images.
    source: where the frame came from; for an image in a folder its path.
    stages: time that the frame took.
    """

    mos: float
    mos_lo: float
    mos_hi: float
    raw: float
    faults: tuple[float, ...]
    reason: str
    frame: int
    time_s: float | None
    source: str
    stages: StageTimes

    def to_dict(self) -> dict[str, Any]:
        """The fields by name for JSON; faults and stages are objects of their own."""
        return {
            "source": self.source,
            "frame": self.frame,
            "time_s": self.time_s,
            "mos": self.mos,
            "mos_lo": self.mos_lo,
            "mos_hi": self.mos_hi,
            "raw": self.raw,
            "reason": self.reason,
            "faults": dict(zip(FAULTS, self.faults, strict=True)),
            "stages": asdict(self.stages),
        }

    def to_row(self) -> dict[str, Any]:
        """The fields by the names in `COLUMNS`, for a table."""
        record = self.to_dict()
        return {**record, **record["faults"], **record["stages"]}


COLUMNS: tuple[str, ...] = (
    "source",
    "frame",
    "time_s",
    "mos",
    "mos_lo",
    "mos_hi",
    "raw",
    "reason",
    *FAULTS,
    *(item.name for item in fields(StageTimes)),
)
"""Columns of a table of scores."""
