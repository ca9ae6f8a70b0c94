"""Which of the clip's known stretches the scores and the gate found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaf_edge.demo.clip import Stretch

MIN_DROP = 0.25
"""MOS by which a stretch must lie under the rest of its shot to count as found."""


@dataclass(frozen=True)
class FrameResult:
    """What the demo needs of a frame's score and of the gate's decision on it."""

    time_s: float
    mos: float
    reason: str  # a name of contract.FAULTS, or empty
    accepted: bool


@dataclass(frozen=True)
class Finding:
    """One stretch, beside the clean frames of the same shot: the same scene, without the fault."""

    stretch: Stretch
    mos_inside: float
    mos_around: float
    reason: str  # the one that most frames inside name; empty where most name none
    reason_share: float  # of the frames inside that name it
    rejected_inside: float  # shares of frames that the gate rejected
    rejected_around: float

    @property
    def found(self) -> bool:
        """The MOS fell, and the reason is a fault that was made."""
        return self.mos_around - self.mos_inside >= MIN_DROP and self.reason in self.stretch.faults


def read_results(decisions: Path) -> list[FrameResult]:
    """The frames in a decision log of `leaf-edge gate`, which holds their scores too."""
    with decisions.open(encoding="utf-8") as log:
        records = [json.loads(line) for line in log]
    return [
        FrameResult(record["time_s"], record["mos"], record["reason"], record["accepted"])
        for record in records
    ]


def find(results: Sequence[FrameResult], stretches: Sequence[Stretch]) -> list[Finding]:
    """One finding for each stretch. Raises ValueError for a stretch without frames in or around it."""
    findings = []
    for stretch in stretches:
        shot = [r for r in results if stretch.shot_start_s <= r.time_s < stretch.shot_end_s]
        inside = [r for r in shot if stretch.start_s <= r.time_s < stretch.end_s]
        around = [r for r in shot if not stretch.start_s <= r.time_s < stretch.end_s]
        if not inside or not around:
            raise ValueError(
                f"no scored frame in or around the stretch {stretch.title!r}; score more of the clip"
            )
        reason, votes = Counter(r.reason for r in inside).most_common(1)[0]
        findings.append(
            Finding(
                stretch,
                _mean([r.mos for r in inside]),
                _mean([r.mos for r in around]),
                reason,
                votes / len(inside),
                _mean([not r.accepted for r in inside]),
                _mean([not r.accepted for r in around]),
            )
        )
    return findings


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
