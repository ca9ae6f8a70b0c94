"""The calibration curve and the interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaf_edge.bundle import Curve, Interval

KNOTS = st.lists(
    st.tuples(st.floats(-2, 2, width=32), st.floats(1, 5, width=32)),
    min_size=2,
    max_size=20,
    unique_by=lambda k: k[0],
)


@given(KNOTS, st.floats(-5, 5))
def test_curve_is_monotone_and_stays_on_the_scale(knots: list[tuple[float, float]], raw: float) -> None:
    curve = Curve(tuple(sorted(k[0] for k in knots)), tuple(sorted(k[1] for k in knots)))
    assert 1 <= curve(raw) <= curve(raw + 0.5) <= 5
    for x, y in zip(curve.raw, curve.mos, strict=True):
        assert curve(x) == pytest.approx(y, abs=1e-9)


def test_curve_between_and_beyond_its_knots() -> None:
    curve = Curve((0.0, 1.0), (2.0, 4.0))
    assert curve(0.25) == 2.5
    assert curve(-9.0) == 2.0
    assert curve(9.0) == 4.0
    np.testing.assert_allclose(curve(np.array([[0.5], [1.0]], np.float32)), [[3.0], [4.0]])


@pytest.mark.parametrize(
    ("raw", "mos", "text"),
    [
        ((0.0,), (1.0,), "2 to"),
        ((0.0, 1.0), (1.0,), "one MOS each"),
        ((0.0, 0.0), (1.0, 2.0), "strictly increasing"),
        ((0.0, 1.0), (3.0, 2.0), "never fall"),
        ((0.0, 1.0), (0.5, 2.0), "1 to 5"),
        ((0.0, 1.0), (1.0, 5.5), "1 to 5"),
        ((0.0, float("nan")), (1.0, 2.0), "finite"),
        ((0.0, float("inf")), (1.0, 2.0), "finite"),
    ],
)
def test_curves_that_are_none(raw: tuple[float, ...], mos: tuple[float, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Curve(raw, mos)


def test_interval_grows_with_the_spread_from_its_floor_and_is_cut_to_the_scale() -> None:
    interval = Interval(coverage=0.9, quantile=1.5, floor=0.2)
    assert interval(3.0, 0.0) == pytest.approx((2.8, 3.2))
    assert interval(3.0, 0.1) == pytest.approx((2.4, 3.6))  # 1.5 * 0.1 * 4
    assert interval(1.1, 0.1) == pytest.approx((1.0, 1.7))
    assert interval(4.9, 0.1) == pytest.approx((4.3, 5.0))


@pytest.mark.parametrize(
    "values", [(0.0, 1, 1), (1.0, 1, 1), (0.9, -1, 1), (0.9, 1, -1), (0.9, float("inf"), 1)]
)
def test_intervals_that_are_none(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Interval(*values)
