"""The curve from raw quality to MOS."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leaf_edge.calibration import SHAPES, choose_shape, fit_curve, held_out_mos


def labels(n: int, noise: float, seed: int, steep: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = rng.uniform(0, 1, n)
    mos = 1 + 4 / (1 + np.exp(-(raw - 0.5) * steep)) + rng.normal(0, noise, n)
    return raw, np.clip(mos, 1, 5)


@settings(deadline=None, max_examples=25)
@example(n=12, noise=0.75, seed=3947053, shape="knots9", scale=1.0, offset=0.0)  # a steep lower end
@given(
    n=st.integers(12, 120),
    noise=st.floats(0, 1.5),
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([None, *SHAPES]),
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-100, 100),
)
def test_rises_and_stays_on_the_scale(n, noise, seed, shape, scale, offset) -> None:
    raw, mos = labels(n, noise, seed)
    try:
        curve = fit_curve(offset + scale * raw, mos, shape)
    except ValueError as error:
        assert "the wrong way round" in str(error)
        return
    grid = np.linspace(offset - 2 * scale, offset + 3 * scale, 501)
    out = curve(grid)
    assert (np.diff(out) > 0).all() and out.min() > 1 and out.max() < 5
    # ranks survive the rounding of a score to 4 decimals too, where labels are not all noise
    if shape == "line" and noise < 0.5:
        coarse = curve(offset + scale * np.linspace(-1, 2, 31))
        assert (np.diff(np.round(coarse, 4)) > 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_recovers_a_straight_line(shape) -> None:
    raw = np.linspace(0, 1, 200)
    mos = 1.5 + 3 * raw
    curve = fit_curve(raw, mos, shape)
    inner = np.linspace(0.05, 0.95, 50)
    assert np.abs(curve(inner) - (1.5 + 3 * inner)).max() < 0.08


def test_more_labels_carry_more_shape() -> None:
    assert choose_shape(*labels(12, 0.8, 0, steep=3)) == "line"
    assert choose_shape(*labels(500, 0.2, 0, steep=12)) != "line"


def test_few_outliers_do_not_turn_it() -> None:
    raw, mos = labels(200, 0.2, 1)
    mos[:6] = 6 - mos[:6]
    grid = np.linspace(0.1, 0.9, 50)
    truth = 1 + 4 / (1 + np.exp(-(grid - 0.5) * 8))
    assert np.abs(fit_curve(raw, mos)(grid) - truth).max() < 0.35


def test_held_out_mos_does_not_see_its_label() -> None:
    raw, mos = labels(60, 0.1, 2)
    before = held_out_mos(raw, mos, "line")
    changed = mos.copy()
    changed[7] = 1.0 if mos[7] > 3 else 5.0
    after = held_out_mos(raw, changed, "line")
    assert after[7] == before[7] and not np.allclose(after, before)


@pytest.mark.parametrize(
    ("raw", "mos", "text"),
    [
        (np.arange(5) / 5, np.arange(5) / 2 + 1, "at least 10"),
        (np.arange(20) / 20, np.arange(20) / 20, "rescale"),
        (np.arange(20) / 20, np.linspace(5, 1, 20), "wrong way round"),
        (np.full(20, 0.5), np.linspace(1, 5, 20), "are alike"),
        (np.full(20, np.nan), np.linspace(1, 5, 20), "finite"),
        (np.arange(20) / 20, np.linspace(1, 5, 19), "one MOS for each"),
    ],
)
def test_bad_labels(raw, mos, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fit_curve(raw, mos)
