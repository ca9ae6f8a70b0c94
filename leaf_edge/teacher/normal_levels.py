"""From a MOS and its deviation to a distribution over the five levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from leaf_edge.contract import LEVEL_MOS
from leaf_edge.teacher.judgment import Floats


def normal_levels(mos: ArrayLike, deviation: ArrayLike) -> Floats:
    """Probabilities [..., 5] of `contract.LEVELS`: the density of a normal at the levels' MOS, normalised.

    mos: [...], on the scale of 1 to 5 (beyond it is allowed, and leans on the end). deviation: above 0,
    scalar or [...]. The expectation rises strictly with `mos` (its derivative is the variance of the
    levels over that of the normal), so ranks survive; it is nearer to the middle at the ends of the scale.
    """
    center = np.asarray(mos, np.float64)[..., None]
    width = np.asarray(deviation, np.float64)[..., None]
    exponent = -(((np.asarray(LEVEL_MOS) - center) / width) ** 2) / 2
    weights = np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    levels: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return levels
