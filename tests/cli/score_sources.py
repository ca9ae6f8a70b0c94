"""Sources whose scores are known with the tiny bundle, and the rows that come out."""

from __future__ import annotations

import csv
from pathlib import Path

LEVELS = {"a1.png": 20, "a2.png": 200, "a10.png": 90, "inner/b.png": 120}
"""Images of the folder: each scores its level over 255."""


def y4m(path: Path, levels: list[int]) -> Path:
    """A clip of grey frames, full range, 25 frames a second."""
    frames = b"".join(
        b"FRAME\n" + bytes([level]) * (32 * 24) + bytes([128]) * (16 * 12 * 2) for level in levels
    )
    path.write_bytes(b"YUV4MPEG2 W32 H24 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n" + frames)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))
