"""Image sets with human ratings: the common type, and opening one by what its files look like.

A reader is a module of this package with
    LAYOUT: str                          the files that it looks for, in words
    recognises(path: Path) -> bool       whether they are there
    read(path: Path) -> RatedSet
and a line in `READERS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from leaf_edge.contract import MOS_MAX, MOS_MIN

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SPLIT_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "validation": "val",
    "test": "test",
}
"""Sides of a split as sets write them."""

READERS: dict[str, str] = {
    # kind: module of this package
    "biq2021": "biq2021",
    "koniq10k": "koniq",
    "spaq": "spaq",
    "kadid10k": "kadid",
    "live": "live",
    "csiq": "csiq",
    "tid2013": "tid2013",
    "agiqa3k": "agiqa3k",
    "aigiqa20k": "aigiqa20k",
    "csv": "plain_csv",
}


class RatedSetError(OSError, ValueError):
    """A set on disk cannot be used: wrong columns, labels or names. The message names file and line."""


@dataclass(frozen=True)
class Scale:
    """The scale of a set's own labels: its ends, and which of them is good."""

    low: float
    high: float
    higher_is_better: bool = True

    def to_mos(self, label: float) -> float:
        """Linear: the bad end is 1, the good end 5. A label beyond an end goes beyond it too."""
        unit = (label - self.low) / (self.high - self.low)
        return MOS_MIN + (unit if self.higher_is_better else 1.0 - unit) * (MOS_MAX - MOS_MIN)

    def deviation_to_mos(self, deviation: float | None) -> float | None:
        """A standard deviation of labels in MOS; None stays None."""
        return None if deviation is None else deviation * (MOS_MAX - MOS_MIN) / (self.high - self.low)


FIVE_POINT = Scale(MOS_MIN, MOS_MAX)


@dataclass(frozen=True)
class RatedSample:
    """One rated picture.

    mos: 1 to 5, higher is better (a little beyond in LIVE, whose labels pass the ends of their scale).
    label: the set's own number. deviation: standard deviation of its ratings in MOS, None where the
    set gives none. subset: kind of distortion or source, "" where there is none. group: pictures of
    the same content share it and stay on one side of any split. split: the official side, None
    where the set has no official split.
    """

    path: Path
    mos: float
    label: float
    deviation: float | None
    subset: str
    group: str
    split: Split | None


@dataclass(frozen=True)
class RatedSet:
    """A set of rated pictures.

    name: for people. licence: what its makers say, as far as known; read the set's own terms.
    note: what a reader of figures on it should know. default_split: what to evaluate on where
    nobody says: a side, or "all".
    """

    name: str
    samples: tuple[RatedSample, ...]
    scale: Scale
    licence: str
    note: str = ""
    default_split: str = "all"

    def of_split(self, split: str | None = None) -> list[RatedSample]:
        """The samples of `train`, `val`, `test` or `all`; None takes the set's default.

        Raises `RatedSetError` where the set has no such side.
        """
        split = self.default_split if split is None else split
        side = SPLIT_WORDS.get(split)
        chosen = [s for s in self.samples if split == "all" or (side is not None and s.split == side)]
        if not chosen:
            sides = [name for name in SPLITS if any(s.split == name for s in self.samples)]
            raise RatedSetError(f"{self.name} has no split {split!r}; expected {', '.join([*sides, 'all'])}")
        return chosen


class Pictures:
    """Finds pictures by name in folders, whatever the case of letters; complains with the line.

    folders: those that are not there are passed over. base: the set's folder, for messages.
    """

    def __init__(self, base: Path, *folders: str) -> None:
        self._base = base
        self._folders = [base / folder for folder in folders if (base / folder).is_dir()]
        self._names = folders
        self._index: dict[Path, dict[str, str]] = {}
        self._seen: dict[str, str] = {}

    def find(self, name: str, where: str) -> Path:
        """The picture `name` that the line `where` lists.

        Raises FileNotFoundError where it is absent, `RatedSetError` where a line listed it before.
        """
        before = self._seen.setdefault(name.lower(), where)
        if before != where:
            raise RatedSetError(f"{where}: {name} is listed twice, first in {before}")
        for folder in self._folders:
            path = folder / name
            parent = path.parent
            if parent not in self._index:
                entries = sorted(p.name for p in parent.iterdir()) if parent.is_dir() else []
                self._index[parent] = {entry.lower(): entry for entry in entries} | {e: e for e in entries}
            index = self._index[parent]
            entry = index.get(path.name) or index.get(path.name.lower())
            if entry:
                return parent / entry
        looked = " or ".join(f"{folder}/" for folder in self._names)
        raise FileNotFoundError(f"{name}, named in {where}, not found in {looked} of {self._base}")


def reader(kind: str) -> Any:
    """The module that reads `kind`. Raises ValueError for a name that is not in `READERS`."""
    if kind not in READERS:
        raise ValueError(f"unknown image set {kind!r}; expected one of: {', '.join(READERS)}")
    return importlib.import_module(f"leaf_edge.datasets.{READERS[kind]}")


def open_rated(path: str | Path, kind: str = "auto") -> RatedSet:
    """The rated set in the folder `path` (or the CSV file `path`).

    kind: one of `READERS`, or `auto` to recognise it by its files. Raises FileNotFoundError where no
    set is recognised, saying what was looked for, or where a listed picture is absent; `RatedSetError`
    where the set cannot be used or looks like several.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} not found; expected the folder of an image set, or a CSV file")
    if kind == "auto":
        found = [name for name in READERS if reader(name).recognises(path)]
        if len(found) > 1:
            raise RatedSetError(f"{path} looks like {' and '.join(found)}; say which with --set")
        if not found:
            layouts = "; ".join(f"{name}: {reader(name).LAYOUT}" for name in READERS)
            raise FileNotFoundError(f"{path}: no rated image set recognised. Looked for: {layouts}")
        kind = found[0]
    result: RatedSet = reader(kind).read(path)
    return result


def by_subset(samples: Sequence[RatedSample]) -> dict[str, list[int]]:
    """Indices of the samples of each named subset, in the order of names; empty without subsets."""
    result: dict[str, list[int]] = {}
    for i, sample in enumerate(samples):
        if sample.subset:
            result.setdefault(sample.subset, []).append(i)
    return dict(sorted(result.items()))
