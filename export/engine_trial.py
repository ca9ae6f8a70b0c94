"""A new engine on its device: the golden frames before it goes into the bundle."""

from __future__ import annotations

import numpy as np

from leaf_edge.bundle.load import Bundle
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.export.engine_check import change
from leaf_edge.export.engine_options import VERSION_COMPATIBLE, BuildError
from leaf_edge.extras import MissingExtraError
from leaf_edge.runtime.engine_fit import dla_core
from leaf_edge.runtime.preflight import TensorRT
from leaf_edge.views import make_views


def engine_line(bundle: Bundle, plan: bytes, entry: EngineEntry, package: TensorRT, device: int) -> str:
    """One line on how the engine scores the golden frames, against the scores that the bundle states.

    Loaded first in a process of its own, then here, and run. Says that it was not run where pycuda is missing
    or the bundle has no golden frame. Raises `BuildError` where the scores are too far off,
    `BundleError` ENGINE_PLAN where the plan cannot be loaded or run.
    """
    from leaf_edge.runtime.plan_trial import try_plan
    from leaf_edge.runtime.tensorrt_engine import TensorrtEngine

    # the plan was made here a moment ago: the code that a version-compatible one carries is TensorRT's own
    host_code, dla = VERSION_COMPATIBLE in entry.flags, dla_core(entry)
    try_plan(plan, package, host_code=host_code, device=device, dla=dla)
    frames = bundle.manifest.golden
    if not frames:
        return "the engine was loaded; it was not run: the bundle has no golden frame"
    views = np.stack([make_views(frame.frame(bundle.contents[frame.file])) for frame in frames])
    try:
        engine = TensorrtEngine(plan, package, host_code=host_code, device=device, dla=dla)
    except MissingExtraError as error:
        return f"the engine was loaded; it was not run: {error}"
    scores = [frame.scores["trt"] for frame in frames]
    stated = {
        "mos": np.array([score.raw for score in scores], np.float32),
        "faults": np.array([score.faults for score in scores], np.float32),
    }
    found = engine(views)._asdict()
    moved = change("the engine, against the bundle's golden scores,", bundle, stated, found)
    if not moved.within:
        raise BuildError(f"{moved.line()}; it is not put into the bundle")
    return moved.line()
