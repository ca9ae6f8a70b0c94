"""Synthetic camera faults of known kind and severity, on RGB images.

Severity runs from 0 (the image comes back unchanged) to 1 (as strong as a camera makes it); the scale
of each fault is the one place where "how strong" is defined. Blur lengths grow with the square root
of the image's short side over 512 pixels, because a larger frame is both shown and sampled finer.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS

Image = NDArray[np.uint8]

_CODES = np.arange(256) / 255.0
# IEC 61966-2-1: display code to linear light. Exposure is a gain on light, not on code values.
_TO_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4)


def _to_codes(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip(linear, 0.0, 1.0)
    codes: NDArray[np.float64] = np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    return 255.0 * codes


def _round(values: NDArray[np.floating]) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _scale(image: Image) -> float:
    return float(np.sqrt(min(image.shape[:2]) / 512))


def _filter(image: Image, kernel: NDArray[np.float64]) -> Image:
    return np.asarray(
        cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101), np.uint8
    )


def _defocus(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """A disk of confusion, radius up to 7 pixels (at 512), antialiased at its rim."""
    radius = 7.0 * severity * _scale(image)
    half = int(np.ceil(radius)) + 1
    grid = np.hypot(*np.mgrid[-half : half + 1, -half : half + 1])
    kernel = np.clip(radius + 0.5 - grid, 0, 1)
    # below half a pixel the disk would be the identity; a blend keeps small severities visible
    return _filter(image, kernel)


def _motion_blur(image: Image, severity: float, rng: np.random.Generator) -> Image:
    return motion_blur(image, severity, float(rng.uniform(0, 180)))


def motion_blur(image: Image, severity: float, angle: float) -> Image:
    """A straight smear, up to 28 pixels long (at 512). angle: degrees from the x axis."""
    length = 28.0 * severity * _scale(image)
    half = int(np.ceil(length / 2)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    along, across = np.abs(x * c + y * s), np.abs(y * c - x * s)
    kernel = np.clip(length / 2 + 0.5 - along, 0, 1) * np.clip(1 - across, 0, 1)
    return _filter(image, kernel)


def _noise(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """Shot and read noise, up to 45 codes; part of it correlated, as demosaicing leaves it."""
    sigma = 45.0 * severity
    h, w, _ = image.shape
    grey = rng.standard_normal((h, w, 1), np.float32)
    color = rng.standard_normal((h, w, 3), np.float32)
    mix = rng.uniform(0.3, 0.9)
    field = mix * color + np.sqrt(1 - mix * mix) * grey
    blur = rng.uniform(0.0, 0.8)
    if blur > 0.3:
        field = cv2.GaussianBlur(field, (0, 0), blur)
        field /= field.std()
    shot = np.sqrt(0.35 + 0.65 * (image.astype(np.float32) / 255))  # variance grows with light
    return _round(image + sigma * shot * field)


def _under_exposure(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """Up to 5 stops too dark."""
    return _round(_to_codes(_TO_LINEAR * 2.0 ** (-5.0 * severity)))[image]


def _over_exposure(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """Up to 3.5 stops too bright; highlights clip."""
    return _round(_to_codes(_TO_LINEAR * 2.0 ** (3.5 * severity)))[image]


def _low_contrast(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """Veiling glare or haze: down to 12 % of the contrast, around a light or middle grey."""
    veil = rng.uniform(110, 190)
    keep = 1 - 0.88 * severity
    return _round(keep * np.arange(256) + (1 - keep) * veil)[image]


def _compression(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """Baseline JPEG 4:2:0, quality 95 down to 4 on a logarithmic scale."""
    quality = round(95 * (4 / 95) ** severity)
    ok, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise RuntimeError("OpenCV could not encode a JPEG")
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def _banding(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """Too few tone levels, 64 down to 5 a channel on a logarithmic scale, after denoising.

    An ISP that bands has smoothed first: noise would dither the steps away.
    """
    levels = 5 * (64 / 5) ** (1 - severity)
    smooth = cv2.bilateralFilter(image, 5, 12, 2)
    tone = _round(np.rint(np.arange(256) / 255 * (levels - 1)) * (255 / (levels - 1)))
    return np.asarray(tone[smooth], np.uint8)


_APPLY: dict[str, Callable[[Image, float, np.random.Generator], Image]] = {
    "defocus": _defocus,
    "motion_blur": _motion_blur,
    "noise": _noise,
    "under_exposure": _under_exposure,
    "over_exposure": _over_exposure,
    "low_contrast": _low_contrast,
    "compression": _compression,
    "banding": _banding,
}
assert tuple(_APPLY) == FAULTS


def apply_fault(image: Image, name: str, severity: float, rng: np.random.Generator) -> Image:
    """`image` with one fault.

    image: uint8 [height, width, 3], RGB; not changed. severity: 0..1. rng: draws what severity
    leaves open (direction, grain, veil). Returns uint8 of the same shape.
    Raises ValueError for an unknown fault or a severity outside 0..1.
    """
    if name not in _APPLY:
        raise ValueError(f"unknown fault {name!r}; expected one of: {', '.join(FAULTS)}")
    if not 0.0 <= severity <= 1.0:
        raise ValueError(f"severity is {severity}; expected 0 to 1")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected uint8 [height, width, 3]; found {image.dtype} {list(image.shape)}")
    return image.copy() if severity == 0.0 else _APPLY[name](image, severity, rng)
