"""Metrics on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from leaf_edge.evaluation.metrics import agreement


def test_known_values() -> None:
    result = agreement([1, 2, 3, 4], [1, 2, 4, 3])
    assert result.srcc == pytest.approx(0.8) and result.krcc == pytest.approx(4 / 6)
    assert result.plcc == pytest.approx(0.8) and result.rmse == pytest.approx(np.sqrt(0.5))
    assert result.pictures == 4


def test_rank_metrics_ignore_a_monotone_map_and_constant_inputs_give_nan() -> None:
    x = np.random.default_rng(0).random(50)
    assert agreement(np.exp(5 * x), x).srcc == pytest.approx(1)
    assert np.isnan(agreement(np.zeros(5), x[:5]).srcc)


@pytest.mark.parametrize("bad", [([1], [1]), ([1, 2], [1, 2, 3]), ([1, np.nan], [1, 2])])
def test_bad_vectors_are_refused(bad: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="expected"):
        agreement(*bad)
