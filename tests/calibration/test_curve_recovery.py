"""Known monotone warps come back from few labels and from many; the choice of shape says why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaf_edge.calibration import SHAPES, fit_curve
from leaf_edge.calibration.curve import compare_shapes
from leaf_edge.calibration.curve_shapes import fit_shape

WARPS = {
    "logistic": lambda x: 1.2 + 3.6 / (1 + np.exp(-(x - 0.45) * 9)),
    "power": lambda x: 1.3 + 3.4 * x**2,
    "kinked": lambda x: np.where(x < 0.6, 1.4 + x, 2.0 + 6 * (x - 0.6)),
}


def rated(warp: str, n: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = rng.uniform(0, 1, n)
    return raw, np.clip(WARPS[warp](raw) + rng.normal(0, noise, n), 1, 5)


@pytest.mark.parametrize("warp", WARPS)
@pytest.mark.parametrize(("n", "bound"), [(10, 0.40), (50, 0.22), (500, 0.09)])
def test_a_known_warp_comes_back(warp: str, n: int, bound: float) -> None:
    grid = np.linspace(0.05, 0.95, 60)
    errors = [
        np.abs(fit_curve(*rated(warp, n, 0.3, seed))(grid) - WARPS[warp](grid)).mean()
        for seed in range(2 if n == 500 else 4)
    ]
    assert np.mean(errors) < bound


@settings(deadline=None, max_examples=20)
@given(
    shape=st.sampled_from(SHAPES[1:]),
    n=st.integers(50, 120),  # each shape is tried from far fewer; below, least squares has several minima
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 1e3),
)
def test_shapes_never_fall_and_do_not_depend_on_the_unit(shape, n, seed, scale) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, n)  # and labels that rise: of pure noise, fits that are equally good lie apart
    y = np.clip(1.5 + 3 * x + rng.normal(0, 0.7, n), 1, 5)
    grid = np.linspace(-0.5, 1.5, 201)
    out = fit_shape(shape, x, y)(grid)
    assert np.isfinite(out).all() and (np.diff(out) >= -1e-9).all()
    np.testing.assert_allclose(fit_shape(shape, scale * x, y)(scale * grid), out, atol=2e-2)


def test_isotonic_pools_violators() -> None:
    x = np.arange(12.0)
    y = np.array([1, 1, 1, 3, 2, 2.5, 2.5, 2.5, 2.5, 4, 4, 4])
    fitted = fit_shape("isotonic", x, y)
    # blocks 0-2 (level 1), 3-8 (their mean, 2.5), 9-11 (level 4), at their middles 1, 5.5 and 10
    np.testing.assert_allclose(fitted(np.array([1.0, 5.5, 10.0])), [1, 2.5, 4])
    assert fitted(np.array([3.25]))[0] == pytest.approx(1.75)


def test_ten_labels_carry_a_line_and_many_carry_the_kink() -> None:
    simple = [compare_shapes(*rated("logistic", 10, 0.5, seed)).shape for seed in range(6)]
    assert simple.count("line") == 6
    many = compare_shapes(*rated("kinked", 500, 0.2, 1))
    assert many.shape not in ("line", "logistic")
    table = {row.shape: row for row in many.table}
    assert table[many.shape].rmse < 0.8 * table["line"].rmse and not table["line"].near
    assert [row.shape for row in many.table] == list(SHAPES)
    assert many.shape in many.why and "500 labels" in many.why and "line 0." in many.why
