"""What every teacher is: a thing that judges pictures and pairs, in batches, and says who it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.rows import PictureRow

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A picture to judge.

    sha256: its identity in the label store (lower-case hexadecimal). rgb: uint8 [height, width, 3].
    recipe: for a synthetic version of a clean picture, how it was made (`synthetic_recipe` in
    teacher/recipe.py); empty for a picture of a camera. source: file and frame, for messages.
    """

    sha256: str
    rgb: Rgb = field(repr=False)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Failure:
    """A judgment that could not be had. transient: asking again later may help (a server was away)."""

    reason: str
    transient: bool = False


@runtime_checkable
class Teacher(Protocol):
    """Judges pictures. Not thread-safe unless a teacher says so.

    name: kind and model, such as `transformers:InternVL3_5-8B`; with `version` (prompt wordings and their
    parameters) it is the identity of a label in the store. batch: pictures or pairs that it likes at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def batch(self) -> int: ...

    def points(self, pictures: Sequence[Picture]) -> list[PointJudgment | Failure]:
        """A judgment of each picture, in order. Failures are values: one bad picture costs no other."""
        ...

    def pairs(self, pairs: Sequence[tuple[Picture, Picture]]) -> list[PairJudgment | Failure]:
        """A judgment of each pair in both presentation orders, in order."""
        ...

    def close(self) -> None:
        """Gives back connections and memory."""
        ...


CleanLookup = Callable[[str], Rgb]
"""SHA-256 of a clean picture to its pixels, uint8 [height, width, 3]. Raises `KeyError`, `ValueError` or
`OSError` where it cannot be had."""


@runtime_checkable
class NeedsClean(Protocol):
    """A teacher that compares synthetic versions with the clean pictures that they were made of."""

    def with_clean(self, lookup: CleanLookup) -> None:
        """Where the clean pictures come from; set it before the first judgment."""
        ...


@runtime_checkable
class KnowsFaults(Protocol):
    """A teacher that knows the camera faults of a picture."""

    def fault_severities(self, picture: Picture) -> tuple[float, ...] | None:
        """Severities 0..1 in the order of `contract.FAULTS`; None where it does not know them."""
        ...


@runtime_checkable
class Expanding(Protocol):
    """A teacher that judges versions which it makes of clean pictures itself.

    assume_clean: whether it judges a camera's own pictures, those without a recipe, too.
    """

    @property
    def assume_clean(self) -> bool: ...

    def expand(self, rows: Sequence[PictureRow], seed: int) -> list[PictureRow]:
        """Synthetic versions of clean pictures: rows with a recipe, and the source, frame and size of their
        clean picture. The same row and seed give the same versions, whatever else is in `rows`."""
        ...


def point(teacher: Teacher, picture: Picture) -> PointJudgment | Failure:
    """One picture."""
    return teacher.points([picture])[0]


def pair(teacher: Teacher, first: Picture, second: Picture) -> PairJudgment | Failure:
    """One pair, both orders."""
    return teacher.pairs([(first, second)])[0]
