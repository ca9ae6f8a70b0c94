"""Fixtures of the teachers' tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a tiny checkpoint once and gives its folder: checkpoint("llava", split=True)."""
    import tiny_vlms

    saved: dict[str, Path] = {}

    def get(family: str, **options: Any) -> Path:
        key = repr((family, sorted(options.items())))
        if key not in saved:
            saved[key] = tiny_vlms.FAMILIES[family](tmp_path_factory.mktemp(family), **options)
        return saved[key]

    return get
