"""Any student as one function of views, for evaluation: a bundle's INT8 network or a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import MOS_MAX, MOS_MIN, OUTPUT_NAMES
from leaf_edge.extras import require
from leaf_edge.runtime.scorer import load

_BATCH = 16


class Quality(NamedTuple):
    """mos: float64 [N], 1 to 5 (of a checkpoint: raw quality on that scale, not calibrated, not
    clipped). faults: float64 [N, 8] severities. low, high: ends of the MOS interval, [N] each, that
    should hold the share `coverage` of MOS; None where the model gives no interval."""

    mos: NDArray[np.float64]
    faults: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    coverage: float | None = None


class Model(Protocol):
    """Quality of views uint8 [N, 2, 3, 224, 224]."""

    name: str
    reason_threshold: float

    def __call__(self, views: NDArray[np.uint8]) -> Quality: ...


class BundleModel:
    """A bundle as the runtime scores with it. Raises as `leaf_edge.load`."""

    def __init__(self, model: str | Path, encoding: str = "cpu", threads: int = 2) -> None:
        self._scorer = load(model, encoding=encoding, threads=threads)
        self.name = f"{model} ({encoding})"
        self.reason_threshold = self._scorer.reason_threshold

    def __call__(self, views: NDArray[np.uint8]) -> Quality:
        encoding = self._scorer.encoding
        mos, faults, ends = [], [], []
        for i in range(0, len(views), _BATCH):
            outputs = self._scorer.score_views(views[i : i + _BATCH])
            mos.append(encoding.curve(outputs.mos))
            faults.append(outputs.faults)
            ends += [
                encoding.interval(float(m), float(s)) for m, s in zip(mos[-1], outputs.spread, strict=True)
            ]
        low, high = np.array(ends, np.float64).T
        return Quality(
            np.concatenate(mos).astype(np.float64),
            np.concatenate(faults).astype(np.float64),
            low,
            high,
            encoding.interval.coverage,
        )


class CheckpointModel:
    """A student in float32. Raises MissingExtraError without torch, ValueError for another file."""

    def __init__(self, path: Path) -> None:
        self._torch = require("torch", "train")
        from leaf_edge.student.network import load_checkpoint

        self._student = load_checkpoint(path)
        self.name = str(path)
        self.reason_threshold = 0.3

    def __call__(self, views: NDArray[np.uint8]) -> Quality:
        parts = []
        with self._torch.inference_mode():
            for i in range(0, len(views), _BATCH):
                outputs = self._student(self._torch.from_numpy(views[i : i + _BATCH]))
                parts.append(dict(zip(OUTPUT_NAMES, (o.numpy() for o in outputs), strict=True)))
        raw = np.concatenate([p["mos"] for p in parts]).astype(np.float64)
        faults = np.concatenate([p["faults"] for p in parts]).astype(np.float64)
        return Quality(MOS_MIN + raw * (MOS_MAX - MOS_MIN), faults)


def open_model(model: str) -> Model:
    """`leaf-s`, `leaf-m`, a bundle's path, or a checkpoint (NAME.pt)."""
    return CheckpointModel(Path(model)) if model.endswith(".pt") else BundleModel(model)
