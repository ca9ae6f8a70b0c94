"""Gating the scores of many streams: which rows belong together, and a gate for each stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from leaf_edge.frames.frame import Frame
from leaf_edge.runtime.gate import Best, Decision, Gate, GateConfig, GateError, Pool

if TYPE_CHECKING:
    from leaf_edge.runtime.score_source import Scored  # loads the engine, which a replay does not need


@dataclass(frozen=True)
class GateInput:
    """What gating needs of a frame's score, live or from a log.

    source: of the frame. A stream is a run of rows of one source with rising frame numbers.
    frame: its number. time_s: its capture time in seconds, None where unknown.
    mos: the score, None for a frame that has none. reason: name of its fault, or "".
    still: an image by itself, which is judged alone.
    record: all fields of the score, as a decision log repeats them.
    pixels: the frame, where it is at hand.
    """

    source: str
    frame: int
    time_s: float | None
    mos: float | None
    reason: str
    still: bool
    record: dict[str, Any] = field(repr=False)
    pixels: Frame | None = field(default=None, repr=False)

    @classmethod
    def of(cls, scored: Scored) -> GateInput:
        """A frame that was scored just now."""
        score = scored.score
        return cls(
            source=score.source,
            frame=score.frame,
            time_s=score.time_s,
            mos=score.mos,
            reason=score.reason,
            still=scored.still,
            record=score.to_dict(),
            pixels=scored.frame,
        )


@dataclass(frozen=True)
class Gated:
    """A frame and what its stream's gate said; `stream` numbers the streams from 0."""

    scored: GateInput
    decision: Decision
    stream: int

    def to_dict(self) -> dict[str, Any]:
        """A row of the decision log: the score's fields, the decision's, and `still`."""
        return {**self.scored.record, **self.decision.to_dict(), "still": self.scored.still}


@dataclass(frozen=True)
class StreamEnd:
    """The end of a stream, with the best frame of its last, incomplete block."""

    source: str
    stream: int
    best: Best | None


def still_config(config: GateConfig) -> GateConfig:
    """The gate of an image by itself: no pooling, no dwell, a block of its own."""
    return replace(config, pool=Pool.NONE, window=1, dwell=0, best_window=min(1, config.best_window))


def gate_scores(scores: Iterable[GateInput], config: GateConfig) -> Iterator[Gated | StreamEnd]:
    """Decide on every frame, each stream by a gate of its own; a `StreamEnd` follows each stream.

    A stream ends where the source changes or the frame number does not rise; a still is a stream by
    itself. Raises `GateError` for an unusable score, and where a stream goes on after another one
    began, as in a log of several cameras sorted by time.
    """
    alone = still_config(config)
    gate = Gate(config)
    last: GateInput | None = None
    stream = -1
    reached: dict[str, int] = {}  # last frame of each source that is not a still
    for scored in scores:
        going_on = last is not None and not scored.still and not last.still and _follows(last, scored)
        if not going_on:
            if last is not None:
                yield StreamEnd(last.source, stream, gate.flush())
            if not scored.still and scored.frame > reached.get(scored.source, scored.frame):
                raise GateError(
                    f"{scored.source}: frame {scored.frame} comes after frames of another source, but goes "
                    f"on from frame {reached[scored.source]}; expected the frames of a source together"
                )
            gate = Gate(alone if scored.still else config)
            stream += 1
        try:
            if scored.mos is None:
                decision = gate.push_missing(scored.frame)
            else:
                decision = gate.push(scored.mos, scored.frame)
        except GateError as error:
            raise GateError(f"{scored.source}: {error}") from None
        if not scored.still:
            reached[scored.source] = scored.frame
        last = scored
        yield Gated(scored, decision, stream)
    if last is not None:
        yield StreamEnd(last.source, stream, gate.flush())


def _follows(before: GateInput, after: GateInput) -> bool:
    """Whether `after` belongs to the stream of `before`, by source and frame number."""
    return before.source == after.source and after.frame > before.frame
