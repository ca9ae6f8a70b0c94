"""How far a golden frame's scores may be off, by the engine that gives them."""

from __future__ import annotations

from leaf_edge.bundle import Bundle
from leaf_edge.bundle.manifest import Tolerance

HALF = Tolerance(mos=0.15, faults=0.1)
"""Of engines that round to float16 or TF32 between INT8 layers. A value on the border of two codes then falls
the other way, and scores move without anything being wrong: on 80 photographs and the golden frames of both
shipped models the float16 graph is 0.015 MOS off the stated scores in the mean, 0.11 at most, severities
0.044 at most (docs/engines.md). What the golden frames are there to find moves them more: INT8 that saturates
by 0.34, one layer of leaf-s with twice its scale by 0.18. An engine is let into a bundle by the same limits
(export/engine_check.py)."""

BY_ENGINE = {"tensorrt": HALF, "rebuild": HALF, "cuda": HALF}
"""By name in `runtime.engines.ENGINES`. Any other engine computes as ONNX Runtime's CPU provider does, on
which golden scores are made, and gets what the bundle states."""


def golden_tolerance(bundle: Bundle, engine: str) -> Tolerance:
    """What `bundle` states, or what `engine` needs where that is more."""
    stated = bundle.manifest.golden_tolerance
    least = BY_ENGINE.get(engine)
    if least is None:
        return stated
    return Tolerance(max(stated.mos, least.mos), max(stated.faults, least.faults))
