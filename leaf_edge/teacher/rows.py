"""The rows of the label store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from leaf_edge.teacher.judgment import PairJudgment, PointJudgment


@dataclass(frozen=True)
class PictureRow:
    """A picture that labels speak of.

    sha256: identity, 64 lower-case hexadecimal digits: of an image the SHA-256 of the file's bytes; of a
    frame of a clip that of `f"{SHA-256 of the clip's file}#{frame}"`; of a synthetic version that of its
    recipe. source: path of the file, as it was given. frame: number of the frame in a clip, from 0; None
    for an image. recipe: of a synthetic version (teacher/recipe.py), whose source and frame are then those
    of its clean picture; empty for a picture of a camera. width, height: pixels.
    """

    sha256: str
    source: str
    frame: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class PointRow:
    """A teacher's judgment of one picture. created: Unix seconds."""

    sha256: str
    teacher: str
    version: str
    judgment: PointJudgment
    created: float


@dataclass(frozen=True)
class PairRow:
    """A teacher's judgment of two pictures, first < second; `judgment` speaks of `first` as picture A."""

    first: str
    second: str
    teacher: str
    version: str
    judgment: PairJudgment
    created: float


@dataclass(frozen=True)
class FaultRow:
    """severities: 0..1 in the order of `contract.FAULTS`, as the teacher knows them."""

    sha256: str
    teacher: str
    version: str
    severities: tuple[float, ...]


@dataclass(frozen=True)
class FailureRow:
    """A judgment that could not be had. kind: `point` or `pair`. key: the picture, or `first second`.
    attempts: how often it was tried. updated: Unix seconds of the last attempt."""

    kind: str
    key: str
    teacher: str
    version: str
    reason: str
    transient: bool
    attempts: int
    updated: float


class Identity(NamedTuple):
    """Whose labels: `Teacher.name` and `Teacher.version`."""

    teacher: str
    version: str
