"""Questions with known answers, from ratings or from labels, for tuning a vision-language teacher.

Ratings: the answer about one picture is the level nearest to its MOS; about two, the one with the higher MOS,
where they differ enough. Labels of a store: the level nearest to the expectation, and the preferred picture,
where the label is reliable enough. Every pair is asked in both orders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from leaf_edge.contract import LEVEL_MOS, LEVELS
from leaf_edge.datasets.rated import RatedSample
from leaf_edge.frames.frame import FrameError
from leaf_edge.frames.image_file import ImageFault, read_header
from leaf_edge.teacher import prompts
from leaf_edge.teacher.interface import Rgb
from leaf_edge.teacher.pictures import PictureReader, decode_rgb, read_bytes
from leaf_edge.teacher.store import LabelStore
from leaf_edge.teacher.vlm_inputs import refuse_size


@dataclass(frozen=True)
class Fact:
    """shown: keys of one picture, or of two in the order in which they are shown. answer: a word of
    `contract.LEVELS`, or of `prompts.PAIR_ANSWERS`."""

    shown: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Material:
    """facts: what is to be learnt, in a stable order. open: pixels (uint8 RGB) of a key; raises `FrameError`.
    problems: pictures that were left out, and why."""

    facts: tuple[Fact, ...]
    open: Callable[[str], Rgb]
    problems: tuple[str, ...] = ()

    def digest(self) -> str:
        """16 hexadecimal digits that differ where the facts differ."""
        text = json.dumps([asdict(fact) for fact in self.facts])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def nearest_level(mos: float) -> str:
    """The word of `contract.LEVELS` whose MOS is nearest; half way, the better one."""
    return LEVELS[int(np.argmin([abs(mos - level) for level in LEVEL_MOS]))]


def from_ratings(
    samples: Sequence[RatedSample], pairs_per_picture: int = 1, gap: float = 0.5, seed: int = 1
) -> Material:
    """From rated pictures. gap: least difference of MOS of a pair. Raises ValueError where no picture is
    usable."""
    usable, problems = [], []
    for sample in samples:
        reason = _unusable(sample.path)
        if reason is None:
            usable.append(sample)
        else:
            problems.append(f"{sample.path}: {reason}")
    if not usable:
        raise ValueError(f"no rated picture can be used; the first of {len(problems)}: {problems[:1]}")
    facts = [Fact((str(s.path),), nearest_level(s.mos)) for s in usable]
    rng = np.random.default_rng(seed)
    mos = np.asarray([s.mos for s in usable])
    for at, sample in enumerate(usable):
        others = np.flatnonzero(np.abs(mos - mos[at]) >= gap)
        for other in rng.choice(others, min(pairs_per_picture, len(others)), replace=False):
            facts += _both_orders(str(sample.path), str(usable[other].path), bool(mos[at] > mos[other]))
    return Material(tuple(facts), lambda key: decode_rgb(Path(key), read_bytes(Path(key))), tuple(problems))


def from_store(
    path: Path, root: Path | None = None, teacher: str | None = None, min_reliability: float = 0.3
) -> Material:
    """From a label store: all labels (of one teacher, if named) with at least this reliability, 0 to 1.

    root: folder of relative paths. Raises ValueError where none is left.
    """
    with LabelStore(path, create=False) as store:
        rows = {row.sha256: row for row in store.pictures()}
        points = [p for p in store.points(teacher) if p.judgment.reliability >= min_reliability]
        pairs = [p for p in store.pairs(teacher) if p.judgment.reliability >= min_reliability]
    small = {key: refuse_size(row.width, row.height) for key, row in rows.items()}
    facts = [Fact((p.sha256,), nearest_level(p.judgment.mos)) for p in points if not small[p.sha256]]
    for pair in pairs:
        if pair.judgment.preference != 0.5 and not (small[pair.first] or small[pair.second]):
            facts += _both_orders(pair.first, pair.second, pair.judgment.preference > 0.5)
    if not facts:
        of = f" of {teacher}" if teacher else ""
        raise ValueError(f"{path}: no label{of} has a reliability of {min_reliability} or more")
    reader = PictureReader(root)
    problems = tuple(f"{rows[key].source}: {reason}" for key, reason in small.items() if reason)
    return Material(tuple(facts), lambda key: reader.read(rows[key]).rgb, problems)


def _both_orders(a: str, b: str, a_is_better: bool) -> list[Fact]:
    first, second = prompts.PAIR_ANSWERS
    return [Fact((a, b), first if a_is_better else second), Fact((b, a), second if a_is_better else first)]


def _unusable(path: Path) -> str | None:
    """Why a file cannot be a question's picture, from its header and structure; None where it can."""
    try:
        header = read_header(read_bytes(path))
    except (ImageFault, FrameError) as error:
        return str(error)
    return refuse_size(header.width, header.height)
