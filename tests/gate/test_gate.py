"""The gate of the core against its plain restatement, and the promises of docs/gate.md."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from itertools import groupby, pairwise
from typing import Any

import pytest
from gate_reference import ReferenceGate
from hypothesis import given, settings
from hypothesis import strategies as st

from leaf_edge import _native
from leaf_edge.runtime.gate import (
    GATE_MAX_SCORE,
    GATE_MAX_WINDOW,
    Best,
    Decision,
    Gate,
    GateConfig,
    GateError,
    Missing,
    Pool,
    State,
)

# Scores on a coarse grid meet thresholds and each other exactly, which is where rounding would show.
GRID = st.integers(10, 50).map(lambda tenths: tenths / 10)
MOS = GRID | st.floats(1.0, 5.0)
LOGS = st.lists(MOS, max_size=120)


@st.composite
def configs(draw: st.DrawFn, /, **fixed: Any) -> GateConfig:
    accept, reject = sorted((draw(MOS), draw(MOS)), reverse=True)
    drawn = {
        "accept": accept,
        "reject": reject,
        "pool": draw(st.sampled_from(Pool)),
        "window": draw(st.integers(1, 12) | st.integers(1, 100)),
        "percentile": draw(st.integers(0, 100)),
        "dwell": draw(st.integers(0, 12)),
        "initial": draw(st.sampled_from([State.ACCEPT, State.REJECT])),
        "missing": draw(st.sampled_from(Missing)),
        "best_window": draw(st.integers(0, 9)),
    }
    return GateConfig(**(drawn | fixed))


def run(config: GateConfig, log: list[float] | list[float | None]) -> list[Decision]:
    gate = Gate(config)
    return [gate.push_missing() if score is None else gate.push(score) for score in log]


@settings(max_examples=300, deadline=None)
@given(config=configs(), log=st.lists(st.none() | MOS | st.floats(-1e6, 1e6), max_size=120))
def test_equals_the_reference(config: GateConfig, log: list[float | None]) -> None:
    gate, reference = Gate(config), ReferenceGate(config)
    for number, score in enumerate(log):
        decision = gate.push_missing(number) if score is None else gate.push(score, number)
        assert decision == reference.push(score, number)
    assert gate.flush() == reference.flush()
    assert gate.flush() is None


@settings(deadline=None)
@given(config=configs(), log=LOGS, noise=LOGS)
def test_the_same_log_replays_to_the_same_decisions(
    config: GateConfig, log: list[float], noise: list[float]
) -> None:
    first = run(config, log)
    text = json.dumps(log)  # as a score log holds them
    assert run(GateConfig(**json.loads(json.dumps(config.to_dict()))), json.loads(text)) == first
    gate = Gate(config)
    for score in noise:
        gate.push(score)
    gate.reset()
    assert [gate.push(score) for score in log] == first


@settings(deadline=None)
@given(config=configs(), log=LOGS)
def test_a_state_holds_its_dwell(config: GateConfig, log: list[float]) -> None:
    decisions = run(config, log)
    runs = [(state, list(group)) for state, group in groupby(decisions, key=lambda d: d.state)]
    for state, group in runs[:-1]:
        assert state is State.INITIAL or len(group) >= config.dwell
    for now, after in pairwise(decisions):
        if now.dwell_left:
            assert after.state is now.state and after.dwell_left == now.dwell_left - 1


@settings(deadline=None)
@given(config=configs(), log=LOGS)
def test_states_change_only_across_their_threshold(config: GateConfig, log: list[float]) -> None:
    before = State.INITIAL
    for decision in run(config, log):
        assert decision.pooled is not None
        if decision.state is not before:
            assert decision.warmup_left == 0 and decision.state is not State.INITIAL
            # One step of rounding of the thresholds.
            if decision.state is State.ACCEPT:
                assert decision.pooled >= config.accept - 1e-6
            else:
                assert decision.pooled < config.reject + 1e-6
        elif decision.warmup_left == 0 and decision.dwell_left == 0 and config.dwell == 0:
            # Nothing held it, so it had no reason to change.
            if decision.state is not State.ACCEPT:
                assert decision.pooled < config.accept + 1e-6
            if decision.state is not State.REJECT:
                assert decision.pooled >= config.reject - 1e-6
        before = decision.state


@settings(deadline=None)
@given(config=configs(dwell=0, missing=Missing.LAST), log=LOGS, data=st.data())
def test_better_scores_never_accept_less(config: GateConfig, log: list[float], data: st.DataObject) -> None:
    # With a dwell this does not hold: an early acceptance may be held through a dip and end later.
    gain = data.draw(st.lists(st.floats(0, 2), min_size=len(log), max_size=len(log)))
    better = [score + more for score, more in zip(log, gain, strict=True)]
    for low, high in zip(run(config, log), run(config, better), strict=True):
        assert high.accepted >= low.accepted


@settings(deadline=None)
@given(config=configs(), log=LOGS)
def test_the_band_between_the_thresholds_moves_nothing(config: GateConfig, log: list[float]) -> None:
    if config.accept - config.reject < 1e-5:
        return
    assert {d.state for d in run(config, [(config.accept + config.reject) / 2] * 50)} == {State.INITIAL}
    if config.pool is Pool.EMA:
        return  # its window never empties of what came before
    calm = [(config.accept + config.reject) / 2] * (config.window + config.dwell + 20)
    later = run(config, log + calm)[len(log) + config.window + config.dwell :]
    assert len({d.state for d in later}) == 1


def test_exact_at_the_thresholds() -> None:
    # 3.1 + 3.2 + 3.6 is 9.900000000000000 + 2e-15 in doubles; its mean is 3.3 here.
    config = GateConfig(accept=3.3, reject=3.3, window=3, dwell=0)
    assert [d.accepted for d in run(config, [3.1, 3.2, 3.6])] == [False, False, True]
    assert [d.accepted for d in run(config, [3.1, 3.2, 3.599997])] == [False, False, False]
    assert run(config, [3.1, 3.2, 3.6])[-1].pooled == 3.3


def test_initial_state_until_the_window_is_filled() -> None:
    config = GateConfig(accept=3, reject=2, window=4, dwell=5)
    decisions = run(config, [5.0] * 6)
    assert [d.accepted for d in decisions] == [False] * 3 + [True] * 3
    assert [d.warmup_left for d in decisions] == [3, 2, 1, 0, 0, 0]
    assert [d.state for d in decisions[2:4]] == [State.INITIAL, State.ACCEPT]
    assert [d.changed for d in decisions] == [False] * 3 + [True] + [False] * 2
    assert [d.dwell_left for d in decisions] == [0, 0, 0, 4, 3, 2]
    opened = run(GateConfig(accept=3, reject=2, window=4, initial=State.ACCEPT), [1.0] * 5)
    assert [d.accepted for d in opened] == [True] * 3 + [False] * 2
    between = run(GateConfig(accept=3, reject=2, window=2), [2.5] * 9)
    assert {d.state for d in between} == {State.INITIAL} and not any(d.accepted for d in between)


def test_hysteresis_and_dwell_on_a_known_log() -> None:
    config = GateConfig(accept=3, reject=2, pool=Pool.NONE, window=99, dwell=3)
    log = [3.0, 1.0, 1.0, 1.0, 2.5, 4.0, 4.0, 2.0, 2.9]
    expected = "AAARRRAAA"
    assert "".join("A" if d.accepted else "R" for d in run(config, log)) == expected


def test_missing_scores() -> None:
    log = [4.0, 4.0, None, None, 1.0, None, 1.0]
    accepted = {}
    for policy in Missing:
        config = GateConfig(accept=3, reject=2, pool=Pool.NONE, dwell=4, missing=policy)
        decisions = run(config, log)
        accepted[policy] = "".join("A" if d.accepted else "R" for d in decisions)
        # Missing frames count for the dwell: the fifth frame may change the state.
        assert "".join(d.state[0] for d in decisions) == "aaaarrr"
        assert [d.pooled for d in decisions] == [4, 4, 4, 4, 1, 1, 1]
        assert [d.missing for d in decisions] == [score is None for score in log]
    assert accepted == {
        Missing.PASS: "AAAARAR",
        Missing.DROP: "AARRRRR",
        Missing.LAST: "AAAARRR",
    }
    first = Gate().push_missing()
    assert first.pooled is None and first.state is State.INITIAL and first.warmup_left == 8


def test_a_frame_below_reject_is_never_the_best() -> None:
    config = GateConfig(accept=3, reject=2, window=3, dwell=0, best_window=3)
    decisions = run(config, [4.0, 4.0, 4.0, 1.5, 1.5, 2.0, 1.9, 4.0, 1.9])
    assert [d.accepted for d in decisions] == [False, False] + [True] * 3 + [False] * 3 + [False]
    assert [(d.best_frame, d.best_score) for d in decisions[2::3]] == [(2, 4.0), (None, None), (None, None)]


def test_best_of_each_block() -> None:
    config = GateConfig(accept=3, reject=3, pool=Pool.NONE, dwell=0, best_window=3)
    gate = Gate(config)
    rows = [gate.push(score, 100 + i) for i, score in enumerate([3.5, 4.0, 4.0, 1, 2.9, 1, 3.1, 5, 2, 3.3])]
    assert [d.candidate for d in rows] == [c == "c" for c in "cc----cc-c"]
    best = [(d.best_frame, d.best_score) for d in rows]
    # Ties go to the earlier frame; a block without an accepted frame has no best.
    none = (None, None)
    assert best == [none, none, (101, 4.0), none, none, none, none, none, (107, 5.0), none]
    assert gate.flush() == Best(109, 3.3) and gate.flush() is None


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1.1e6, -1e300])
def test_unusable_scores_are_refused_and_change_nothing(score: float) -> None:
    gate, twin = Gate(), Gate()
    gate.push(3.0, 7)
    twin.push(3.0, 7)
    with pytest.raises(GateError, match=r"score of frame 8 is .*; expected a finite number"):
        gate.push(score, 8)
    assert gate.push(4.0) == twin.push(4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accept": math.nan}, "accept is nan; expected a finite number"),
        ({"reject": -math.inf}, "reject is -inf; expected a finite number"),
        ({"accept": 1e7}, "accept is 1e\\+07; expected at most 1e\\+06"),
        ({"accept": "3"}, "accept is '3'; expected a finite number"),
        ({"accept": 2.0, "reject": 2.5}, "reject is 2.5, above accept 2; expected reject <= accept"),
        ({"window": 0}, f"window is 0; expected a whole number from 1 to {GATE_MAX_WINDOW}"),
        ({"window": GATE_MAX_WINDOW + 1}, "window is 4097"),
        ({"window": 2.0}, "window is 2.0; expected a whole number"),
        ({"percentile": 101}, "percentile is 101"),
        ({"dwell": -1}, "dwell is -1"),
        ({"dwell": 1 << 31}, "dwell is 2147483648"),
        ({"dwell": True}, "dwell is True"),
        ({"best_window": -3}, "best_window is -3"),
        ({"pool": "median"}, "pool is 'median'; expected one of: none, mean, low, ema"),
        ({"initial": "initial"}, "initial is 'initial'; expected one of: accept, reject"),
        ({"missing": "skip"}, "missing is 'skip'; expected one of: pass, drop, last"),
    ],
)
def test_wrong_settings(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GateError, match=message):
        GateConfig(**change)


def test_python_and_core_agree_on_defaults() -> None:
    core = _native.gate_defaults()
    config = GateConfig()
    codes = {
        "pool": list(Pool).index(config.pool),
        "initial": list(State).index(config.initial),
        "missing": list(Missing).index(config.missing),
    }
    mine = {field.name: codes.get(field.name, getattr(config, field.name)) for field in fields(config)}
    assert mine == core
    assert GATE_MAX_SCORE == 1e6


def test_decision_as_a_dict() -> None:
    row = Gate(GateConfig(window=1)).push(4.0, 12).to_dict()
    assert row == {
        "frame": 12,
        "accepted": True,
        "state": "accept",
        "changed": True,
        "missing": False,
        "warmup_left": 0,
        "dwell_left": 7,
        "pooled": 4.0,
        "candidate": False,
        "best_frame": None,
        "best_score": None,
    }
    assert json.loads(json.dumps(row)) == row


def test_long_log_with_a_large_window() -> None:
    config = GateConfig(window=GATE_MAX_WINDOW, accept=0.5, reject=-0.5, dwell=0)
    log = [1e6 if i % 2 else -1e6 for i in range(2 * GATE_MAX_WINDOW)]
    decisions = run(config, log)
    assert decisions[-1].pooled == 0.0 and decisions[-1].state is State.INITIAL
