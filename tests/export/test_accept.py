"""On which engine the encoding for TensorRT is accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from export_inputs import rated, scenes, tiny_student
from numpy.typing import NDArray

from leaf_edge.bundle import BundleCode, BundleError
from leaf_edge.export import Budgets, BuildOptions, RefusedError, build_bundle
from leaf_edge.export import build as build_module
from leaf_edge.export.accept import ENGINE, EngineRefusedError, opener_of, trt_opener
from leaf_edge.export.engine_check import run_exactly
from leaf_edge.export.engine_options import BuildError, DeviceError
from leaf_edge.export.quantize import quantized_model
from leaf_edge.runtime import tensorrt_engine
from leaf_edge.runtime.engine import RawOutputs
from leaf_edge.runtime.preflight import NoDriver, TensorRT, probe_driver

LOOSE = Budgets(*[5.0] * 8)
PACKAGE = TensorRT("10.3.0", "full", 12)


@pytest.fixture
def no_driver() -> NoDriver:
    found = probe_driver()
    if not isinstance(found, NoDriver):
        pytest.skip("this machine has a driver")
    return found


@pytest.fixture(scope="module")
def sets() -> tuple[Any, dict[str, Any]]:
    student = tiny_student()
    return student, {
        "calibration": scenes(20, seed=1),
        "fit": rated(student, 30, seed=2),
        "validation": rated(student, 30, seed=3),
    }


def test_without_a_driver_onnx_runtime_accepts_and_that_is_said_once(
    no_driver: NoDriver, sets: Any, tmp_path: Path
) -> None:
    said: list[str] = []
    options = BuildOptions(budgets=LOOSE)
    _, report = build_bundle(sets[0], tmp_path / "t.leaf", **sets[1], options=options, say=said.append)
    assert report.engines["trt"].startswith("ONNX Runtime")
    card = (tmp_path / "t.leaf" / "card.md").read_text()
    assert "Checked on: `cpu` on ONNX Runtime" in card and "`trt` on ONNX Runtime" in card
    lines = [line for line in said if "not on TensorRT" in line]
    assert len(lines) == 1 and no_driver.reason in lines[0]


def test_tensorrt_alone_is_refused_without_a_driver_before_any_work(
    no_driver: NoDriver, sets: Any, tmp_path: Path
) -> None:
    said: list[str] = []
    options = BuildOptions(accept_on="tensorrt")
    with pytest.raises(DeviceError, match="no engine can be built here"):
        build_bundle(sets[0], tmp_path / "t.leaf", **sets[1], options=options, say=said.append)
    assert list(tmp_path.iterdir()) == [] and not any("observed" in line for line in said)


def test_onnx_runtime_by_name_asks_for_nothing() -> None:
    said: list[str] = []
    assert trt_opener("onnxruntime", said.append) is None and said == []
    with pytest.raises(ValueError, match="expected one of: auto, tensorrt, onnxruntime"):
        trt_opener("trt")


class OnCpu:
    """In the place of the engine on the device: the float16 graph, operator by operator, on the processor."""

    description = "TensorRT 10.3.0, a processor"
    live = 0

    def __init__(self, plan: bytes, package: TensorRT) -> None:
        assert package is PACKAGE
        self._model = onnx.load_from_string(plan)
        OnCpu.live += 1

    def __call__(self, views: NDArray[np.uint8]) -> RawOutputs:
        return RawOutputs(**run_exactly(self._model, views))

    def close(self) -> None:
        OnCpu.live -= 1


def test_the_engine_gets_the_float16_graph_and_its_outputs_are_what_is_accepted(
    sets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorrt_engine, "TensorrtEngine", OnCpu)
    networks: list[bytes] = []
    tried: list[bytes] = []

    def build(network: bytes) -> bytes:
        networks.append(network)
        return network

    opener = opener_of(build, PACKAGE, trial=lambda plan, package: tried.append(plan))
    monkeypatch.setattr(build_module, "trt_opener", lambda accept_on, say: opener)
    never = replace(LOOSE, mos_mean=0.0)
    with pytest.raises(RefusedError) as caught:
        build_bundle(
            sets[0], tmp_path / "t.leaf", **sets[1], options=BuildOptions(budgets=never, most_float=1)
        )
    report = caught.value.report
    assert report.engines["trt"] == "TensorRT 10.3.0, a processor, float16 between INT8 layers"
    assert report.engines["cpu"].startswith("ONNX Runtime")
    assert tried == networks and len(networks) == 2  # as quantised, and with a layer in float
    assert OnCpu.live == 1  # the engine before was closed
    kinds = {t.data_type for t in onnx.load_from_string(networks[0]).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds
    rows = {(row.engine, row.against): row for row in report.parity.rows}
    assert rows["trt", "onnx"].mos_mean > 0


def refuse(*words: Any) -> Any:
    raise BuildError("TensorRT did not build the engine: no kernels")


def broken(*words: Any) -> None:
    raise BundleError(BundleCode.ENGINE_PLAN, "TensorRT refuses the plan")


@pytest.mark.parametrize(
    ("build", "trial", "reason"),
    [(refuse, lambda *words: None, "no kernels"), (lambda network: network, broken, "refuses the plan")],
)
def test_an_engine_that_cannot_be_built_or_loaded_refuses_the_export(
    observed: Any, build: Any, trial: Any, reason: str
) -> None:
    from leaf_edge.export import TRT
    from leaf_edge.export.encoding import make_plan

    model = quantized_model(observed.net, make_plan(observed.net, TRT, observed.seen.ranges("mse", TRT)))
    with pytest.raises(EngineRefusedError, match=reason) as caught:
        opener_of(build, PACKAGE, trial=trial)(model)
    assert caught.value.code == ENGINE
