"""From the network's raw quality to MOS: the calibration curve and the width of the interval.

Evaluation and storage only; `leaf_edge.calibration` fits them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import MOS_MAX, MOS_MIN

KIND = "piecewise_linear"
"""The one kind of curve in schema 1, as the manifest names it."""
MAX_KNOTS = 1024

_SPAN = MOS_MAX - MOS_MIN


@dataclass(frozen=True)
class Curve:
    """Monotone piecewise-linear map from raw quality to MOS, flat beyond its ends.

    raw: knots, 2 to `MAX_KNOTS` finite numbers, strictly increasing.
    mos: MOS at each knot, 1 to 5, never falling.
    Raises ValueError where they are not.
    """

    raw: tuple[float, ...]
    mos: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "raw", tuple(float(value) for value in self.raw))
        object.__setattr__(self, "mos", tuple(float(value) for value in self.mos))
        if len(self.raw) != len(self.mos) or not 2 <= len(self.raw) <= MAX_KNOTS:
            raise ValueError(
                f"a curve needs 2 to {MAX_KNOTS} knots with one MOS each; "
                f"found {len(self.raw)} raw and {len(self.mos)} MOS values"
            )
        if not all(map(math.isfinite, self.raw + self.mos)):
            raise ValueError("curve knots must be finite numbers")
        if any(b <= a for a, b in zip(self.raw, self.raw[1:], strict=False)):
            raise ValueError("raw values of a curve must be strictly increasing")
        if any(b < a for a, b in zip(self.mos, self.mos[1:], strict=False)):
            raise ValueError("MOS values of a curve must never fall")
        if self.mos[0] < MOS_MIN or self.mos[-1] > MOS_MAX:
            raise ValueError(
                f"MOS values of a curve must be {MOS_MIN:g} to {MOS_MAX:g}; "
                f"found {self.mos[0]:g} to {self.mos[-1]:g}"
            )

    @overload
    def __call__(self, raw: float) -> float: ...
    @overload
    def __call__(self, raw: NDArray[Any]) -> NDArray[np.float64]: ...
    def __call__(self, raw: float | NDArray[Any]) -> float | NDArray[np.float64]:
        """MOS, 1 to 5, of a raw quality or an array of them (of any shape)."""
        mos = np.clip(np.interp(raw, self.raw, self.mos), MOS_MIN, MOS_MAX)
        return mos if isinstance(raw, np.ndarray) else float(mos)

    def to_json(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {"kind": KIND, "raw": list(self.raw), "mos": list(self.mos)}


@dataclass(frozen=True)
class Interval:
    """Where the true MOS lies with a stated probability, from the network's own spread.

    coverage: share of frames whose true MOS the interval should hold, 0 to 1, ends excluded.
    quantile: half-width in units of the spread, from split conformal calibration; 0 or more.
    floor: least half-width in MOS; 0 or more.
    spread_cap: a larger spread counts as this one, in raw units, above 0: none larger was rated. None: no
        cap.
    Raises ValueError where they are not.
    """

    coverage: float
    quantile: float
    floor: float
    spread_cap: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.coverage < 1.0:
            raise ValueError(f"coverage must be between 0 and 1; found {self.coverage:g}")
        for name, value in (("quantile", self.quantile), ("floor", self.floor)):
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be a finite number of at least 0; found {value:g}")
        if self.spread_cap is not None and not (math.isfinite(self.spread_cap) and self.spread_cap > 0.0):
            raise ValueError(f"spread_cap must be a finite number above 0; found {self.spread_cap:g}")

    def half_width(self, spread: float) -> float:
        """Half-width in MOS for a spread in raw units (raw 0..1 spans MOS 1..5)."""
        if self.spread_cap is not None:
            spread = min(spread, self.spread_cap)
        return max(self.floor, self.quantile * spread * _SPAN)

    def __call__(self, mos: float, spread: float) -> tuple[float, float]:
        """(lower, upper) end in MOS, cut to 1..5."""
        half = self.half_width(spread)
        return max(MOS_MIN, mos - half), min(MOS_MAX, mos + half)

    def to_json(self) -> dict[str, Any]:
        """As the manifest holds it; without a cap, without the field, as before there was one."""
        fields = {"coverage": self.coverage, "quantile": self.quantile, "floor": self.floor}
        return fields if self.spread_cap is None else {**fields, "spread_cap": self.spread_cap}
