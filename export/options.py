"""What the caller of an export gives and wishes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leaf_edge.calibration.frames import MIN_COVERAGE
from leaf_edge.export.parity import Budgets


@dataclass(frozen=True)
class Rated:
    """views: uint8 [N, 2, 3, 224, 224]. mos: human MOS [N], 1..5. names: of the frames for people, [N] or
    none."""

    views: NDArray[np.uint8]
    mos: NDArray[np.float64]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildOptions:
    """threshold: MOS at which flips are counted, by default several (`compare`). coverage: of the interval.
    keep_float: layers that stay in float in both encodings. most_float: how many more an encoding
    that fails may keep, by measured gain; 0 refuses at once. qat: steps of quantisation-aware fine-tuning
    for an encoding that fails, before layers are kept in float; 0 does none. min_coverage: share of
    validation frames with a calibration frame like them (`calibration.likeness`). accept_anyway: writes the
    bundle where it would be refused, and marks it. accept_on: the engine of the `trt` encoding, `auto`,
    `tensorrt` or `onnxruntime` (`accept.trt_opener`). sensitivity: measures every layer (`layer_costs`), for
    the report. overwrite: an existing bundle."""

    budgets: Budgets = field(default_factory=Budgets)
    threshold: float | None = None
    coverage: float = 0.9
    keep_float: tuple[str, ...] = ()
    most_float: int = 4
    qat: int = 0
    min_coverage: float = MIN_COVERAGE
    accept_anyway: bool = False
    accept_on: str = "auto"
    sensitivity: bool = False
    overwrite: bool = False
