"""A teacher for experiments only: it looks up human MOS and says them as an imperfect judge would.

With it, questions of method (what do pairs add, what are reliabilities worth) can be answered where no
multimodal LLM runs. It has nothing to say of a picture that people have not rated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaf_edge.teacher import option_values as values
from leaf_edge.teacher.interface import Failure, Picture
from leaf_edge.teacher.judgment import Floats, PairJudgment, PointJudgment
from leaf_edge.teacher.picture_features import FEATURES, picture_features
from leaf_edge.teacher.simulated_table import SCALES, MosTable, read_table
from leaf_edge.teacher.simulation import (
    Keys,
    SimulatedLabels,
    SimulatedPairs,
    SimulationConfig,
    fit,
    positions,
    simulate,
    simulate_pairs,
)

__all__ = [
    "SimulatedLabels",
    "SimulatedPairs",
    "SimulatedTeacher",
    "SimulationConfig",
    "positions",
    "simulate",
    "simulate_pairs",
]

RELIABILITIES = ("honest", "shuffled")
_NUMBERS = ("srcc", "bias_share", "warp", "pair_sharing", "position", "deviation", "noise_spread")
OPTIONS = ("table", "folder", "scale", "seed", "reliability", *_NUMBERS)
_LARGEST = 2**53


class SimulatedTeacher:
    """Judgments of the pictures of `table`, with the error that `simulation` describes.

    Of a table that has identities only, the size of the error is found with features drawn by chance, and
    those of a picture are taken when it is judged. Thread-safe.
    """

    batch = 256

    def __init__(self, table: MosTable, config: SimulationConfig) -> None:
        self._row = {key: i for i, key in enumerate(table.sha256)}
        self._table = table
        self._keys = _keys(table.sha256)
        features = table.features
        if features is None:
            rng = np.random.default_rng(config.seed)
            features = _TYPICAL[0] + _TYPICAL[1] * rng.standard_normal((len(table.mos), len(FEATURES)))
        self._simulator = fit(table.mos, features, self._keys, config)

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> SimulatedTeacher:
        """From `table` (and `folder`, `scale`; see `read_table`), `seed`, `reliability` (honest or
        shuffled) and the numbers of `SimulationConfig`. Raises `ValueError` that names what is wrong."""
        values.refuse_unknown("simulated", options, OPTIONS)
        if not options.get("table"):
            raise ValueError(
                "the teacher simulated needs the option table: a CSV file with sha256,mos or file,mos, or a "
                "folder with mos.csv and images/"
            )
        defaults = {field.name: field.default for field in fields(SimulationConfig)}
        given = {
            name: values.number(options, name, float(defaults[name]), 0, _LARGEST)  # type: ignore[arg-type]
            for name in _NUMBERS
        }
        config = SimulationConfig(
            seed=values.whole(options, "seed", 0, 0, _LARGEST),
            honest=values.choice(options, "reliability", "honest", RELIABILITIES) == "honest",
            **given,
        )
        folder = options.get("folder")
        scale = values.choice(options, "scale", "acr5", SCALES)
        table = read_table(Path(str(options["table"])), Path(str(folder)) if folder else None, scale)
        return cls(table, config)

    @property
    def name(self) -> str:
        """Says what it is in every label."""
        return f"simulated:srcc={self._simulator.config.srcc:g}"

    @property
    def version(self) -> str:
        """Every parameter; of the table only the size of the error that it led to."""
        config = self._simulator.config
        parts = [f"{field.name}={getattr(config, field.name):g}" for field in fields(config)]
        return f"1;{';'.join(parts)};error={self._simulator.error:.6g}"

    def points(self, pictures: Sequence[Picture]) -> list[PointJudgment | Failure]:
        """A `Failure` for a picture that is not in the table, such as a synthetic version."""
        known = [picture for picture in pictures if picture.sha256 in self._row]
        answers: dict[str, PointJudgment] = {}
        if known:
            labels = self._simulator.points(*self._inputs(known))
            for picture, levels, trust in zip(known, labels.levels, labels.reliability, strict=True):
                answers[picture.sha256] = PointJudgment(
                    tuple(map(float, levels / levels.sum())), float(trust)
                )
        return [answers.get(picture.sha256) or _unknown(picture) for picture in pictures]

    def pairs(self, pairs: Sequence[tuple[Picture, Picture]]) -> list[PairJudgment | Failure]:
        """Both orders, with an edge for the picture that is shown first."""
        known = [(a, b) for a, b in pairs if a.sha256 in self._row and b.sha256 in self._row]
        answers: dict[tuple[str, str], PairJudgment] = {}
        if known:
            sides = [self._inputs([pair[side] for pair in known]) for side in (0, 1)]
            labels = self._simulator.pairs(sides[0], sides[1])
            for (a, b), *label in zip(known, *labels, strict=True):
                answers[a.sha256, b.sha256] = PairJudgment(*map(float, label))
        return [
            answers.get((a.sha256, b.sha256)) or _unknown(b if a.sha256 in self._row else a) for a, b in pairs
        ]

    def close(self) -> None:
        """Holds nothing."""

    def _inputs(self, pictures: Sequence[Picture]) -> tuple[Floats, Floats, Keys]:
        rows = [self._row[picture.sha256] for picture in pictures]
        if self._table.features is None:
            features = np.array([picture_features(picture.rgb) for picture in pictures])
        else:
            features = self._table.features[rows]
        return self._table.mos[rows], features, self._keys[rows]


_TYPICAL: tuple[NDArray[np.float64], NDArray[np.float64]] = (
    np.array([0.38, 0.45, 0.27]),
    np.array([0.23, 0.19, 0.13]),
)
"""Mean and standard deviation of the features over the 4,998 photographs of BIQ2021."""


def _keys(sha256: Sequence[str]) -> Keys:
    return np.array([int(key[:16], 16) for key in sha256], np.uint64)


def _unknown(picture: Picture) -> Failure:
    name = picture.source or picture.sha256
    return Failure(f"{name}: not in the table of MOS; the simulated teacher can say nothing of it")
