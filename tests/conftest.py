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


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small valid bundle whose scores follow from its arithmetic (tests/helpers_bundle.py)."""
    pytest.importorskip("onnx", reason="needs onnx to make a network (leaf-edge[train])")
    from helpers_bundle import write_tiny

    folder = tmp_path_factory.mktemp("bundle") / "tiny.leaf"
    write_tiny(folder)
    return folder
