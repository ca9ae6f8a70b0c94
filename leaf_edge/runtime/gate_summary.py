"""What came of gating: stretches of each stream, totals, reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from leaf_edge.contract import FAULTS
from leaf_edge.runtime.gate import Best, State
from leaf_edge.runtime.gate_streams import Gated, StreamEnd


@dataclass
class Stretch:
    """Frames of a stream, one after another, with one verdict.

    accepted: the verdict. initial: before the gate's first decision.
    first_frame, last_frame, start_s, end_s: where it begins and ends; times in seconds of the first
        and the last frame, None where unknown.
    frames: how many were given (with `--every`, fewer than the numbers span); missing: of them,
        without a score.
    """

    accepted: bool
    initial: bool
    first_frame: int
    last_frame: int
    start_s: float | None
    end_s: float | None
    frames: int = 0
    missing: int = 0
    _mos: float = field(default=0.0, init=False)
    _reasons: Counter[str] = field(default_factory=Counter, init=False)

    @property
    def mos(self) -> float | None:
        """Mean score of its frames, None where none has one."""
        scored = self.frames - self.missing
        return self._mos / scored if scored else None

    @property
    def reason(self) -> str:
        """The fault that most of its frames name, "" where none names one."""
        return dominant(self._reasons)

    def add(self, gated: Gated) -> None:
        """Take in the next frame."""
        scored = gated.scored
        self.last_frame, self.end_s = scored.frame, scored.time_s
        self.frames += 1
        if scored.mos is None:
            self.missing += 1
        else:
            self._mos += scored.mos
            self._reasons[scored.reason] += 1

    def to_dict(self) -> dict[str, Any]:
        """The public fields; mos rounded to four decimals."""
        return {
            "accepted": self.accepted,
            "initial": self.initial,
            "first_frame": self.first_frame,
            "last_frame": self.last_frame,
            "start_s": self.start_s,
            "end_s": self.end_s,
            "frames": self.frames,
            "missing": self.missing,
            "mos": None if self.mos is None else round(self.mos, 4),
            "reason": self.reason,
        }


def dominant(reasons: Counter[str]) -> str:
    """The name given most often; between equals the first in `contract.FAULTS`, then by alphabet."""

    def rank(name: str) -> tuple[int, int, str]:
        return -reasons[name], FAULTS.index(name) if name in FAULTS else len(FAULTS), name

    return min((name for name in reasons if name), key=rank, default="")


@dataclass
class StreamSummary:
    """A stream: its stretches, and the best frames where they were asked for."""

    source: str
    still: bool
    stretches: list[Stretch] = field(default_factory=list)
    best: list[Best] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """Frames that were given."""
        return sum(stretch.frames for stretch in self.stretches)

    @property
    def accepted(self) -> int:
        """Of them, those accepted."""
        return sum(stretch.frames for stretch in self.stretches if stretch.accepted)

    @property
    def missing(self) -> int:
        """Of them, those without a score."""
        return sum(stretch.missing for stretch in self.stretches)

    @property
    def switches(self) -> int:
        """How often the verdict changed from one frame to the next."""
        verdicts = [stretch.accepted for stretch in self.stretches]
        return sum(a is not b for a, b in pairwise(verdicts))

    def to_dict(self) -> dict[str, Any]:
        """Counts, stretches and best frames."""
        return {
            "source": self.source,
            "still": self.still,
            "frames": self.frames,
            "accepted": self.accepted,
            "missing": self.missing,
            "switches": self.switches,
            "stretches": [stretch.to_dict() for stretch in self.stretches],
            "best": [best._asdict() for best in self.best],
        }


class GateSummary:
    """Takes in what `gate_scores` yields.

    streams: in order; a still image is a stream of one frame.
    """

    def __init__(self) -> None:
        self.streams: list[StreamSummary] = []

    def add(self, item: Gated | StreamEnd) -> None:
        """Take in the next decision, or the end of a stream."""
        if isinstance(item, StreamEnd):
            if item.best is not None:
                self.streams[item.stream].best.append(item.best)
            return
        scored, decision = item.scored, item.decision
        if item.stream == len(self.streams):
            self.streams.append(StreamSummary(scored.source, scored.still))
        stream = self.streams[item.stream]
        initial = decision.state is State.INITIAL
        last = stream.stretches[-1] if stream.stretches else None
        if last is None or (last.accepted, last.initial) != (decision.accepted, initial):
            last = Stretch(
                decision.accepted, initial, scored.frame, scored.frame, scored.time_s, scored.time_s
            )
            stream.stretches.append(last)
        last.add(item)
        if decision.best_frame is not None and decision.best_score is not None:
            stream.best.append(Best(decision.best_frame, decision.best_score))

    @property
    def frames(self) -> int:
        """Of all streams."""
        return sum(stream.frames for stream in self.streams)

    @property
    def accepted(self) -> int:
        """Of all streams."""
        return sum(stream.accepted for stream in self.streams)

    @property
    def accepted_percent(self) -> float:
        """Share of the frames that were accepted, 0 to 100; 0 where there are none."""
        return 100.0 * self.accepted / self.frames if self.frames else 0.0

    @property
    def switches(self) -> int:
        """Changes of verdict inside streams."""
        return sum(stream.switches for stream in self.streams)

    def to_dict(self) -> dict[str, Any]:
        """Totals and every stream, JSON-ready."""
        return {
            "frames": self.frames,
            "accepted": self.accepted,
            "accepted_percent": round(self.accepted_percent, 2),
            "missing": sum(stream.missing for stream in self.streams),
            "switches": self.switches,
            "streams": [stream.to_dict() for stream in self.streams],
        }
