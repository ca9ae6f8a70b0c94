"""Whether calibration frames are like the validation frames, in the features of the float student."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaf_edge.calibration.errors import CalibrationError

_SPLITS = 16
_TYPICAL = 0.75
_LISTED = 10
MIN_FRAMES = 4


@dataclass(frozen=True)
class Likeness:
    """share: of validation frames whose nearest calibration frame is within `typical`, 0..1.

    frames: of validation. typical: the distance within which three quarters of the validation frames have a
    neighbour among as many others as there are calibration frames (half of them where those are more).
    median: distance to the nearest calibration frame. Both in deviations of a feature. farthest: validation
    frames by that distance, farthest first.
    """

    frames: int
    share: float
    typical: float
    median: float
    farthest: tuple[int, ...]


def likeness(calibration: NDArray[np.floating], validation: NDArray[np.floating]) -> Likeness:
    """How well `calibration` features [N, D] stand for those of `validation` [M, D].

    A calibration set drawn from the same frames as the validation set has a share of about 0.75 whatever
    its size, as the typical distance is measured at that size. Raises `CalibrationError` below
    `MIN_FRAMES` validation frames or without calibration frames.
    """
    n, m = len(calibration), len(validation)
    if m < MIN_FRAMES or n < 1:
        raise CalibrationError(
            f"{n} calibration and {m} validation frames; expected 1 and {MIN_FRAMES} or more to compare them"
        )
    scale = np.maximum(validation.std(axis=0), 1e-6 + 1e-3 * validation.std())
    mine, others = (x.astype(np.float64) / scale for x in (validation, calibration))
    own = _distances(mine, mine)
    rng = np.random.default_rng(0)
    anchors = min(n, m // 2)
    found = []
    for _ in range(_SPLITS):
        order = rng.permutation(m)
        found.append(own[np.ix_(order[anchors:], order[:anchors])].min(axis=1))
    typical = float(np.quantile(np.concatenate(found), _TYPICAL))
    nearest = _distances(mine, others).min(axis=1)
    order = np.argsort(-nearest)[:_LISTED]
    return Likeness(
        m, float((nearest <= typical).mean()), typical, float(np.median(nearest)), tuple(map(int, order))
    )


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square difference over the features, of every row of `a` to every row of `b`."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    distance: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0) / a.shape[1])
    return distance
