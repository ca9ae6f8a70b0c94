"""Where the time of a frame goes, stage by stage, from the source to the calibrated score."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from leaf_edge.bench.machine import peak_memory_mib
from leaf_edge.bench.statistics import Summary
from leaf_edge.frames.frame import Frame, FrameError
from leaf_edge.runtime.scorer import Scorer

STAGES: dict[str, str] = {
    "acquire": "waiting for the source: reading and decoding; synthetic frames are in memory already",
    "views": "from the frame's pixels to the two 224x224 views",
    "inference": "the network on the two views, batch of one",
    "mapping": "from raw outputs to MOS, interval and reason",
    "total": "wall time from asking for the frame to having its score, one frame after another",
}
METRICS: dict[str, str] = {
    "mean": "sum of the times over the number of frames",
    "p50": "half of the frames took no longer (the median)",
    "p90": "nine frames in ten took no longer",
    "p99": "99 frames in 100 took no longer",
    "max": "the slowest frame that was counted",
    "frames_per_second": "1000 over the mean total: one frame at a time, nothing overlapped",
    "peak_memory_mib": "largest resident size of the whole process so far, model and Python included",
    "warmup": "frames scored first and left out: they pay for allocations and cold caches",
}


@dataclass(frozen=True)
class StageReport:
    """Times of the counted frames."""

    frames: int
    warmup: int
    stages: dict[str, Summary]  # by name in STAGES
    peak_memory_mib: float

    @property
    def frames_per_second(self) -> float:
        """One after another, from the mean total."""
        return 1000.0 / self.stages["total"].mean

    def to_dict(self) -> dict[str, Any]:
        """For JSON; times in milliseconds."""
        return {
            "frames": self.frames,
            "warmup": self.warmup,
            "stages_ms": {name: summary.to_dict() for name, summary in self.stages.items()},
            "frames_per_second": round(self.frames_per_second, 2),
            "peak_memory_mib": round(self.peak_memory_mib, 1),
        }


def time_stages(scorer: Scorer, source: Iterable[Frame], count: int, warmup: int) -> StageReport:
    """Score `warmup` frames, then up to `count` more that are timed; a source may end earlier.

    Raises FrameError where the source ends during the warm-up.
    """
    times: dict[str, list[float]] = {name: [] for name in STAGES}
    frames = iter(source)
    for number in range(warmup + count):
        begin = time.perf_counter()
        frame = next(frames, None)
        if frame is None:
            break
        acquired = time.perf_counter()
        stages = scorer.score(frame).stages
        end = time.perf_counter()
        if number < warmup:
            continue
        times["acquire"].append(1000 * (acquired - begin))
        times["views"].append(stages.views_ms)
        times["inference"].append(stages.inference_ms)
        times["mapping"].append(stages.mapping_ms)
        times["total"].append(1000 * (end - begin))
    counted = len(times["total"])
    if counted == 0:
        raise FrameError(
            f"the source ended within the {warmup} warm-up frames; give a longer one or a smaller --warmup"
        )
    return StageReport(
        counted, warmup, {name: Summary.of(values) for name, values in times.items()}, peak_memory_mib()
    )
