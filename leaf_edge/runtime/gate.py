"""The gate: turns a stream of scores into accept / reject decisions (contract: docs/gate.md).

    gate = Gate(GateConfig(accept=3.4, reject=3.0, window=5, dwell=10))
    for frame in source:
        decision = gate.push(scorer.score(frame).mos, frame.index)
        if decision.accepted: ...

The state machine is the C++ core's (runtime/include/leaf_edge/gate.h); the same scores give the same
decisions on every machine.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from leaf_edge import _native
from leaf_edge._native import GATE_MAX_SCORE, GATE_MAX_WINDOW

__all__ = [
    "GATE_MAX_SCORE",
    "GATE_MAX_WINDOW",
    "Best",
    "Decision",
    "Gate",
    "GateConfig",
    "GateError",
    "Missing",
    "Pool",
    "State",
]

_INT32_MAX = (1 << 31) - 1
_Code = TypeVar("_Code", bound=StrEnum)


class Pool(StrEnum):
    """How the last scores become the one that is compared with the thresholds."""

    NONE = "none"  # the last score alone
    MEAN = "mean"  # mean of the window
    LOW = "low"  # low percentile of the window, by nearest rank
    EMA = "ema"  # exponential moving average; a new score weighs 2 / (window + 1)


class State(StrEnum):
    """Of the gate; `INITIAL` until the first decision, and never again."""

    INITIAL = "initial"
    ACCEPT = "accept"
    REJECT = "reject"


class Missing(StrEnum):
    """What becomes of a frame that has no score."""

    PASS = "pass"  # accepted
    DROP = "drop"  # rejected
    LAST = "last"  # the verdict of the state that holds


# Members stand in the order of the codes of gate.h.
_POOLS, _STATES, _MISSINGS = tuple(Pool), tuple(State), tuple(Missing)


class GateError(ValueError):
    """A setting or a score that the gate cannot use. The message says what was expected."""


class Best(NamedTuple):
    """The best frame of a block."""

    frame: int
    score: float


@dataclass(frozen=True)
class GateConfig:
    """Settings of a gate. Thresholds are in the unit of the scores, MOS 1 to 5 by default.

    accept: accept where the pooled score is at or above this.
    reject: reject where it is below this; at most `accept`. Between the two the state stays.
    pool: how the last `window` scores are pooled, a `Pool` or its name.
    window: scores, 1 to `GATE_MAX_WINDOW`; counts as 1 with `Pool.NONE`. Nothing is decided before
        the window is filled.
    percentile: of `Pool.LOW`, 0 (the minimum) to 100 (the maximum), an integer.
    dwell: frames that a state holds at least. The initial state may be left at any time.
    initial: verdict before the first decision, `State.ACCEPT` or `State.REJECT`.
    missing: what becomes of frames without a score, a `Missing` or its name.
    best_window: frames in a block of which the best is named, 0 for none: the accepted frame with the
        highest score of its own, unless that is below `reject`; the earlier one of equals.

    Raises `GateError` for values out of range.
    """

    accept: float = 3.0
    reject: float = 2.5
    pool: Pool = Pool.MEAN
    window: int = 8
    percentile: int = 10
    dwell: int = 8
    initial: State = State.REJECT
    missing: Missing = Missing.LAST
    best_window: int = 0

    def __post_init__(self) -> None:
        for name in ("accept", "reject"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise GateError(f"{name} is {value!r}; expected a finite number")
            if abs(value) > GATE_MAX_SCORE:
                raise GateError(f"{name} is {value:g}; expected at most {GATE_MAX_SCORE:g} in magnitude")
            object.__setattr__(self, name, float(value))
        if self.reject > self.accept:
            raise GateError(
                f"reject is {self.reject:g}, above accept {self.accept:g}; expected reject <= accept"
            )
        for name, low, high in (
            ("window", 1, GATE_MAX_WINDOW),
            ("percentile", 0, 100),
            ("dwell", 0, _INT32_MAX),
            ("best_window", 0, _INT32_MAX),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise GateError(f"{name} is {value!r}; expected a whole number from {low} to {high}")
        object.__setattr__(self, "pool", _member("pool", self.pool, _POOLS))
        object.__setattr__(self, "initial", _member("initial", self.initial, _STATES[1:]))
        object.__setattr__(self, "missing", _member("missing", self.missing, _MISSINGS))

    def to_dict(self) -> dict[str, Any]:
        """Every field, names for the enumerations; `GateConfig(**d)` makes it again."""
        return {name: str(v) if isinstance(v, StrEnum) else v for name, v in asdict(self).items()}


def _member(name: str, value: object, known: tuple[_Code, ...]) -> _Code:
    for member in known:
        if member == value:
            return member
    raise GateError(f"{name} is {value!r}; expected one of: {', '.join(known)}")


@dataclass(frozen=True)
class Decision:
    """What the gate says of one frame.

    frame: the number that was pushed.
    accepted: whether to use this frame.
    state: of the gate after this frame.
    changed: whether the state's verdict differs from that before this frame.
    missing: whether the frame came without a score.
    warmup_left: scores still to come before the window is filled.
    dwell_left: frames still to come that cannot change the state.
    pooled: pooled score, of fewer scores while the window fills; None before any.
    candidate: the best of its block so far: hold on to this frame.
    best_frame, best_score: on the last frame of a block, number and score of the block's best frame;
        None on other frames, and where no frame of the block was good enough.
    """

    frame: int
    accepted: bool
    state: State
    changed: bool
    missing: bool
    warmup_left: int
    dwell_left: int
    pooled: float | None
    candidate: bool = False
    best_frame: int | None = None
    best_score: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every field, JSON-ready, in the order above."""
        return {**asdict(self), "state": str(self.state)}


class Gate:
    """State machine of one stream. Serves one thread at a time; gates are independent.

    config: `GateConfig()` by default.
    """

    def __init__(self, config: GateConfig | None = None) -> None:
        self.config = config or GateConfig()
        settings = self.config
        self._context = _native.GateContext(
            accept=settings.accept,
            reject=settings.reject,
            pool=_POOLS.index(settings.pool),
            window=settings.window,
            percentile=settings.percentile,
            dwell=settings.dwell,
            initial=_STATES.index(settings.initial),
            missing=_MISSINGS.index(settings.missing),
            best_window=settings.best_window,
        )
        self._next = 0

    def push(self, score: float, frame: int | None = None) -> Decision:
        """Decide on a frame with its score.

        frame: number that labels the frame; by default one more than the last.
        Raises `GateError` for a score that is not finite; the gate is then as before.
        """
        number = self._next if frame is None else frame
        try:
            fields = self._context.push(number, score)
        except ValueError as error:
            raise GateError(str(error)) from None
        self._next = number + 1
        return _decision(fields)

    def push_missing(self, frame: int | None = None) -> Decision:
        """Decide on a frame that has no score, by `config.missing`.

        It never changes the state and enters neither the window nor the choice of the best, but
        counts as a frame of the dwell and of the block.
        """
        number = self._next if frame is None else frame
        fields = self._context.push_missing(number)
        self._next = number + 1
        return _decision(fields)

    def flush(self) -> Best | None:
        """End the block of best-frame selection early, as at the end of a stream: its best so far."""
        best = self._context.flush()
        return None if best is None else Best(*best)

    def reset(self) -> None:
        """Back to the state of a new gate, for another stream."""
        self._context.reset()
        self._next = 0


def _decision(fields: tuple[Any, ...]) -> Decision:
    frame, accepted, state, *rest = fields
    return Decision(frame, accepted, _STATES[state], *rest)
