"""Which frames to rate next, and when to stop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from leaf_edge.calibration import CalibrationError
from leaf_edge.calibration.stop import stop_rule
from leaf_edge.calibration.suggest import difficulty, suggest

Floats = NDArray[np.float64]


def clustered(seed: int) -> tuple[Floats, Floats, Floats, NDArray[np.intp]]:
    """20 scenes of very unlike size, as footage has them: features, raw, spread, scene."""
    rng = np.random.default_rng(seed)
    sizes = np.round(np.geomspace(400, 4, 20)).astype(int)
    scene = np.repeat(np.arange(20), sizes)
    features = rng.normal(0, 4, (20, 12))[scene] + rng.normal(0, 0.3, (len(scene), 12))
    raw = np.clip(rng.beta(6, 3, 20)[scene] + rng.normal(0, 0.05, len(scene)), 0, 1)
    return features, raw, rng.uniform(0.05, 0.3, len(scene)), scene


@pytest.mark.parametrize("seed", range(3))
def test_choice_covers_scenes_and_scores_better_than_chance(seed: int) -> None:
    features, raw, spread, scene = clustered(seed)
    count = 30
    chosen = [s.index for s in suggest(features, raw, spread, count, plain=0)]
    rng = np.random.default_rng(seed)
    chance = [rng.choice(len(raw), count, replace=False) for _ in range(50)]

    def farthest(picks: Any) -> float:
        return float(np.linalg.norm(features[:, None] - features[picks], axis=2).min(axis=1).max())

    def evenness(picks: Any) -> float:
        low, high = np.quantile(raw, [0.01, 0.99])
        return float(np.histogram(np.clip(raw[picks], low, high), 10, (low, high))[0].min())

    assert len(set(scene[chosen])) > 1.3 * np.mean([len(set(scene[c])) for c in chance])
    assert farthest(chosen) < np.mean([farthest(c) for c in chance])
    assert evenness(chosen) >= 2 > np.mean([evenness(c) for c in chance])
    assert difficulty(spread)[chosen].mean() > 0.6


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 2**31), st.booleans(), st.booleans())
def test_never_what_is_rated_never_twice_always_the_same(
    n: int, count: int, seed: int, alike: bool, told: bool
) -> None:
    rng = np.random.default_rng(seed)
    features = np.ones((n, 3)) if alike else rng.normal(size=(n, 3)).round(1)
    raw = np.full(n, 0.5) if alike else rng.uniform(size=n).round(1)
    spread = rng.uniform(0.1, 0.2, n).round(2)
    rated = rng.choice(n, rng.integers(n + 1), replace=False)
    other = np.where(rng.random(n) < 0.5, np.nan, rng.uniform(size=n)) if told else None
    chosen = [s.index for s in suggest(features, raw, spread, count, rated=rated, disagreement=other)]
    assert len(chosen) == min(count, n - len(rated))
    assert len(set(chosen)) == len(chosen) and not set(chosen) & set(rated.tolist())
    assert chosen == [s.index for s in suggest(features, raw, spread, count, rated=rated, disagreement=other)]


def test_of_like_frames_the_hardest_comes_first() -> None:
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.1, 0.2, 50)
    first = suggest(rng.normal(size=(50, 4)), np.full(50, 0.5), spread, 1)[0]
    assert first.index == spread.argmax() and first.difficulty == 1.0
    assert "hardest of all" in first.reason and "first to be rated" in first.reason


def test_plain_frames_are_no_harder_than_others_and_as_many_as_asked() -> None:
    features, raw, spread, _ = clustered(2)
    found = suggest(features, raw, spread, 100)
    by_lot = np.array(["plain" in s.reason for s in found])
    assert by_lot.sum() == 50 and not by_lot[0] and by_lot[1]
    hard = np.array([s.difficulty for s in found])
    assert abs(hard[by_lot].mean() - 0.5) < 0.12 < hard[~by_lot].mean() - hard[by_lot].mean()
    assert all("plain" in s.reason for s in suggest(features, raw, spread, 20, plain=1))


def test_teachers_disagreement_makes_a_frame_hard() -> None:
    other = np.full(50, np.nan)
    other[:10] = 0.1
    other[7] = 0.9
    hard = difficulty(np.full(50, 0.2), other)
    assert hard.argmax() == 7 and hard[20] == 0.5 and hard[0] < 0.5


def test_ratings_that_exist_are_complemented() -> None:
    features, raw, spread, scene = clustered(1)
    rated = np.flatnonzero((scene < 3) & (raw > np.median(raw)))[:60]
    chosen = suggest(features, raw, spread, 20, rated=rated, plain=0)
    assert np.mean(scene[[s.index for s in chosen]] >= 3) > 0.8
    assert chosen[0].ratings == 0 and "has none rated or chosen" in chosen[0].reason
    assert np.mean([s.distance for s in chosen]) > 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros(10)}, r"expected features \[N, D\]"),
        ({"spread": np.zeros(9)}, r"expected features \[N, D\]"),
        ({"raw": np.full(10, np.nan)}, "finite"),
        ({"count": 0}, "expected 1 or more"),
        ({"plain": 1.5}, "plain frames is 1.5"),
        ({"rated": [10]}, "positions in 0 to 9"),
        ({"rated": [-1]}, "positions in 0 to 9"),
    ],
)
def test_wrong_arguments_of_suggest_are_refused(change: dict[str, Any], message: str) -> None:
    given_: dict[str, Any] = {"features": np.zeros((10, 2)), "raw": np.arange(10.0), "spread": np.ones(10)}
    with pytest.raises(CalibrationError, match=message):
        suggest(**({**given_, "count": 3} | change))


# ------------------------------------------------------------------ the stop rule


def ratings(n: int, seed: int, noise: float = 0.4) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    raw = rng.uniform(size=n)
    return raw, np.clip(1.8 + 2.4 * raw + noise * rng.normal(size=n), 1, 5)


@pytest.mark.parametrize("seed", range(2))
def test_it_stops_where_the_curve_is_flat(seed: int) -> None:
    advice = stop_rule(*ratings(400, seed))
    assert advice.stop and advice.sentence.startswith("Stop: with 400 ratings")
    assert 0 <= advice.gain <= advice.gain_high < 0.01
    assert 0.3 < advice.floor <= advice.rmse[-1] < 0.5  # the noise is 0.4
    assert advice.sizes[0] == 10 and advice.sizes[-1] == 320
    assert stop_rule(*ratings(400, seed)) == advice


def _nearest(raw: Floats, mos: Floats) -> Any:
    """A learner that goes on learning: MOS of the nearest rating."""
    return lambda seen: mos[seen][np.abs(raw[:, None] - raw[seen]).argmin(axis=1)]


@pytest.mark.parametrize("seed", range(2))
def test_it_goes_on_where_the_curve_is_steep(seed: int) -> None:
    raw = np.random.default_rng(seed).uniform(size=60)
    mos = 3 + 1.9 * np.sin(40 * raw)  # no noise, much shape: every rating helps
    advice = stop_rule(raw, mos, predict=_nearest(raw, mos))
    assert not advice.stop and advice.gain > 0.05
    assert advice.rmse[0] > 1.5 * advice.rmse[-1] and advice.srcc[-1] > advice.srcc[0]
    assert advice.sentence.startswith("Go on: with 60 ratings")


def test_it_goes_on_with_few_noisy_ratings() -> None:
    assert not any(stop_rule(*ratings(20, seed, 0.8)).stop for seed in range(3))


def test_gain_matches_what_doubling_really_brings() -> None:
    # of a line with noise s: mean square error s^2 (1 + 2 / n), by regression theory
    advice = stop_rule(*ratings(60, 5, 0.3))
    s = 0.3
    expected = s * (np.sqrt(1 + 2 / 60) - np.sqrt(1 + 2 / 120))
    assert advice.gain == pytest.approx(expected, abs=0.004)


def test_it_goes_on_where_the_newest_frames_are_of_another_kind() -> None:
    raw, mos = ratings(400, 3)
    changed = mos.copy()
    changed[300:] = np.clip(5.6 - mos[300:], 1, 5)  # falls where it rose
    advice = stop_rule(raw, changed)
    assert not advice.stop and advice.surprise > 3
    mixed = np.random.default_rng(0).permutation(400)
    assert stop_rule(raw[mixed], changed[mixed]).surprise < 3


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_is_never_below_what_two_parameters_cost(seed: int) -> None:
    advice = stop_rule(*ratings(24, seed, 0.5))
    assert advice.gain_high >= advice.rmse[-1] * (np.sqrt(1 + 2 / 24) - np.sqrt(1 + 2 / 48)) - 1e-12
    assert advice.gain_high >= advice.gain


def test_tolerance_decides() -> None:
    raw, mos = ratings(60, 1, 0.5)

    def line(seen: NDArray[np.intp]) -> Floats:
        return np.asarray(np.polyval(np.polyfit(raw[seen], mos[seen], 1), raw))

    gain = stop_rule(raw, mos, predict=line).gain_high
    assert stop_rule(raw, mos, tolerance=gain * 1.1, predict=line).stop
    assert not stop_rule(raw, mos, tolerance=gain * 0.9, predict=line).stop


def test_few_ratings_are_too_few_to_tell() -> None:
    advice = stop_rule(*ratings(19, 0))
    assert not advice.stop and "19 ratings are too few" in advice.sentence and advice.sizes == ()


@pytest.mark.parametrize(
    ("raw", "mos", "tolerance", "message"),
    [
        (np.zeros(5), np.zeros(4), 0.02, "one MOS for each"),
        (np.zeros(5), np.full(5, np.nan), 0.02, "finite"),
        (np.zeros(5), np.full(5, 80.0), 0.02, "expected 1 to 5"),
        (np.zeros(5), np.full(5, 3.0), 0.0, "more than 0"),
    ],
)
def test_wrong_ratings_are_refused(raw: Floats, mos: Floats, tolerance: float, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        stop_rule(raw, mos, tolerance=tolerance)
