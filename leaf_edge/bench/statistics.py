"""The figures that a list of times comes down to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """Of one stage over all counted frames, in milliseconds."""

    mean: float
    p50: float
    p90: float
    p99: float
    max: float
    min: float

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Summary:
        """Percentiles interpolate linearly between ranks. Raises ValueError for no times at all."""
        if not times_ms:
            raise ValueError("no times to summarise")
        values = np.asarray(times_ms, np.float64)
        p50, p90, p99 = np.percentile(values, (50, 90, 99))
        return cls(*map(float, (values.mean(), p50, p90, p99, values.max(), values.min())))

    def to_dict(self) -> dict[str, float]:
        """By field name, rounded to 0.1 microseconds."""
        return {name: round(value, 4) for name, value in asdict(self).items()}
