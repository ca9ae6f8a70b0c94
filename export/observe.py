"""One calibration run: a histogram of each activation, and ranges chosen from it by several rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from leaf_edge.export.encoding import Encoding
from leaf_edge.export.net import Layer, Net
from leaf_edge.export.simulate import run_views

BINS = 4096
_SAMPLES = 1 << 18
"""Values of one tensor and batch that enter its histogram; minimum and maximum see all of them."""
PERCENTILE = 99.99
Rule = Literal["minmax", "percentile", "mse"]
RULES: tuple[Rule, ...] = ("minmax", "percentile", "mse")


@dataclass
class Histogram:
    """Counts over -span..span in `BINS` bins. The span doubles, pairs of bins merging, as values ask."""

    span: float = 0.0
    counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    lo: float = np.inf
    hi: float = -np.inf

    def add(self, values: NDArray[np.float32], lo: float, hi: float) -> None:
        """Adds a sample of values, and the extremes of all. Raises ValueError where these are not finite."""
        if not (np.isfinite(lo) and np.isfinite(hi)):
            raise ValueError("an activation is not finite; the student's weights are broken")
        self.lo, self.hi = min(self.lo, lo), max(self.hi, hi)
        peak = max(-lo, hi, 1e-12)
        if self.span == 0.0:
            self.span = peak
        while self.span < peak:
            merged = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.zeros(BINS)
            self.counts[BINS // 4 : BINS // 4 + len(merged)] = merged
            self.span *= 2
        index = ((values + self.span) * (BINS / (2 * self.span))).astype(np.int64)
        self.counts += np.bincount(np.clip(index, 0, BINS - 1), minlength=BINS)

    @property
    def centers(self) -> NDArray[np.float64]:
        """Middle of each bin."""
        middle: NDArray[np.float64] = (np.arange(BINS, dtype=np.float64) + 0.5) * (2 * self.span / BINS)
        return middle - self.span


@dataclass
class Observation:
    """What one calibration run saw. frames: how many frames; tensors: histogram by tensor name."""

    frames: int = 0
    tensors: dict[str, Histogram] = field(default_factory=dict)

    def ranges(self, rule: Rule, encoding: Encoding) -> Mapping[str, tuple[float, float]]:
        """(lo, hi) of each tensor by `rule`:

        minmax: all that was seen. percentile: without the outermost 0.01 % of values at each end.
        mse: the part of it whose codes give the least mean squared error of the values.
        """
        return {name: _range(h, rule, encoding) for name, h in self.tensors.items()}


def observe(net: Net, views: NDArray[np.uint8], batch: int = 8) -> Observation:
    """Runs `net` in float over calibration views [N, 2, 3, 224, 224]."""
    seen = Observation(frames=len(views))
    rng = np.random.default_rng(0)

    def probe(layer: Layer, linear: Tensor, out: Tensor) -> None:
        if layer.kind == "head":
            return
        # as it lies in memory: channels are spread evenly over any strided sample
        flat = (out.permute(0, 2, 3, 1) if out.ndim == 4 else out).numpy().reshape(-1)
        step = max(1, flat.size // _SAMPLES) | 1  # odd, so that no channel count divides it
        histogram = seen.tensors.setdefault(layer.name, Histogram())
        histogram.add(flat[rng.integers(step) :: step], float(flat.min()), float(flat.max()))

    run_views(net, views, batch=batch, probe=probe)
    return seen


def _range(h: Histogram, rule: Rule, encoding: Encoding) -> tuple[float, float]:
    if rule == "minmax":
        return h.lo, h.hi
    if rule == "percentile":
        share = np.cumsum(h.counts) / h.counts.sum()
        tail = 1 - PERCENTILE / 100
        lo = h.centers[np.searchsorted(share, tail)]
        hi = h.centers[min(int(np.searchsorted(share, 1 - tail)), BINS - 1)]
        return max(h.lo, float(min(lo, 0.0))), min(h.hi, float(max(hi, 0.0)))
    return _least_error(h, encoding)


def _least_error(h: Histogram, encoding: Encoding) -> tuple[float, float]:
    """Search over ends as shares of the extremes, coarse then fine, one end after the other."""
    used = h.counts > 0
    values, counts = h.centers[used], h.counts[used]

    def error(lo: float, hi: float) -> float:
        q = encoding.parameters(lo, hi)
        first, last = q.limits
        codes = np.clip(np.rint(values / q.scale) + q.zero_point, first, last)
        return float((counts * (values - (codes - q.zero_point) * q.scale) ** 2).sum())

    lo, hi = min(h.lo, 0.0), max(h.hi, 0.0)
    shares = np.linspace(0.3, 1.0, 29)
    if encoding.symmetric or lo == 0.0 or hi == 0.0:
        best = min(shares, key=lambda s: error(lo * s, hi * s))
        return float(lo * best), float(hi * best)
    best_lo = best_hi = 1.0
    for _ in range(2):
        best_hi = min(shares, key=lambda s: error(lo * best_lo, hi * s))
        best_lo = min(shares, key=lambda s: error(lo * s, hi * best_hi))
    return float(lo * best_lo), float(hi * best_hi)
