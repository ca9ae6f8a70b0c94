"""How far golden scores may be off on each kind of engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from leaf_edge.bundle import Bundle, BundleCode, BundleError, load_bundle, locate
from leaf_edge.bundle.manifest import Tolerance
from leaf_edge.runtime.engine import OnnxEngine, RawOutputs
from leaf_edge.runtime.scorer import Scorer, run_self_test
from leaf_edge.runtime.tolerance import HALF, golden_tolerance


class Shifted:
    """The network with raw quality and severities moved, as another arithmetic moves them."""

    name, description, threads = "shifted", "ONNX Runtime, shifted", 1

    def __init__(self, model: bytes, raw: float = 0.0, faults: float = 0.0) -> None:
        self._engine, self._raw, self._faults = OnnxEngine(model), np.float32(raw), np.float32(faults)

    def __call__(self, views: NDArray[np.uint8]) -> RawOutputs:
        mos, spread, faults = self._engine(views)
        return RawOutputs(mos + self._raw, spread, faults + self._faults)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(locate("leaf-s"))


def raw_for(bundle: Bundle, mos: float) -> float:
    """By how much raw quality moves where the first golden frame's MOS rises by `mos`."""
    encoding, score = bundle.encoding("trt"), bundle.manifest.golden[0].scores["trt"]
    return float(np.interp(score.mos + mos, encoding.curve.mos, encoding.curve.raw)) - score.raw


def test_engines_of_float16_get_more_room_and_no_other(bundle: Bundle) -> None:
    stated = bundle.manifest.golden_tolerance
    assert golden_tolerance(bundle, "cpu") == golden_tolerance(bundle, "") == stated
    for engine in ("tensorrt", "rebuild", "cuda"):
        assert golden_tolerance(bundle, engine) == HALF
    assert stated.mos < HALF.mos and stated.faults <= HALF.faults


def test_a_bundle_that_states_more_keeps_it(bundle: Bundle) -> None:
    wide = replace(bundle, manifest=replace(bundle.manifest, golden_tolerance=Tolerance(0.4, 0.05)))
    assert golden_tolerance(wide, "tensorrt") == Tolerance(0.4, HALF.faults)
    assert golden_tolerance(wide, "cpu") == Tolerance(0.4, 0.05)


@pytest.mark.parametrize("engine", ["cpu", "tensorrt"])
@pytest.mark.parametrize("mos", [0.0, 0.12, 0.18])
def test_what_float16_moves_passes_on_tensorrt_alone_and_saturation_nowhere(
    bundle: Bundle, engine: str, mos: float
) -> None:
    """0.18 MOS is what one layer with twice its scale moves, less than what sums that saturate do."""
    encoding = bundle.encoding("trt")
    scorer = Scorer(Shifted(bundle.model("trt"), raw_for(bundle, mos)), encoding, engine=engine)
    if mos == 0.0 or (engine == "tensorrt" and mos == 0.12):
        run_self_test(scorer, bundle, "trt")
        return
    with pytest.raises(BundleError, match="scores MOS") as caught:
        run_self_test(scorer, bundle, "trt")
    assert caught.value.code is BundleCode.SELF_TEST


def test_severities_have_their_own_limit(bundle: Bundle) -> None:
    encoding = bundle.encoding("trt")
    strict = replace(bundle.manifest, golden_tolerance=Tolerance(0.1, 0.05))
    bundle = replace(bundle, manifest=strict)
    for engine, faults, passes in (("cpu", 0.07, False), ("tensorrt", 0.07, True), ("tensorrt", 0.12, False)):
        scorer = Scorer(Shifted(bundle.model("trt"), faults=faults), encoding, engine=engine)
        if passes:
            run_self_test(scorer, bundle, "trt")
        else:
            with pytest.raises(BundleError, match=r"expected .* within"):
                run_self_test(scorer, bundle, "trt")
