"""In what two bundles differ: fields of the manifest, files, and curves in MOS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaf_edge.bundle.curve import Curve
from leaf_edge.bundle.load import Bundle
from leaf_edge.bundle.manifest import FileEntry
from leaf_edge.contract import MOS_MAX, MOS_MIN

LEVELS = np.linspace(MOS_MIN, MOS_MAX, 9)
"""Two curves are shown at the raw scores that the left one takes to these MOS."""


@dataclass(frozen=True)
class FieldChange:
    """A field of the manifest by its path, `encodings.cpu.interval.floor`; None where it is absent."""

    field: str
    left: Any
    right: Any


@dataclass(frozen=True)
class FileChange:
    """A file whose bytes differ; None on the side that does not have it."""

    name: str
    left: FileEntry | None
    right: FileEntry | None


@dataclass(frozen=True)
class CurveChange:
    """Curves of one encoding that differ: MOS at `raw`, where the left one reaches `LEVELS`.

    largest: largest difference in MOS, right minus left, at any raw score (it is at a knot of either curve);
    at: where.
    """

    encoding: str
    raw: tuple[float, ...]
    left: tuple[float, ...]
    right: tuple[float, ...]
    largest: float
    at: float


@dataclass(frozen=True)
class Difference:
    """All in which two bundles differ."""

    fields: tuple[FieldChange, ...]
    curves: tuple[CurveChange, ...]
    files: tuple[FileChange, ...]

    def __bool__(self) -> bool:
        """Whether they differ at all."""
        return bool(self.fields or self.curves or self.files)

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "same": not self,
            "fields": [vars(change) for change in self.fields],
            "curves": [
                {**vars(change), **{k: list(getattr(change, k)) for k in ("raw", "left", "right")}}
                for change in self.curves
            ],
            "files": [
                {
                    "name": change.name,
                    "left": None if change.left is None else vars(change.left),
                    "right": None if change.right is None else vars(change.right),
                }
                for change in self.files
            ],
        }


def diff(left: Bundle, right: Bundle) -> Difference:
    """Compares what two bundles state and hold; where they came from does not count."""
    a, b = _fields(left), _fields(right)
    fields = [FieldChange(name, a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys())]
    p, q = left.manifest.files, right.manifest.files
    files = [FileChange(name, p.get(name), q.get(name)) for name in sorted(p.keys() | q.keys())]
    curves = []
    for name in left.manifest.encodings.keys() & right.manifest.encodings.keys():
        one, other = left.manifest.encodings[name].curve, right.manifest.encodings[name].curve
        if one != other:
            curves.append(_curve_change(name, one, other))
    return Difference(
        tuple(change for change in fields if change.left != change.right),
        tuple(sorted(curves, key=lambda change: change.encoding)),
        tuple(change for change in files if change.left != change.right),
    )


def _curve_change(name: str, left: Curve, right: Curve) -> CurveChange:
    raw = np.unique(np.interp(LEVELS, left.mos, left.raw))
    knots = np.array(sorted({*left.raw, *right.raw}))
    changes = right(knots) - left(knots)
    worst = int(np.abs(changes).argmax())
    return CurveChange(
        name,
        tuple(raw.tolist()),
        tuple(left(raw).tolist()),
        tuple(right(raw).tolist()),
        float(changes[worst]),
        float(knots[worst]),
    )


def _fields(bundle: Bundle) -> dict[str, Any]:
    """Every field of the manifest by its path, but files and curves, which are compared as such.

    Lists are one value, but lists of objects are entered: engines by file, golden frames by file.
    """
    stated = {**bundle.manifest.to_json(), "schema": bundle.manifest.schema}
    del stated["files"]
    for encoding in stated["encodings"].values():
        del encoding["curve"]
    for listed in ("golden", "engines"):
        stated[listed] = {entry["file"]: entry for entry in stated[listed]}
    flat: dict[str, Any] = {}
    _flatten(stated, "", flat)
    return flat


def _flatten(value: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
    for name, inner in value.items():
        path = prefix + (json.dumps(name) if "." in name else name)  # no two fields have one path
        if isinstance(inner, Mapping) and inner:
            _flatten(inner, f"{path}.", flat)
        else:
            flat[path] = inner
