"""Scores of one source, kept small: what the summary and the plot need, a few bytes a frame."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS
from leaf_edge.runtime.score import MOS_DECIMALS, Score

LOW_PERCENTILE = 10
"""Percentile of MOS that a summary gives for the bad end of a source."""


class Series:
    """Scores in their order.

    name: of the source, for people. stills: whether the frames are images rather than a stream.
    elapsed_s: wall time that the source took.
    """

    def __init__(self, name: str, *, stills: bool) -> None:
        self.name = name
        self.stills = stills
        self.elapsed_s = 0.0
        self.names: list[str] = []
        self.reasons: Counter[str] = Counter()
        self._numbers = array("d")  # mos, mos_lo, mos_hi, time_s (NaN: none), frame
        self._faults = array("f")

    def add(self, score: Score, elapsed_s: float = 0.0) -> None:
        """Append a score, `elapsed_s` after the one before. Only images keep their names."""
        self.elapsed_s += elapsed_s
        time_s = math.nan if score.time_s is None else score.time_s
        self._numbers.extend((score.mos, score.mos_lo, score.mos_hi, time_s, score.frame))
        self._faults.extend(score.faults)
        self.reasons[score.reason] += 1
        if self.stills:
            self.names.append(score.source)

    def __len__(self) -> int:
        return len(self._numbers) // 5

    def _column(self, number: int) -> NDArray[np.float64]:
        return np.array(self._numbers, np.float64).reshape(-1, 5)[:, number]

    @property
    def mos(self) -> NDArray[np.float64]:
        """MOS of each frame, [N]."""
        return self._column(0)

    @property
    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of the intervals, [N] each."""
        return self._column(1), self._column(2)

    @property
    def time_s(self) -> NDArray[np.float64] | None:
        """Capture times in seconds, [N]; None where a frame has none."""
        times = self._column(3)
        return None if np.isnan(times).any() else times

    @property
    def frame(self) -> NDArray[np.float64]:
        """Frame numbers, [N]."""
        return self._column(4)

    @property
    def faults(self) -> NDArray[np.float32]:
        """Severities, [N, 8]."""
        return np.array(self._faults, np.float32).reshape(-1, len(FAULTS))


def summarise(series: Sequence[Series]) -> dict[str, Any]:
    """Figures of one or several series together; there must be a frame in them.

    `reason` is the fault that most frames name, None where no frame names one; `reason_share` the
    share of all frames that name it, 0..1.
    """
    mos = np.concatenate([item.mos for item in series])
    reasons = sum((item.reasons for item in series), Counter[str]())
    named = [(count, -FAULTS.index(fault), fault) for fault, count in reasons.items() if fault]
    count, _, reason = max(named, default=(0, 0, None))
    elapsed = sum(item.elapsed_s for item in series)
    return {
        "frames": len(mos),
        "mos_mean": round(float(mos.mean()), MOS_DECIMALS),
        "mos_min": round(float(mos.min()), MOS_DECIMALS),
        "mos_p10": round(float(np.percentile(mos, LOW_PERCENTILE)), MOS_DECIMALS),
        "mos_max": round(float(mos.max()), MOS_DECIMALS),
        "reason": reason,
        "reason_share": round(count / len(mos), 4),
        "frames_per_second": round(len(mos) / elapsed, 2) if elapsed > 0 else None,
    }


def fault_words(fault: str) -> str:
    """A fault's name for people."""
    return fault.replace("_", " ")


def main_fault(figures: dict[str, Any]) -> str:
    """The fault of a summary with its share of the frames, for people: `motion blur 12%`, or `none`."""
    if not figures["reason"]:
        return "none"
    share = figures["reason_share"]
    return f"{fault_words(figures['reason'])} {'<1%' if share < 0.01 else f'{share:.0%}'}"
