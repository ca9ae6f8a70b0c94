"""Simple features of a picture's content, of a small thumbnail."""

from __future__ import annotations

import cv2
import numpy as np

from leaf_edge.teacher.interface import Rgb
from leaf_edge.teacher.judgment import Floats

FEATURES = ("colourfulness", "brightness", "edge_density")
_SIDE = 64


def picture_features(rgb: Rgb) -> Floats:
    """[3], about 0..1 each: colourfulness (Hasler and Suesstrunk, SPIE 5007, 2003, over 100), mean luma
    over 255, and the mean luma gradient over 64. rgb: uint8 [height, width, 3]."""
    small = cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    first, second = red - green, (red + green) / 2 - blue
    colour = np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean())
    luma = small @ np.array([0.299, 0.587, 0.114])
    gradient = np.hypot(np.diff(luma, axis=0)[:, 1:], np.diff(luma, axis=1)[1:])
    return np.array([colour / 100, luma.mean() / 255, gradient.mean() / 64])
