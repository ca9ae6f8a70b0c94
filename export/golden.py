"""Golden frames: small procedural scenes, stored as raw bytes, whose scores a bundle must give.

They are drawn here and not photographed, so that a bundle holds no picture of unknown licence.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, to_format

WIDTH, HEIGHT = 320, 180
Image = NDArray[np.uint8]


def golden_frames() -> dict[str, Frame]:
    """Frames by their file's name in a bundle; between them YUV and RGB, both ranges, two matrices."""
    return {
        "golden/0-landscape.nv12.raw": to_format(
            landscape(), PixelFormat.NV12, ColorMatrix.BT709, ColorRange.LIMITED
        ),
        "golden/1-street.i420.raw": to_format(street(), PixelFormat.I420, ColorMatrix.BT601, ColorRange.FULL),
        "golden/2-dusk.rgb.raw": to_format(dusk(), PixelFormat.RGB),
    }


def frame_bytes(frame: Frame) -> bytes:
    """The planes of a frame, packed, as `Frame.from_bytes` reads them."""
    return b"".join(np.ascontiguousarray(plane).tobytes() for plane in frame.planes)


def _codes(image: NDArray[np.floating]) -> Image:
    codes: Image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return codes


def landscape() -> Image:
    """Sky, three ridges and textured ground; uint8 RGB [HEIGHT, WIDTH, 3], as are the others."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    blue = np.array([92.0, 150.0, 222.0])
    image = blue + (np.array([236.0, 226.0, 214.0]) - blue) * (y / HEIGHT)[..., None] ** 1.5
    for depth, color in enumerate(([120, 142, 166], [84, 116, 96], [52, 84, 44])):
        crest = (
            70
            + 24 * depth
            + sum(
                (14 - 3 * depth) / k * np.sin(k * x / (46 - 9 * depth) + rng.uniform(0, 6))
                for k in range(1, 7)
            )
        )
        leaves = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH)), (0, 0), 0.7 + 0.5 * (2 - depth))
        shade = (1 + 0.3 * (depth + 1) * leaves)[..., None] * (1 - 0.3 * (y - crest) / HEIGHT)[..., None]
        image = np.where((y > crest)[..., None], np.array(color, float) * shade, image)
    return _codes(image)


def street() -> Image:
    """Fronts with lit and dark windows, a kerb, road markings: edges and flat walls."""
    rng = np.random.default_rng(2)
    image = np.full((HEIGHT, WIDTH, 3), (178, 196, 214), np.uint8)
    left = 0
    while left < WIDTH:
        width, top = int(rng.integers(38, 72)), int(rng.integers(12, 60))
        wall = rng.integers(90, 210, 3)
        cv2.rectangle(image, (left, top), (left + width - 2, 140), wall.tolist(), -1)
        for wy in range(top + 7, 126, 16):
            for wx in range(left + 6, left + width - 12, 13):
                glass = (236, 214, 150) if rng.random() < 0.3 else (46, 58, 74)
                cv2.rectangle(image, (wx, wy), (wx + 7, wy + 9), glass, -1)
                cv2.line(image, (wx, wy + 4), (wx + 7, wy + 4), (200, 200, 196), 1)
        left += width
    cv2.rectangle(image, (0, 140), (WIDTH, 146), (150, 148, 142), -1)
    cv2.rectangle(image, (0, 147), (WIDTH, HEIGHT), (70, 70, 74), -1)
    for mark in range(-20, WIDTH, 46):
        quad = np.array([(mark, 160), (mark + 22, 160), (mark + 18, 164), (mark - 5, 164)])
        cv2.fillPoly(image, [quad], (222, 220, 210))
    grain = rng.normal(0, 1.5, image.shape)
    return _codes(image + grain)


def dusk() -> Image:
    """The landscape under-exposed, defocused and noisy: a frame that must not score well."""
    rng = np.random.default_rng(3)
    dark = cv2.GaussianBlur(landscape().astype(np.float64), (0, 0), 2.5) * 0.25
    return _codes(dark + rng.normal(0, 9, dark.shape))
