"""Agreement with fit, outliers and intervals: against SciPy, closed forms, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from leaf_edge.evaluation import bootstrap, metrics
from leaf_edge.evaluation.fit import curve, fit_logistic
from leaf_edge.evaluation.metrics import measure


def sample(n: int, seed: int = 0, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    return x, 1 + 4 / (1 + np.exp(-8 * (x - 0.5))) + rng.normal(0, noise, n)


@pytest.mark.parametrize("limit", [0, 10_000], ids=["sorted", "matrix"])
def test_weighted_statistics_equal_scipys_on_the_repeated_pictures(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_KENDALL_MATRIX", limit)
    rng = np.random.default_rng(1)
    x, y = np.round(rng.random(40), 1), np.round(rng.random(40), 1)  # with ties
    weights = bootstrap.draw(40, 25, seed=2, groups=[i // 3 for i in range(40)])
    found = zip(
        bootstrap.spearman(x, y, weights),
        bootstrap.pearson(x, y, weights),
        bootstrap.kendall(x, y, weights),
        strict=True,
    )
    for row, numbers in zip(weights.astype(int), found, strict=True):
        a, b = np.repeat(x, row), np.repeat(y, row)
        wanted = stats.spearmanr(a, b)[0], stats.pearsonr(a, b)[0], stats.kendalltau(a, b)[0]
        assert numbers == pytest.approx(wanted)


def test_a_constant_side_has_no_correlation() -> None:
    x, weights = np.arange(5.0), np.ones((1, 5))
    for statistic in (bootstrap.pearson, bootstrap.spearman, bootstrap.kendall):
        assert np.isnan(statistic(x, np.full(5, 0.1), weights)).all()


def test_scenes_are_drawn_whole() -> None:
    groups = ["a", "b", "a", "c", "b"]
    weights = bootstrap.draw(5, 200, seed=0, groups=groups)
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert (weights == bootstrap.draw(5, 200, seed=0, groups=groups)).all()
    assert (weights != bootstrap.draw(5, 200, seed=1, groups=groups)).any()


def test_the_interval_of_pearson_has_the_width_that_theory_gives() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=600)
    y = 0.6 * x + 0.8 * rng.normal(size=600)
    drawn = bootstrap.pearson(x, y, bootstrap.draw(600, 2000, seed=0))
    found = bootstrap.interval(float(np.corrcoef(x, y)[0, 1]), drawn, 0.95)
    half = 1.96 / np.sqrt(600 - 3)  # Fisher's z
    low, high = np.tanh(np.arctanh(found.value) + np.array([-half, half]))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)


def test_copies_in_one_scene_do_not_narrow_the_interval() -> None:
    x, y = sample(60)
    alone = measure(x, y, groups=range(60), resamples=500)
    copied = measure(np.repeat(x, 8), np.repeat(y, 8), groups=np.repeat(range(60), 8).tolist(), resamples=500)
    fooled = measure(np.repeat(x, 8), np.repeat(y, 8), resamples=500)
    widths = [m.srcc.high - m.srcc.low for m in (alone, copied, fooled)]
    assert widths[1] == pytest.approx(widths[0], rel=0.15) and widths[2] < 0.6 * widths[0]
    assert (copied.groups, copied.pictures) == (60, 480)


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_fit_finds_a_logistic_that_is_there(parameters: int, sign: int) -> None:
    x, _ = sample(300)
    y = 1 + 4 / (1 + np.exp(-8 * sign * (x - 0.5)))
    fit = fit_logistic(x, y, parameters)
    assert (fit.kind, fit.reason) == (f"logistic{parameters}", "")
    assert fit(x) == pytest.approx(y, abs=2e-3)
    found = measure(x, y, parameters=parameters, resamples=0)
    assert found.plcc_fitted.value == pytest.approx(1, abs=1e-6) and found.rmse_fitted.value < 2e-3
    assert abs(found.plcc.value) < 0.99


@pytest.mark.parametrize("parameters", [2, 4, 5])
def test_derivatives_of_the_curves_are_those_of_finite_differences(parameters: int) -> None:
    x, p = np.linspace(-2, 2, 9), np.random.default_rng(3).normal(size=parameters)
    _, slope = curve(x, p)
    for k in range(parameters):
        step = np.eye(parameters)[k] * 1e-6
        assert slope[:, k] == pytest.approx((curve(x, p + step)[0] - curve(x, p - step)[0]) / 2e-6, abs=1e-6)


def test_a_refit_of_a_resample_is_the_fit_of_the_repeated_pictures() -> None:
    x, y = sample(200)
    fit = fit_logistic(x, y)
    weights = bootstrap.draw(200, 10, seed=4)
    for row, again in zip(weights.astype(int), fit.refit(weights, x, y), strict=True):
        a, b = np.repeat(x, row), np.repeat(y, row)
        fresh = np.mean((fit_logistic(a, b)(a) - b) ** 2)
        assert np.average((again - y) ** 2, weights=row) == pytest.approx(fresh, rel=1e-3)
        assert fresh < np.mean((fit(a) - b) ** 2)


@pytest.mark.parametrize(
    ("x", "y", "kind", "reason"),
    [
        (np.ones(50), np.arange(50.0), "none", "constant"),
        (np.arange(5.0), np.arange(5.0) ** 2, "linear", "5 pictures; a fit of 4 parameters needs 8"),
        (np.arange(50.0), 3 - 2 * np.arange(50.0), "linear", "a line fits better"),
    ],
)
def test_a_fit_that_cannot_be_made_falls_back_and_says_why(
    x: np.ndarray, y: np.ndarray, kind: str, reason: str
) -> None:
    fit = fit_logistic(x, y)
    assert fit.kind == kind and reason in fit.reason
    assert any(reason in note for note in measure(x, y, resamples=20).notes)


def test_a_search_that_does_not_converge_falls_back_to_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaf_edge.evaluation.fit._MAX_STEPS", 1)
    x, y = sample(100)
    fit = fit_logistic(x, y)
    assert fit.kind == "linear" and "did not converge" in fit.reason
    line = np.polyfit(x, y, 1)
    assert fit(x) == pytest.approx(np.polyval(line, x))


def test_outliers_are_errors_beyond_two_deviations_after_the_fit() -> None:
    x, clean = sample(400, noise=0.0)
    y = clean.copy()
    y[:40] += np.where(np.arange(40) % 2, 0.5, -0.5)
    found = measure(x, y, deviations=np.full(400, 0.2), resamples=200)
    assert found.outlier_ratio.value == pytest.approx(0.1)
    assert found.outlier_ratio.low < 0.1 < found.outlier_ratio.high
    none = measure(x, y, deviations=np.full(400, 0.3), resamples=0)
    assert none.outlier_ratio.value == 0
    half = measure(x, y, deviations=np.where(np.arange(400) < 80, 0.2, np.nan), resamples=0)
    assert half.outlier_ratio.value == 0.5 and "of the 80 pictures with a deviation" in " ".join(half.notes)


def test_without_deviations_there_is_no_outlier_ratio_and_the_note_says_why() -> None:
    found = measure(*sample(50), resamples=10)
    assert np.isnan(found.outlier_ratio.value)
    assert "outlier ratio: the set gives no deviation of the ratings" in found.notes


def test_coverage_is_the_share_of_mos_inside_the_intervals() -> None:
    x, y = sample(100)
    low, high = y - 0.1, y + 0.3
    low[:25] = y[:25] + 0.01
    found = measure(x, y, intervals=(low, high), resamples=100)
    assert found.coverage is not None and found.coverage.value == 0.75
    assert found.coverage.low < 0.75 < found.coverage.high
    assert found.width == pytest.approx(np.mean(high - low))
    assert measure(x, y, resamples=0).coverage is None


def test_plain_numbers_are_those_of_agreement_and_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = sample(80)
    whole = measure(x, y, deviations=np.full(80, 0.4), resamples=60)
    for name, value in metrics.agreement(x, y)._asdict().items():
        assert getattr(whole, name) == value or getattr(whole, name).value == value
    monkeypatch.setattr(metrics, "_CHUNK", 80 * 7)
    assert measure(x, y, deviations=np.full(80, 0.4), resamples=60) == whole


vectors = st.lists(st.floats(-1, 1).map(lambda v: round(v, 3)), min_size=4, max_size=30)


@settings(max_examples=30, deadline=None)
@given(vectors, st.integers(0, 99), st.floats(0.5, 3), st.floats(-2, 2))
def test_a_rising_map_changes_neither_rank_correlation_nor_its_resamples(
    values: list[float], seed: int, power: float, shift: float
) -> None:
    x = np.array(values)
    y = np.random.default_rng(seed).normal(size=len(x))
    assume(np.ptp(x) > 0)
    mapped = np.sign(x) * np.abs(x) ** power * 7 + shift
    assume(len(np.unique(mapped)) == len(np.unique(x)))
    weights = bootstrap.draw(len(x), 30, seed=0)
    for statistic in (bootstrap.spearman, bootstrap.kendall):
        assert statistic(x, y, weights) == pytest.approx(statistic(mapped, y, weights), nan_ok=True)
    before, after = metrics.agreement(x, y), metrics.agreement(mapped, y)
    assert (before.srcc, before.krcc) == pytest.approx((after.srcc, after.krcc), nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(vectors, st.integers(0, 99))
def test_numbers_stay_in_their_ranges_and_swapping_sides_changes_no_correlation(
    values: list[float], seed: int
) -> None:
    x = np.array(values)
    y = np.random.default_rng(seed).normal(size=len(x))
    one, two = measure(x, y, resamples=20), measure(y, x, resamples=20)
    for name in ("srcc", "plcc", "krcc"):
        a, b = getattr(one, name), getattr(two, name)
        assert a == pytest.approx(b, nan_ok=True, abs=1e-12)
        assert np.isnan(a.low) or -1 <= a.low <= a.high <= 1
        assert np.isnan(a.value) or -1 <= a.value <= 1
    assert one.rmse_fitted.value <= one.rmse.value + 1e-9
    assert np.isnan(one.plcc.value) or one.plcc_fitted.value >= abs(one.plcc.value) - 0.02


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"parameters": 3}, "4 or 5 parameters; found 3"),
        ({"confidence": 1.0}, "expected confidence"),
        ({"resamples": -1}, "resamples from 0"),
        ({"groups": [1]}, "a group for each of 50"),
        ({"deviations": [0.1]}, "deviations of shape"),
        ({"intervals": ([0.0], [1.0])}, "interval ends of shape"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        measure(*sample(50), **options)  # type: ignore[arg-type]
