"""Which pairs are asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaf_edge.teacher.components import Components
from leaf_edge.teacher.judgment import PointJudgment
from leaf_edge.teacher.sampling import (
    LEAST_DEVIATION,
    Estimate,
    estimate,
    outcome_variance,
    sample_pairs,
)


def keys(n: int) -> list[str]:
    return [f"{number:05d}" for number in range(n)]


def estimates(n: int, seed: int = 0) -> dict[str, Estimate]:
    rng = np.random.default_rng(seed)
    return {key: Estimate(float(rng.uniform(1, 5)), float(rng.uniform(0.2, 0.6))) for key in keys(n)}


def is_connected(names: list[str], pairs: list[tuple[str, str]]) -> bool:
    place = {name: number for number, name in enumerate(names)}
    parts = Components(len(names))
    for a, b in pairs:
        parts.join(place[a], place[b])
    return parts.count == 1


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 40),
    per_picture=st.integers(2, 8),
    known=st.floats(0, 1),
    group=st.integers(1, 9),
    kept=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_a_plan_is_connected_of_the_stated_size_without_doubles_and_complete(
    n, per_picture, known, group, kept, seed
):
    names = keys(n)
    some = {k: v for k, v in list(estimates(n, seed).items())[: int(known * n)]}
    groups = {name: str(number // group) for number, name in enumerate(names)}
    plan = sample_pairs(names, some, per_picture, groups=groups, seed=seed)
    assert len(plan) == min(round(n * per_picture / 2), n * (n - 1) // 2)
    assert len(set(plan)) == len(plan) and all(a < b for a, b in plan)
    assert is_connected(names, plan)
    assert plan == sample_pairs(names[::-1], some, per_picture, groups=groups, seed=seed)
    assert sample_pairs(names, some, per_picture, groups=groups, seed=seed, existing=plan) == []
    # after some of them, as many more are chosen, and none again
    before = plan[: int(kept * len(plan))]
    more = sample_pairs(names, some, per_picture, groups=groups, seed=seed, existing=before)
    assert not set(more) & set(before) and is_connected(names, before + more)
    assert len(before) + len(more) >= len(plan)


def test_more_pictures_join_the_graph_that_is_there():
    old = sample_pairs(keys(30), estimates(30), 4)
    new = sample_pairs(keys(50), estimates(50), 4, existing=old)
    assert is_connected(keys(50), old + new) and len(old) + len(new) == 100
    assert not set(old) & set(new)


def test_pairs_are_in_doubt_more_often_than_by_chance():
    names, known = keys(400), estimates(400)

    def doubt(pairs):
        a, b = (np.array([known[pair[side]] for pair in pairs]) for side in (0, 1))
        return outcome_variance(a[:, 0], b[:, 0], a[:, 1], b[:, 1]).mean()

    blind = sample_pairs(names, {}, 6)
    assert doubt(sample_pairs(names, known, 6)) > 1.5 * doubt(blind)


def test_pairs_are_spread_evenly():
    counts = Counter(name for pair in sample_pairs(keys(400), estimates(400), 6) for name in pair)
    assert min(counts.values()) >= 2 and max(counts.values()) <= 7
    assert np.percentile(list(counts.values()), 10) >= 5


def test_versions_of_one_picture_meet_more_often_than_by_chance_but_not_only_there():
    names, known = keys(400), estimates(400)
    groups = {name: str(number // 8) for number, name in enumerate(names)}

    def share(pairs):
        return np.mean([groups[a] == groups[b] for a, b in pairs])

    alone = share(sample_pairs(names, known, 6))
    grouped = share(sample_pairs(names, known, 6, groups=groups))
    assert alone < 0.06 and 0.25 < grouped < 0.6


def test_another_seed_is_another_choice():
    names = keys(60)
    assert sample_pairs(names, {}, 4, seed=1) != sample_pairs(names, {}, 4, seed=2)


def test_random_graphs_without_labels_are_narrow():
    """Within log n steps from anywhere: no long chain, along which errors would add up."""
    names = keys(500)
    near: dict[str, list[str]] = {name: [] for name in names}
    for a, b in sample_pairs(names, {}, 6):
        near[a].append(b)
        near[b].append(a)
    reached, edge, steps = {names[0]}, [names[0]], 0
    while edge:
        edge = list({other for name in edge for other in near[name]} - reached)
        reached.update(edge)
        steps += 1
    assert len(reached) == 500 and steps <= 9


def test_fifty_thousand_pictures_are_planned_in_little_memory():
    tracemalloc = pytest.importorskip("tracemalloc")
    n = 50_000
    names, known = keys(n), dict.fromkeys(keys(n), Estimate(3.0, 0.4))
    tracemalloc.start()
    try:
        plan = sample_pairs(names, known, 2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(plan) >= n - 1 and peak < 200 << 20  # a bit for each two pictures would take 150 MB alone


def test_one_pair_for_each_picture_cannot_connect_and_is_refused():
    with pytest.raises(ValueError, match="expected 2 or more"):
        sample_pairs(keys(5), {}, 1)
    assert sample_pairs(keys(1), {}, 4) == []


def test_an_estimate_is_the_mean_and_wider_when_unreliable():
    sure = estimate(PointJudgment((0.0, 0.0, 1.0, 0.0, 0.0), 1.0))
    assert sure == Estimate(3.0, LEAST_DEVIATION)
    split = estimate(PointJudgment((0.0, 0.5, 0.0, 0.5, 0.0), 1.0))
    assert split.mos == pytest.approx(3) and split.deviation == pytest.approx(1)
    doubtful = estimate(PointJudgment((0.0, 0.5, 0.0, 0.5, 0.0), 0.0))
    assert doubtful.deviation == pytest.approx(3**0.5)


def test_the_outcome_of_equals_is_a_toss_up_and_that_of_unequals_thurstones():
    from statistics import NormalDist

    for gap in (0.0, 0.3, 1.0, 2.0):
        p = NormalDist().cdf(gap / (0.3**2 + 0.4**2) ** 0.5)
        found = outcome_variance(*(np.array([x]) for x in (3 + gap, 3.0, 0.3, 0.4)))[0]
        assert found == pytest.approx(p * (1 - p), abs=0.011)
