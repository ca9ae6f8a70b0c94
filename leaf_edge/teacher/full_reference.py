"""How much of a clean picture is left in a version of it, by metrics of scikit-image.

SSIM on luma with the Gaussian window of its authors (Wang et al., IEEE TIP 13(4), 2004), at several
scales and averaged over them, so that neither fine nor coarse damage is missed; PSNR on RGB as a guard.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.extras import require
from leaf_edge.teacher.interface import Rgb

SCALES = 4
_LARGEST = 1080
"""Short side beyond which a picture is halved first: one is not looked at more closely than this."""
_SMALLEST = 16
"""Short side below which there is no further scale; the window is 11 pixels."""

_HALF = 0.12
"""Loss of similarity, one minus the mean SSIM, at which quality by metric is one half."""
_STEEPNESS = 0.9
_INVISIBLE_DB = (35.0, 50.0)
"""PSNR from which quality is lifted, to where nothing can be seen: in flat areas SSIM takes the last bit
for a change of structure."""
_RUIN_DB = 20.0
"""PSNR below which quality is held down in proportion: luma SSIM is blind to colour and mild on exposure."""


class Pyramid(NamedTuple):
    """A picture made ready to be compared. rgb: uint8 [h, w, 3]. luma: float32 planes, halved each time."""

    rgb: Rgb
    luma: list[NDArray[np.float32]]


class Likeness(NamedTuple):
    """similarity: mean SSIM over the scales, at most 1. psnr: dB, infinite for equal pictures."""

    similarity: float
    psnr: float

    @property
    def quality(self) -> float:
        """0..1, monotone in both: 1 / (1 + (loss / 0.12)^0.9), within the bounds that PSNR sets."""
        loss = max(0.0, 1 - self.similarity)
        seen = float(1 / (1 + (loss / _HALF) ** _STEEPNESS))
        low, high = _INVISIBLE_DB
        lifted = max(seen, float(np.clip((self.psnr - low) / (high - low), 0, 1)))
        return min(lifted, max(0.0, self.psnr / _RUIN_DB))


def pyramid(rgb: Rgb) -> Pyramid:
    """rgb: uint8 [height, width, 3], 11 pixels or more each way; ValueError for a smaller one."""
    if min(rgb.shape[:2]) < 11:
        raise ValueError(
            f"a picture of {rgb.shape[1]}x{rgb.shape[0]} is too small to compare; 11x11 is least"
        )
    while min(rgb.shape[:2]) > _LARGEST:
        rgb = np.asarray(_halved(rgb), np.uint8)
    planes = [cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)]
    while len(planes) < SCALES and min(planes[-1].shape) // 2 >= _SMALLEST:
        planes.append(np.asarray(_halved(planes[-1]), np.float32))
    return Pyramid(rgb, planes)


def _halved(image: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.generic]:
    size = (image.shape[1] // 2, image.shape[0] // 2)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def compare(clean: Pyramid, version: Pyramid) -> Likeness:
    """Raises ValueError where the pictures differ in size, MissingExtraError without scikit-image."""
    if clean.rgb.shape != version.rgb.shape:
        raise ValueError(
            f"the version is {version.rgb.shape[1]}x{version.rgb.shape[0]}, its clean picture "
            f"{clean.rgb.shape[1]}x{clean.rgb.shape[0]}; expected one size"
        )
    metrics = require("skimage.metrics", "train")
    similarity = [
        metrics.structural_similarity(
            a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(clean.luma, version.luma, strict=True)
    ]
    if np.array_equal(clean.rgb, version.rgb):
        return Likeness(1.0, float("inf"))
    psnr = metrics.peak_signal_noise_ratio(clean.rgb, version.rgb, data_range=255)
    return Likeness(float(np.mean(similarity)), float(psnr))
