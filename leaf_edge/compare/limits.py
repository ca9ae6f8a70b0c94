"""How far two engines may be apart."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """mos_mean, mos_max: absolute difference in MOS, 1..5. flips: share of gate decisions that differ, mean
    over the thresholds. The defaults are what an export allows one INT8 encoding against the other
    (`leaf_edge.export.Budgets`: pair_mean, pair_max, pair_flips; they need the extra `train` to be imported).
    """

    mos_mean: float = 0.045
    mos_max: float = 0.35
    flips: float = 0.03

    @classmethod
    def against_float(cls) -> Limits:
        """What an export allows an encoding against the float student: mos_mean, mos_max, flips there."""
        return cls(0.03, 0.25, 0.02)

    @property
    def least_frames(self) -> int:
        """Frames from which on `flips` says something: on fewer, one frame that flips breaks it."""
        return math.ceil(1 / self.flips) if self.flips > 0 else 1
