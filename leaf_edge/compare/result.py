"""What a comparison found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.compare.limits import Limits

if TYPE_CHECKING:
    from leaf_edge.compare.layers import LayerReport


@dataclass(frozen=True)
class Difference:
    """Of one output over all frames, absolute: mean, largest, root of the mean square; in its own units."""

    mean: float
    max: float
    rms: float

    @classmethod
    def between(cls, a: NDArray[Any], b: NDArray[Any]) -> Difference:
        """Of two arrays of one shape with at least one number."""
        d = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
        return cls(float(d.mean()), float(d.max()), float(np.sqrt(np.mean(d * d))))


@dataclass(frozen=True)
class ViewsFound:
    """The views of both sides. frames: with a byte that differs; bytes: that differ, in all frames;
    largest: difference of a byte; first: name of the first such frame."""

    frames: int = 0
    bytes: int = 0
    largest: int = 0
    first: str | None = None


@dataclass(frozen=True)
class WorstFrame:
    """A frame and what both engines say of it. number: in the order in which frames came, from 0.

    raw: raw quality; fault, fault_change: the severity that changes most, and by how much (b less a).
    """

    name: str
    number: int
    mos: tuple[float, float]
    raw: tuple[float, float]
    fault: str
    fault_change: float

    @property
    def change(self) -> float:
        """MOS of the second engine less that of the first."""
        return self.mos[1] - self.mos[0]


@dataclass(frozen=True)
class Comparison:
    """engines, kernels: names of both sides. outputs: raw outputs by head, `mos`, `spread`, each fault, and
    `faults` for all of them. mos: after the curves. thresholds: of a gate, in MOS; flips: share of frames on
    the other side of each. judged: whether `flips` counts. worst: frames, worst first. skipped: what could
    not be read. failures: a sentence for each thing that should not be.
    """

    engines: tuple[str, str]
    kernels: tuple[str, str]
    frames: int
    views: ViewsFound
    outputs: dict[str, Difference]
    mos: Difference
    bias: float
    thresholds: tuple[float, ...]
    flips: tuple[float, ...]
    limits: Limits
    judged: bool
    worst: tuple[WorstFrame, ...]
    skipped: tuple[str, ...]
    failures: tuple[str, ...]
    layers: LayerReport | None = None

    @property
    def flips_mean(self) -> float:
        """Mean share over the thresholds."""
        return float(np.mean(self.flips))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"ok": not self.failures, **asdict(self), "flips_mean": self.flips_mean}


def failures_of(
    views: ViewsFound, mos: Difference, flips: float, limits: Limits, judged: bool, frames: int
) -> tuple[str, ...]:
    """A sentence for each limit that is broken, the views first."""
    found = []
    if views.frames:
        found.append(
            f"the views differ in {views.frames} of {frames} frames ({views.bytes} bytes, by up to "
            f"{views.largest}; first: {views.first}); they must be the same"
        )
    checks = [
        ("the mean difference in MOS", mos.mean, limits.mos_mean),
        ("the largest difference in MOS", mos.max, limits.mos_max),
    ]
    if judged:
        checks.append(("the share of gate decisions that differ", flips, limits.flips))
    # `not <=`: a NaN fails
    found += [
        f"{what} is {value:.4f}; at most {limit:g}" for what, value, limit in checks if not value <= limit
    ]
    return tuple(found)
