"""How quality and named faults respond to degradations that are known, on clean pictures.

None of it needs a rating: that a picture is worse than itself with more noise is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS
from leaf_edge.datasets.faults import Image, apply_fault
from leaf_edge.evaluation.model import Model
from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, to_format
from leaf_edge.views import make_views

SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
NAMED_FROM = 0.4
"""Severity from which a fault should be named."""


@dataclass(frozen=True)
class Response:
    """mos: float64 [pictures, 8 faults, severities]. falling, named: share for each fault, 0..1.

    falling: of the steps from one severity to the next at which MOS falls. named: of the pictures
    with severity `NAMED_FROM` or more, whose strongest fault reaches the model's threshold and is
    the right one. ordered: float64 [severities - 1], share of pictures below their clean version.
    """

    mos: NDArray[np.float64]
    falling: dict[str, float]
    named: dict[str, float]
    ordered: list[float]


def fault_response(
    models: Sequence[Model],
    pictures: Sequence[Image],
    severities: Sequence[float] = SEVERITIES,
    on_picture: Callable[[int], None] = lambda done: None,
) -> list[Response]:
    """Response of each model to each of the eight faults on clean pictures (uint8 RGB).

    severities: rising from 0. on_picture: told how many pictures are done.
    """
    if not pictures or list(severities) != sorted(set(severities)) or severities[0] != 0:
        raise ValueError("expected pictures, and severities that rise from 0")
    shape = (len(FAULTS), len(severities))
    mos = np.empty((len(models), len(pictures), *shape))
    named = np.zeros(mos.shape, bool)
    for i, picture in enumerate(pictures):
        views = np.stack(
            [
                _views(apply_fault(picture, name, s, np.random.default_rng([i, k])))
                for k, name in enumerate(FAULTS)
                for s in severities
            ]
        )
        for m, model in enumerate(models):
            quality = model(views)
            mos[m, i] = quality.mos.reshape(shape)
            strongest = quality.faults.argmax(axis=1).reshape(shape)
            sure = quality.faults.max(axis=1).reshape(shape) >= model.reason_threshold
            named[m, i] = sure & (strongest == np.arange(len(FAULTS))[:, None])
        on_picture(i + 1)
    strong = np.asarray(severities) >= NAMED_FROM
    return [_response(mos[m], named[m], strong) for m in range(len(models))]


def _response(mos: NDArray[np.float64], named: NDArray[np.bool_], strong: NDArray[np.bool_]) -> Response:
    return Response(
        mos,
        {name: float((np.diff(mos[:, k]) < 0).mean()) for k, name in enumerate(FAULTS)},
        {name: float(named[:, k, strong].mean()) for k, name in enumerate(FAULTS)},
        [float((mos[:, :, s] < mos[:, :, 0]).mean()) for s in range(1, mos.shape[2])],
    )


DEGRADED: dict[str, str] = {"blurred": "defocus", "noisy": "noise", "jpeg10": "compression"}
"""Common degradations, made here without the training's own faults, and the fault each one is."""


def degrade(picture: Image, kind: str, seed: int) -> Image:
    """Gaussian blur of sigma 3, white noise of sigma 25, or JPEG of quality 10."""
    if kind == "blurred":
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 3.0), np.uint8)
    if kind == "noisy":
        noise = np.random.default_rng(seed).normal(0, 25, picture.shape)
        return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
    if kind == "jpeg10":
        ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 10])
        if not ok:
            raise RuntimeError("OpenCV could not encode a JPEG")
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)
    raise ValueError(f"unknown degradation {kind!r}; expected one of: {', '.join(DEGRADED)}")


def degraded_pairs(model: Model, pictures: Sequence[Image]) -> dict[str, tuple[float, float]]:
    """For each degradation: share of pictures that score above their degraded version, and share of
    degraded pictures whose fault is named rightly."""
    clean = model(np.stack([_views(p) for p in pictures])).mos
    result = {}
    for kind, fault in DEGRADED.items():
        worse = model(np.stack([_views(degrade(p, kind, i)) for i, p in enumerate(pictures)]))
        sure = worse.faults.max(axis=1) >= model.reason_threshold
        right = sure & (worse.faults.argmax(axis=1) == FAULTS.index(fault))
        result[kind] = (float((clean > worse.mos).mean()), float(right.mean()))
    return result


FORMATS: dict[str, tuple[PixelFormat, ColorMatrix, ColorRange]] = {
    "nv12 bt709 limited": (PixelFormat.NV12, ColorMatrix.BT709, ColorRange.LIMITED),
    "nv12 bt601 full": (PixelFormat.NV12, ColorMatrix.BT601, ColorRange.FULL),
    "i420 bt709 limited": (PixelFormat.I420, ColorMatrix.BT709, ColorRange.LIMITED),
}


def format_difference(model: Model, pictures: Sequence[Image]) -> dict[str, float]:
    """Mean absolute change in MOS where the same picture comes in another format than RGB."""
    rgb = model(np.stack([_views(p) for p in pictures])).mos
    return {
        name: float(
            np.abs(model(np.stack([make_views(to_format(p, *how)) for p in pictures])).mos - rgb).mean()
        )
        for name, how in FORMATS.items()
    }


def _views(picture: Image) -> NDArray[np.uint8]:
    return make_views(Frame.from_array(np.ascontiguousarray(picture)))
