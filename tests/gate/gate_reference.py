"""The gate's state machine restated plainly: the meaning of docs/gate.md, with exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

from leaf_edge.runtime.gate import Best, Decision, GateConfig, Missing, Pool, State

UNIT = 1_000_000  # scores are rounded to 1 / UNIT
FINE = 1_000  # and the moving average to 1 / (UNIT * FINE)


def round_half_away(value: Fraction) -> int:
    magnitude = math.floor(abs(value) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude


def steps(score: float) -> int:
    return round_half_away(Fraction(score * UNIT))


class ReferenceGate:
    def __init__(self, config: GateConfig) -> None:
        self.config = config
        self.window = 1 if config.pool is Pool.NONE else config.window
        self.history: list[int] = []  # every score, in steps
        self.average = 0  # in steps / FINE
        self.state = State.INITIAL
        self.states: list[State] = []  # after each frame
        self.block: list[tuple[int, int]] = []  # (score, frame) of this block that may be its best
        self.block_frames = 0

    def verdict(self) -> bool:
        state = self.config.initial if self.state is State.INITIAL else self.state
        return state is State.ACCEPT

    def pooled(self) -> Fraction | None:
        """In steps."""
        window = self.history[-self.window :]
        if not window:
            return None
        if self.config.pool is Pool.MEAN:
            return Fraction(sum(window), len(window))
        if self.config.pool is Pool.LOW:
            rank = max(1, math.ceil(Fraction(self.config.percentile * len(window), 100)))
            return Fraction(sorted(window)[rank - 1])
        if self.config.pool is Pool.EMA:
            return Fraction(self.average, FINE)
        return Fraction(window[-1])

    def may_change(self) -> bool:
        if self.state is State.INITIAL:
            return True
        held = 0
        for state in reversed(self.states):
            if state is not self.state:
                break
            held += 1
        return held >= self.config.dwell

    def push(self, score: float | None, frame: int) -> Decision:
        before = self.verdict()
        candidate = False
        if score is not None:
            value = steps(score)
            if self.history:
                change = Fraction(2 * (value * FINE - self.average), self.window + 1)
                self.average += round_half_away(change)
            else:
                self.average = value * FINE
            self.history.append(value)
            pooled = self.pooled()
            assert pooled is not None
            if len(self.history) >= self.window and self.may_change():
                if pooled >= steps(self.config.accept):
                    self.state = State.ACCEPT
                if pooled < steps(self.config.reject):
                    self.state = State.REJECT
        self.states.append(self.state)

        accepted = self.verdict()
        if score is None and self.config.missing is not Missing.LAST:
            accepted = self.config.missing is Missing.PASS
        best = None
        if self.config.best_window:
            if score is not None and accepted and steps(score) >= steps(self.config.reject):
                candidate = not self.block or steps(score) > max(self.block)[0]
                self.block.append((steps(score), frame))
            self.block_frames += 1
            if self.block_frames == self.config.best_window:
                best = self.flush()
        held = next(
            (i for i, state in enumerate(reversed(self.states)) if state is not self.state), len(self.states)
        )
        now = self.pooled()
        return Decision(
            frame=frame,
            accepted=accepted,
            state=self.state,
            changed=self.verdict() != before,
            missing=score is None,
            warmup_left=max(0, self.window - len(self.history)),
            dwell_left=0 if self.state is State.INITIAL else max(0, self.config.dwell - held),
            pooled=None if now is None else float(now / UNIT),
            candidate=candidate,
            best_frame=best.frame if best else None,
            best_score=best.score if best else None,
        )

    def flush(self) -> Best | None:
        top = max((score for score, _ in self.block), default=None)
        best = next((Best(frame, score / UNIT) for score, frame in self.block if score == top), None)
        self.block, self.block_frames = [], 0
        return best
