"""The strategies of a calibration and what they share: features, folds, chains.

Map and head are held out in every fold; whole, which is costly, in the first fold alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leaf_edge.calibration.curve import MIN_LABELS, Folds, checked
from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.calibration.finetune import (
    STEPS,
    STRENGTHS,
    Chains,
    aligned,
    chains_of,
    features_of,
    finetune_head,
    ordered,
    outputs,
)
from leaf_edge.calibration.interval import FLOOR
from leaf_edge.calibration.judge import Candidate, grouped_folds
from leaf_edge.calibration.whole import Settled, StoreLabels, WholeSettings, finetune_whole, unfit
from leaf_edge.student.network import Student
from leaf_edge.student.train import mos_to_unit_array

STRATEGIES = ("map", "head", "whole")
"""From the simplest."""
ORDER_LOSS = 0.05
"""Share of chain neighbours that a strategy may newly get wrong before it is left out: it went blind to
faults."""
_BEST_RATED = 4
"""Chains start from the best-rated of so many pictures."""

Told = Callable[[str, int, int], None]
"""Stage, done, of all."""


class RatedPicture(Protocol):
    """mos: 1..5. Pictures of one group stay together in a fold."""

    @property
    def path(self) -> Path: ...
    @property
    def mos(self) -> float: ...
    @property
    def subset(self) -> str: ...
    @property
    def group(self) -> str: ...


@dataclass(frozen=True)
class CalibrateOptions:
    """strategies: of `STRATEGIES`, those that may be taken. folds: of the cross-validation. coverage, floor:
    of the interval. chains: synthetic ones for the head, and twice as many others to check the order on (3
    neighbours in each). head_steps: of AdamW."""

    strategies: tuple[str, ...] = ("map", "head")
    folds: int = 5
    coverage: float = 0.9
    floor: float = FLOOR
    chains: int = 32
    head_steps: int = STEPS
    whole: WholeSettings = field(default_factory=WholeSettings)
    seed: int = 1

    def __post_init__(self) -> None:
        unknown = [s for s in self.strategies if s not in STRATEGIES]
        if unknown or not self.strategies:
            raise ValueError(
                f"strategies are {list(self.strategies)}; expected some of {', '.join(STRATEGIES)}"
            )
        if not 2 <= self.folds <= 20 or not 0 < self.coverage < 1 or self.chains < 2 or self.head_steps < 1:
            raise ValueError(f"settings out of range: {self}")


class Work:
    """One calibration: what its strategies share."""

    def __init__(
        self,
        student: Student,
        samples: Sequence[RatedPicture],
        folder: Path,
        options: CalibrateOptions,
        told: Told,
    ) -> None:
        if len(samples) < MIN_LABELS:
            raise CalibrationError(f"a curve needs at least {MIN_LABELS} labels; found {len(samples)}")
        self.student, self.samples, self.folder, self.options, self.told = (
            student,
            samples,
            folder,
            options,
            told,
        )
        self.mos: NDArray[np.float64] = np.array([s.mos for s in samples])
        self.unit = mos_to_unit_array(self.mos)
        self.folds: Folds = grouped_folds([s.group for s in samples], options.folds, options.seed)
        self.cache = folder / "features"
        paths = [s.path for s in samples]
        self.features = features_of(
            student, paths, self.cache, lambda done: told("features", done, len(paths))
        )
        checked(np.arange(len(samples)) + 0.0, np.sort(self.mos))  # MOS alone: range, not all alike
        best = np.argsort(-self.mos, kind="stable")[: max(1, len(samples) // _BEST_RATED)]
        self.clean = [paths[i] for i in best]
        self.order: dict[str, float] = {}
        self.why_not_whole = ""
        self.settled: Settled | None = None
        self._chains: Chains | None = None

    def _chain_set(self, student: Student, count: int, seed: int) -> Chains:
        return chains_of(
            student,
            self.clean,
            count,
            seed,
            self.cache,
            lambda done: self.told("synthetic chains", done, count),
        )

    def head(self, at: NDArray[np.intp], strength: float) -> Student:
        """The student with a head that is fitted on the pictures `at`."""
        if self._chains is None:
            self._chains = self._chain_set(self.student, self.options.chains, self.options.seed)
        return finetune_head(
            self.student,
            self.features[at],
            self.unit[at],
            self._chains,
            strength,
            self.options.seed,
            self.options.head_steps,
        )

    def heads(self) -> list[Candidate]:
        """A candidate for each strength, the one that moves least first; held out in every fold."""
        check = self._chain_set(self.student, 2 * self.options.chains, self.options.seed + 1)
        start = self.order["start"] = ordered(self.student, check)
        n, found, done = len(self.samples), [], 0
        for strength in STRENGTHS:
            raw, spread, kept = np.empty(n), np.empty(n), []
            for fold in self.folds:
                tuned = self.head(np.setdiff1d(np.arange(n), fold), strength)
                raw[fold], spread[fold] = outputs(tuned, self.features[fold])
                kept.append(ordered(tuned, check))
                done += 1
                self.told("head, fold by fold", done, len(STRENGTHS) * len(self.folds))
            name = f"head {strength:g}"
            self.order[name] = float(np.mean(kept))
            found.append(Candidate(name, raw, spread, self._blind(name, start)))
        return found

    def _blind(self, name: str, start: float) -> str:
        if self.order[name] >= start - ORDER_LOSS:
            return ""
        shares = f"{self.order[name]:.1%} of neighbours in synthetic chains, the start {start:.1%}"
        return f"it puts in order {shares}"

    def whole(self, labels: StoreLabels | None) -> tuple[Student, Candidate] | None:
        """The student that is fine-tuned on all folds but the first, and what it says of that; None where the
        ratings do not carry it (`why_not_whole`)."""
        settings, held_out = self.options.whole, self.folds[0]
        self.why_not_whole = unfit(self.samples, settings)
        if not self.why_not_whole and len(held_out) < 2 * MIN_LABELS:
            self.why_not_whole = f"{len(held_out)} ratings in a fold; it takes {2 * MIN_LABELS}"
        if self.why_not_whole:
            return None
        rest = np.setdiff1d(np.arange(len(self.samples)), held_out)
        start = aligned(self.student, outputs(self.student, self.features[rest])[0], self.unit[rest])
        self.settled = settings.for_ratings(len(rest))
        steps = self.settled.steps
        tuned = finetune_whole(
            start,
            [self.samples[i] for i in rest],
            settings,
            self.folder / "whole",
            labels,
            lambda done: self.told("whole", done, steps),
        )
        paths = [self.samples[i].path for i in held_out]
        raw, spread = outputs(tuned, features_of(tuned, paths, self.cache))
        count, seed = 2 * self.options.chains, self.options.seed + 1
        if "start" not in self.order:
            self.order["start"] = ordered(self.student, self._chain_set(self.student, count, seed))
        self.order["whole"] = ordered(tuned, self._chain_set(tuned, count, seed))
        return tuned, Candidate("whole", raw, spread, self._blind("whole", self.order["start"]))
