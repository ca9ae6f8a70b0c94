"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with photographs, clips and weights that are not part of the project."""
    folder = Path(os.environ.get("LEAF_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("needs the shared data folder; set LEAF_SHARED to it")
    return folder
