"""What a teacher says of a picture or of two, and how far to believe it.

Reliability of a point label: one minus normalised entropy, times agreement over prompt wordings. Of a pair
label: agreement of both presentation orders times decisiveness (LEAF, arXiv 2601.20689). Both are functions
of the distributions alone, so that another definition can take their place (`PointReliability`,
`PairReliability`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leaf_edge.contract import LEVEL_MOS, LEVELS

Floats = NDArray[np.float64]

PointReliability = Callable[[Floats], float]
"""Distributions float64 [wordings, 5] to 0..1."""
PairReliability = Callable[[float, float], float]
"""Preference for picture A when it is shown first, and when it is shown second, to 0..1."""


def _distribution(levels: ArrayLike) -> Floats:
    p: Floats = np.asarray(levels, np.float64)
    if p.shape[-1:] != (len(LEVELS),) or not np.isfinite(p).all() or p.min() < 0:
        raise ValueError(f"expected {len(LEVELS)} finite, non-negative probabilities; found {levels!r}")
    total = p.sum(axis=-1, keepdims=True)
    if (total <= 0).any():
        raise ValueError("expected a distribution over the levels; all probabilities are zero")
    normal: Floats = p / total
    return normal


def expectation(levels: ArrayLike) -> float:
    """MOS 1..5 that a distribution over `contract.LEVELS` expects."""
    return float(_distribution(levels) @ np.asarray(LEVEL_MOS))


def entropy_agreement(wordings: ArrayLike) -> float:
    """The point reliability: one minus the entropy of the mean distribution over its greatest value, times
    one minus the mean total variation of the wordings from their mean. wordings: [K, 5]; returns 0..1."""
    p = _distribution(np.atleast_2d(wordings))
    mean = p.mean(axis=0)
    entropy = float(-(mean * np.log(np.clip(mean, 1e-12, None))).sum() / np.log(len(LEVELS)))
    variation = float(0.5 * np.abs(p - mean).sum(axis=1).mean())
    return float(np.clip((1 - entropy) * (1 - variation), 0, 1))


def order_decisiveness(forward: float, backward: float) -> float:
    """The pair reliability: one minus the difference of both orders, times how far their mean is from a
    toss-up. forward, backward: preference for the same picture; returns 0..1."""
    for value in (forward, backward):
        if not 0 <= value <= 1:
            raise ValueError(f"a preference is {value}; expected 0 to 1")
    return (1 - abs(forward - backward)) * abs(forward + backward - 1)


@dataclass(frozen=True)
class PointJudgment:
    """levels: probabilities of `contract.LEVELS`, which sum to 1. reliability: 0..1."""

    levels: tuple[float, ...]
    reliability: float

    def __post_init__(self) -> None:
        _distribution(self.levels)
        if abs(sum(self.levels) - 1) > 1e-6 or not 0 <= self.reliability <= 1:
            raise ValueError(f"expected a distribution and a reliability of 0 to 1; found {self}")

    @property
    def mos(self) -> float:
        """Expectation, 1 to 5."""
        return expectation(self.levels)

    @classmethod
    def of(cls, wordings: ArrayLike, reliability: PointReliability = entropy_agreement) -> PointJudgment:
        """From distributions [K, 5] of K prompt wordings (or [5] of one), normalised here."""
        p = _distribution(np.atleast_2d(wordings))
        mean = p.mean(axis=0)
        return cls(tuple(map(float, mean / mean.sum())), reliability(p))


@dataclass(frozen=True)
class PairJudgment:
    """forward: preference 0..1 for picture A when A is shown first; backward: for A when B is shown first.
    reliability: 0..1."""

    forward: float
    backward: float
    reliability: float

    def __post_init__(self) -> None:
        if not all(0 <= v <= 1 for v in (self.forward, self.backward, self.reliability)):
            raise ValueError(f"expected values of 0 to 1; found {self}")

    @property
    def preference(self) -> float:
        """Preference for A, mean of both orders."""
        return (self.forward + self.backward) / 2

    def swapped(self) -> PairJudgment:
        """The same judgment of (B, A)."""
        return PairJudgment(1 - self.backward, 1 - self.forward, self.reliability)

    @classmethod
    def of(
        cls, forward: float, backward: float, reliability: PairReliability = order_decisiveness
    ) -> PairJudgment:
        """From the preferences of both orders (means over wordings)."""
        return cls(forward, backward, reliability(forward, backward))
