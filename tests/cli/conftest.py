"""Fixtures for the tests of `leaf-edge score`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from score_sources import LEVELS, y4m

from leaf_edge.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Grey images whose score is their level over 255."""
    path = tmp_path / "photos"
    for name, level in LEVELS.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path / name), np.full((40, 60, 3), level, np.uint8))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return y4m(tmp_path / "clip.y4m", [10, 60, 110, 160, 210, 160, 110, 60])


@pytest.fixture
def score(tiny_bundle: Path):
    """Run the command in this process with the tiny model."""

    def run(*arguments: object) -> int:
        return main(["score", "--model", str(tiny_bundle), *map(str, arguments)])

    return run
