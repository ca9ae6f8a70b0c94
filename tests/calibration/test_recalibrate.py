"""Per-camera recalibration: the fit itself, on simulated raw scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaf_edge.bundle import Curve, Interval
from leaf_edge.calibration import CalibrationError, fit_curve
from leaf_edge.calibration.recalibrate import Calibrated, Scored, recalibrate

rng0 = np.random.default_rng(0)
_RAW = rng0.uniform(0.1, 0.9, 400)
OLD = Calibrated(
    fit_curve(_RAW, np.clip(1 + 4 * _RAW + rng0.normal(0, 0.3, 400), 1, 5), "logistic"),
    Interval(0.9, 1.6, 0.1),
)


def camera(n: int, shift: float, stretch: float, noise: float, seed: int) -> tuple[Scored, np.ndarray]:
    """Ratings of a camera whose true curve is the old one over a moved and stretched axis."""
    rng = np.random.default_rng(seed)
    raw = rng.uniform(0.2, 0.8, n)
    mos = OLD.curve(0.5 + stretch * (raw - 0.5) + shift) + rng.normal(0, noise, n)
    return Scored(raw, np.full(n, 0.08)), np.clip(mos, 1, 5)


def error_of(curve: Curve, shift: float, stretch: float) -> float:
    grid = np.linspace(0.2, 0.8, 60)
    return float(np.abs(curve(grid) - OLD.curve(0.5 + stretch * (grid - 0.5) + shift)).mean())


def test_a_camera_that_is_alike_keeps_its_curve() -> None:
    kept = 0
    for seed in range(20):
        scored, mos = camera(25, 0.0, 1.0, 0.35, seed)
        result = recalibrate({"cpu": OLD}, {"cpu": scored}, mos)
        kept += result.change == "keep"
        assert result.change != "keep" or result.encodings["cpu"].curve == OLD.curve
        assert error_of(result.encodings["cpu"].curve, 0.0, 1.0) < 0.35
    assert kept >= 14


@pytest.mark.parametrize(("shift", "stretch"), [(0.15, 1.0), (-0.2, 1.0), (0.0, 1.8), (0.1, 0.6)])
def test_a_camera_that_differs_gets_its_own(shift: float, stretch: float) -> None:
    before, after = [], []
    for seed in range(8):
        scored, mos = camera(30, shift, stretch, 0.3, seed)
        result = recalibrate({"cpu": OLD}, {"cpu": scored}, mos)
        before.append(error_of(OLD.curve, shift, stretch))
        after.append(error_of(result.encodings["cpu"].curve, shift, stretch))
    assert np.mean(after) < 0.6 * np.mean(before)


@settings(deadline=None, max_examples=12)
@given(
    n=st.integers(12, 45),
    shift=st.floats(-0.5, 0.5),
    stretch=st.floats(0.3, 3),
    noise=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_never_worse_than_keeping_and_strictly_rising(n, shift, stretch, noise, seed) -> None:
    scored, mos = camera(n, shift, stretch, noise, seed)
    try:
        result = recalibrate({"cpu": OLD}, {"cpu": scored}, mos)
    except CalibrationError as error:
        assert "fall as MOS rises" in str(error) or "all MOS" in str(error)
        return
    curve = result.encodings["cpu"].curve
    out = curve(np.linspace(-0.5, 1.5, 201))
    assert out.min() >= 1 and out.max() <= 5
    grid = np.linspace(curve.raw[0], curve.raw[-1], 301)
    assert (np.diff(curve(grid)) > 0).all()
    table = {row.change: row for row in result.table}
    chosen, keep = table[result.change], table["keep"]
    assert chosen.gap <= chosen.error
    assert chosen.rmse <= keep.rmse + 1e-9 or chosen.gap - keep.gap <= chosen.error + keep.error


def test_encodings_change_alike_and_each_on_its_own_scores() -> None:
    scored, mos = camera(40, 0.2, 1.0, 0.2, 1)
    other = Calibrated(Curve(tuple(r + 0.05 for r in OLD.curve.raw), OLD.curve.mos), OLD.interval)
    moved = Scored(scored.raw + 0.05, scored.spread)
    result = recalibrate({"cpu": OLD, "trt": other}, {"cpu": scored, "trt": moved}, mos)
    cpu, trt = result.encodings["cpu"], result.encodings["trt"]
    assert result.change != "keep"
    np.testing.assert_allclose(cpu.curve(scored.raw), trt.curve(moved.raw), atol=0.02)
    # an encoding that cannot run here moves with the one that can
    alone = recalibrate({"cpu": OLD, "trt": other}, {"cpu": scored}, mos)
    assert alone.change in ("shift", "line")
    np.testing.assert_allclose(alone.encodings["trt"].curve(moved.raw), trt.curve(moved.raw), atol=0.1)


def test_many_ratings_of_another_shape_may_replace_the_curve() -> None:
    rng = np.random.default_rng(2)
    raw = rng.uniform(0, 1, 300)
    mos = np.clip(np.where(raw < 0.5, 1.5 + raw, 2.0 + 5 * (raw - 0.5)) + rng.normal(0, 0.1, 300), 1, 5)
    result = recalibrate({"cpu": OLD}, {"cpu": Scored(raw, np.full(300, 0.1))}, mos)
    assert result.change == "refit"
    assert result.rmse("refit") < 0.5 * result.rmse("keep")


def test_held_out_coverage_is_that_of_the_bundle() -> None:
    shares = []
    for seed in range(30):
        scored, mos = camera(36, 0.1, 1.0, 0.3, seed)
        result = recalibrate({"cpu": OLD}, {"cpu": scored}, mos)
        new, fresh = result.encodings["cpu"], camera(200, 0.1, 1.0, 0.3, seed + 1000)
        ends = [new.interval(float(new.curve(r)), 0.08) for r in fresh[0].raw]
        shares.append(np.mean([lo <= m <= hi for (lo, hi), m in zip(ends, fresh[1], strict=True)]))
        assert result.coverage["cpu"][0].frames == 36
    assert 0.87 <= np.mean(shares) <= 0.95


def test_the_cap_of_the_spread_rises_but_is_not_invented() -> None:
    scored, mos = camera(20, 0, 1, 0.3, 3)
    for cap, expected in ((None, None), (0.05, 0.08), (0.2, 0.2)):
        old = Calibrated(OLD.curve, Interval(0.9, 1.6, 0.1, cap))
        assert (
            recalibrate({"cpu": old}, {"cpu": scored}, mos).encodings["cpu"].interval.spread_cap == expected
        )


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda s, m: (Scored(s.raw[:9], s.spread[:9]), m[:9]), "at least 10 ratings; found 9"),
        (lambda s, m: (s, np.full(len(m), 3.0)), "all MOS are 3"),
        (lambda s, m: (s, 6 - m), "fall as MOS rises"),
        (lambda s, m: (Scored(np.full(len(m), 0.5), s.spread), m), "all raw scores are alike"),
        (lambda s, m: (s, m / 5), "rescale the ratings"),
    ],
)
def test_ratings_that_are_refused(edit, text: str) -> None:
    scored, mos = edit(*camera(20, 0, 1, 0.2, 0))
    with pytest.raises(CalibrationError, match=text):
        recalibrate({"cpu": OLD}, {"cpu": scored}, mos)


def test_a_high_coverage_needs_more_ratings() -> None:
    scored, mos = camera(15, 0, 1, 0.2, 0)
    strict = Calibrated(OLD.curve, Interval(0.95, 1.6, 0.1))
    with pytest.raises(CalibrationError, match="needs 19 ratings; found 15"):
        recalibrate({"cpu": strict}, {"cpu": scored}, mos)
