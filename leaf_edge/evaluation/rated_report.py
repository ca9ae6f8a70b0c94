"""Models against a rated set: predictions, agreement as a whole and per subset, and both as files."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.datasets.rated import RatedSample, RatedSetError, by_subset
from leaf_edge.evaluation.metrics import Measures, measure
from leaf_edge.evaluation.model import Model, Quality
from leaf_edge.frames import read_image
from leaf_edge.views import make_views

_CHUNK = 64
"""Pictures whose views are in memory at once (0.3 MB each)."""
_LEAST = 2
CSV_COLUMNS = (
    *("model", "file", "mos", "predicted", "mos_lo", "mos_hi", "label", "deviation"),
    *("subset", "group", "split"),
)


@dataclass(frozen=True)
class Settings:
    """Of `leaf_edge.evaluation.metrics.measure`: parameters of the fit, resamples, confidence, seed."""

    parameters: int = 4
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0


def predict(
    models: Sequence[Model],
    samples: Sequence[RatedSample],
    on_picture: Callable[[int], None] = lambda done: None,
) -> list[Quality]:
    """Quality of all samples by each model; each picture is read once.

    on_picture: told how many pictures are done. Raises as `read_image` for one that cannot be read.
    """
    parts: list[list[Quality]] = [[] for _ in models]
    for start in range(0, len(samples), _CHUNK):
        views = []
        for i, sample in enumerate(samples[start : start + _CHUNK], start=start + 1):
            views.append(make_views(read_image(sample.path)))
            on_picture(i)
        batch = np.stack(views)
        for model, found in zip(models, parts, strict=True):
            found.append(model(batch))
    return [_joined(found) for found in parts]


def _joined(parts: Sequence[Quality]) -> Quality:
    def ends(values: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
        known = [value for value in values if value is not None]
        return np.concatenate(known) if len(known) == len(values) else None

    return Quality(
        np.concatenate([p.mos for p in parts]),
        np.concatenate([p.faults for p in parts]),
        ends([p.low for p in parts]),
        ends([p.high for p in parts]),
        parts[0].coverage,
    )


def compare(quality: Quality, samples: Sequence[RatedSample], settings: Settings) -> dict[str, Measures]:
    """Agreement of a model with people: `all`, then each subset of two pictures or more by name.

    Raises `RatedSetError` where fewer than two pictures are rated.
    """
    if len(samples) < _LEAST:
        raise RatedSetError(f"{len(samples)} rated picture; agreement needs {_LEAST} or more")
    chosen = {"all": list(range(len(samples)))}
    subsets = by_subset(samples)
    if len(subsets) > 1:
        chosen |= {name: rows for name, rows in subsets.items() if len(rows) >= _LEAST}
    return {name: _measure(quality, samples, np.array(rows), settings) for name, rows in chosen.items()}


def _measure(
    quality: Quality, samples: Sequence[RatedSample], rows: NDArray[np.intp], settings: Settings
) -> Measures:
    taken = [samples[i] for i in rows]
    ends = None if quality.low is None or quality.high is None else (quality.low[rows], quality.high[rows])
    return measure(
        quality.mos[rows],
        [s.mos for s in taken],
        deviations=[math.nan if s.deviation is None else s.deviation for s in taken],
        groups=[s.group for s in taken],
        intervals=ends,
        parameters=settings.parameters,
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )


NUMBERS = ("srcc", "plcc", "plcc_fitted", "krcc", "rmse", "rmse_fitted", "outlier_ratio", "coverage")
"""Numbers of `Measures`, in the order of tables."""


def as_json(found: Measures) -> dict[str, Any]:
    """Plain values: each number, `intervals` with its ends, the fit, counts, notes. NaN becomes None."""
    estimates = {name: getattr(found, name) for name in NUMBERS if getattr(found, name) is not None}
    return {
        **{name: _finite(estimate.value) for name, estimate in estimates.items()},
        "interval_width": found.width,
        "pictures": found.pictures,
        "groups": found.groups,
        "intervals": {
            name: [_finite(e.low), _finite(e.high)] for name, e in estimates.items() if math.isfinite(e.low)
        },
        "fit": found.fit.kind,
        "notes": list(found.notes),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write_predictions(
    path: Path, names: Sequence[str], qualities: Sequence[Quality], samples: Sequence[RatedSample]
) -> None:
    """A CSV (`CSV_COLUMNS`) with a row for each model and picture; whole or not at all. Raises OSError."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_COLUMNS)
            for name, quality in zip(names, qualities, strict=True):
                for i, sample in enumerate(samples):
                    ends = (None if end is None else f"{end[i]:.4f}" for end in (quality.low, quality.high))
                    writer.writerow(
                        [
                            *(name, sample.path, f"{sample.mos:.4f}", f"{quality.mos[i]:.4f}", *ends),
                            f"{sample.label:.6g}",
                            None if sample.deviation is None else f"{sample.deviation:.4f}",
                            *(sample.subset, sample.group, sample.split),
                        ]
                    )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
