"""A folder with a canary tree and a good signed bundle in it, to be attacked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers_attacks import SCHEMA2


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Files that no attack may reach."""
    folder = tmp_path / "outside"
    (folder / "golden").mkdir(parents=True)
    for name in ("secret", "evil", "card.md", "golden/0.rgb.raw"):
        (folder / name).write_bytes(f"canary {name}\n".encode())
    return folder


@pytest.fixture
def target(tmp_path: Path, outside: Path) -> Path:
    """A copy of the signed fixture beside the canary, to break."""
    return Path(shutil.copytree(SCHEMA2, tmp_path / "bundle" / "tiny.leaf"))
