"""The table of human MOS that a simulated teacher looks through."""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaf_edge.contract import MOS_MAX, MOS_MIN
from leaf_edge.datasets import biq2021
from leaf_edge.frames.images import decode_image
from leaf_edge.teacher.judgment import Floats
from leaf_edge.teacher.picture_features import FEATURES, picture_features

SCALES = ("acr5", "unit")
"""Of MOS in a CSV file: 1 to 5, or 0 to 1."""


@dataclass(frozen=True)
class MosTable:
    """sha256: [N]. mos: 1..5 [N]. features: [N, 3] of the pictures; None where only identities are known."""

    sha256: list[str]
    mos: Floats
    features: Floats | None


def read_table(table: Path, folder: Path | None = None, scale: str = "acr5") -> MosTable:
    """From a CSV file with the columns sha256,mos; or one with file,mos and the `folder` of its pictures
    (by default that of the CSV); or a folder as BIQ2021 has it (mos.csv with mos 0 to 1, and images/).

    Pictures are read once, in full. Raises `ValueError` that names the line, FileNotFoundError.
    """
    if table.is_dir():
        samples = biq2021.load(table)
        return _of_pictures([s.path for s in samples], [s.mos for s in samples])
    with table.open(newline="") as file:
        rows = csv.DictReader(file)
        columns = set(rows.fieldnames or ())
        key = "sha256" if "sha256" in columns else "file"
        if not {key, "mos"} <= columns:
            raise ValueError(f"{table}: columns are {rows.fieldnames}; expected sha256,mos or file,mos")
        keys, mos = [], []
        for row in rows:
            where = f"{table}, line {rows.line_num}"
            keys.append(_sha256(row[key], where) if key == "sha256" else row[key])
            mos.append(_mos(row["mos"], scale, where))
    if not keys:
        raise ValueError(f"{table} lists no pictures")
    if key == "file":
        return _of_pictures([(folder or table.parent) / name for name in keys], mos)
    return _different(keys, mos, None, str(table))


def _sha256(text: str | None, where: str) -> str:
    value = (text or "").strip()
    if len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError(f"{where}: sha256 is {text!r}; expected 64 lower-case hexadecimal digits")
    return value


def _mos(text: str | None, scale: str, where: str) -> float:
    low, high = (MOS_MIN, MOS_MAX) if scale == "acr5" else (0.0, 1.0)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        hint = "scale=unit for 0 to 1" if scale == "acr5" else "scale=acr5 for 1 to 5"
        raise ValueError(f"{where}: mos is {text!r}; expected {low:g} to {high:g} ({hint})")
    return MOS_MIN + (value - low) * (MOS_MAX - MOS_MIN) / (high - low)


def _of_pictures(paths: list[Path], mos: list[float]) -> MosTable:
    keys, features = [], []
    for path in paths:
        data = path.read_bytes()
        keys.append(hashlib.sha256(data).hexdigest())
        try:
            pixels = decode_image(data)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        rgb = pixels[..., ::-1] if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
        features.append(picture_features(np.ascontiguousarray(rgb)))
    return _different(keys, mos, np.array(features).reshape(-1, len(FEATURES)), "the table")


def _different(keys: list[str], mos: list[float], features: Floats | None, name: str) -> MosTable:
    """Of pictures that are listed more than once, with the same bytes, the first counts; with another MOS
    they are refused."""
    seen: dict[str, int] = {}
    for i, key in enumerate(keys):
        if mos[seen.setdefault(key, i)] != mos[i]:
            raise ValueError(
                f"{name} has two MOS for the picture {key}: {mos[seen[key]]:g} and {mos[i]:g}; expected one"
            )
    kept = list(seen.values())
    return MosTable(list(seen), np.array(mos)[kept], None if features is None else features[kept])
