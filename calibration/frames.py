"""Views for the INT8 calibration run: which frames to take, and sets that are refused.

An INT8 network that was calibrated on noise, on one frame, or on nothing looks fine until it meets the
camera; so a set is checked before anything is observed on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.views.native import SHAPE

MIN_FRAMES = 16
WANTED_FRAMES = 128
"""Ranges settle by then: more frames cost time and change little."""
_CONSTANT = 2.0
"""Standard deviation in codes below which a view shows nothing."""
_NEIGHBOURS = 0.3
"""Correlation of adjacent pixels of the global view: photographs are above 0.8, noise is near 0."""
_MOSTLY = 0.5


def check_views(views: NDArray[np.uint8]) -> None:
    """Refuses views [N, 2, 3, 224, 224] that are too few, constant, random or all the same.

    Raises `CalibrationError` with the reason and what to do.
    """
    if views.dtype != np.uint8 or views.ndim != 5 or views.shape[1:] != SHAPE:
        raise CalibrationError(f"expected uint8 views [N, {SHAPE}]; found {views.dtype} {list(views.shape)}")
    if len(views) < MIN_FRAMES:
        raise CalibrationError(
            f"{len(views)} calibration frames are too few: give at least {MIN_FRAMES}, "
            f"better {WANTED_FRAMES}, of what the camera sees"
        )
    luma = views[:, 0].astype(np.float32).mean(axis=1)
    flat = luma.std(axis=(1, 2)) < _CONSTANT
    if flat.mean() > _MOSTLY:
        raise CalibrationError(
            f"{int(flat.sum())} of {len(views)} calibration frames are constant: "
            "give frames that show a scene (lens cap, black lead-in?)"
        )
    random = np.array([_neighbours(picture) < _NEIGHBOURS for picture in luma[~flat]])
    if random.mean() > _MOSTLY:
        raise CalibrationError(
            f"{int(random.sum())} of {len(views)} calibration frames look like random noise: "
            "INT8 ranges that are observed on noise do not fit pictures; give frames of the camera"
        )
    different = len(np.unique(luma[:, ::16, ::16].reshape(len(luma), -1), axis=0))
    if different < max(2, len(views) // 4):
        raise CalibrationError(
            f"only {different} of {len(views)} calibration frames differ: take them further apart"
        )


def _neighbours(picture: NDArray[np.float32]) -> float:
    """Correlation of horizontally adjacent pixels."""
    return float(np.corrcoef(picture[:, :-1].ravel(), picture[:, 1:].ravel())[0, 1])


def choose(count: int, wanted: int = WANTED_FRAMES, seed: int = 0) -> NDArray[np.intp]:
    """Positions of at most `wanted` of `count` candidates, drawn without replacement, in order."""
    if count <= wanted:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, wanted, replace=False))
