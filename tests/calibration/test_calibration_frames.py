"""Calibration sets that INT8 must not be calibrated on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leaf_edge.calibration import CalibrationError, check_views
from leaf_edge.calibration.frames import choose
from leaf_edge.frames import read_image
from leaf_edge.views import make_views

SHAPE = (20, 2, 3, 224, 224)


def ramps() -> np.ndarray:
    """Smooth pictures, no two alike."""
    y, x = np.mgrid[:224, :224]
    waves = [127 + 120 * np.sin(x / (20 + i) + y / (35 - i)) for i in range(SHAPE[0])]
    return np.broadcast_to(np.array(waves, np.uint8)[:, None, None], SHAPE)


def test_pictures_pass() -> None:
    check_views(ramps())


@pytest.mark.parametrize(
    ("views", "text"),
    [
        (ramps()[:3], "too few"),
        (np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8), "random noise"),
        (np.full(SHAPE, 17, np.uint8), "constant"),
        (np.repeat(ramps()[:1], 20, axis=0), "differ"),
        (ramps().astype(np.float32), "uint8"),
        (np.zeros((20, 3, 224, 224), np.uint8), "uint8"),
    ],
)
def test_refused(views: np.ndarray, text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        check_views(views)


def test_noisy_photographs_pass(shared: Path) -> None:
    """The check is for noise in place of pictures, not for noisy pictures."""
    rng = np.random.default_rng(0)
    views = []
    for file in sorted((shared / "data/kodak").glob("*.png"))[:16]:
        picture = make_views(read_image(file)).astype(float)
        views.append(np.clip(picture + rng.normal(0, 15, picture.shape), 0, 255).astype(np.uint8))
    check_views(np.stack(views))


def test_choice() -> None:
    chosen = choose(1000, 128)
    assert len(set(chosen.tolist())) == 128 and (np.diff(chosen) > 0).all() and chosen.max() < 1000
    assert (chosen == choose(1000, 128)).all()
    assert choose(5, 128).tolist() == [0, 1, 2, 3, 4]
