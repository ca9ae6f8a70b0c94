"""Agreement of predicted and human quality."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leaf_edge.extras import require


class Agreement(NamedTuple):
    """srcc, plcc, krcc: Spearman, Pearson (no fit), Kendall tau-b. rmse: in the inputs' unit. pictures: N."""

    srcc: float
    plcc: float
    krcc: float
    rmse: float
    pictures: int


def agreement(predicted: ArrayLike, truth: ArrayLike) -> Agreement:
    """Correlations and error of two vectors [N], N >= 2; NaN where one of them is constant.

    Raises ValueError for unequal lengths, fewer than two values or values that are not finite.
    """
    stats = require("scipy.stats", "train")
    a: NDArray[np.float64] = np.asarray(predicted, np.float64)
    b: NDArray[np.float64] = np.asarray(truth, np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
        raise ValueError(f"expected two vectors of one length, 2 or more; found {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("expected finite values; found NaN or infinity")
    rmse = float(np.sqrt(np.mean((a - b) ** 2)))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return Agreement(np.nan, np.nan, np.nan, rmse, len(a))
    return Agreement(
        float(stats.spearmanr(a, b).statistic),
        float(stats.pearsonr(a, b).statistic),
        float(stats.kendalltau(a, b).statistic),
        rmse,
        len(a),
    )
