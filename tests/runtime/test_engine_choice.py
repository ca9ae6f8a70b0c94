"""The caller's list of engines: what runs, what is passed over, and that nothing takes the host down."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import host_tensorrt
import pytest
from driver_stub import WORKING, build_driver
from helpers_bundle import tiny_model

import leaf_edge
from leaf_edge.bundle import Bundle, BundleCode, BundleError, load_bundle
from leaf_edge.bundle.engines import with_engine
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.frames import ColorRange, Frame, PixelFormat
from leaf_edge.runtime import engines, preflight
from leaf_edge.runtime.engine import OnnxEngine, RawOutputs, TimedOutputs
from leaf_edge.runtime.engines import choose_engine, open_tensorrt, parse_engines
from leaf_edge.runtime.plan_trial import try_plan
from leaf_edge.runtime.preflight import Device, Driver, NoDriver, TensorRT, os_name
from leaf_edge.runtime.scorer import Scorer, from_bundle

DRIVER = Driver((12, 6), (Device("Orin", (8, 7), 1 << 33),))
FRAME = Frame.from_bytes(bytes([200]) * (64 * 48), PixelFormat.GRAY8, 64, 48, ColorRange.FULL)


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "probe_driver", lambda: NoDriver("there is no driver"))


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return load_bundle(tiny_bundle)


def with_plan(bundle: Bundle, *flags: str, sm: str = "sm87", plan: bytes = b"not a plan") -> Bundle:
    return with_engine(bundle, EngineEntry("engines/a.plan", "10.3.0", sm, os_name(), flags), plan)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cpu", ("cpu",)),
        ("tensorrt,rebuild,cuda,cpu", ("tensorrt", "rebuild", "cuda", "cpu")),
        (" TensorRT , cpu ", ("tensorrt", "cpu")),
        (("cuda", "cpu"), ("cuda", "cpu")),
    ],
)
def test_a_list_of_engines_is_read_in_its_order(text: str, names: tuple[str, ...]) -> None:
    assert parse_engines(text) == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no engine is named"),
        ((), "no engine is named"),
        (",", "no engine is named"),
        ("gpu", "'gpu' is not an engine"),
        ("cpu,", "'' is not an engine"),
        ("cpu,tensorrt,cpu", "cpu is named twice"),
    ],
)
def test_a_wrong_list_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_engines(text)


def test_the_default_is_the_cpu_and_asks_no_driver(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines, "probe_driver", lambda: pytest.fail("the driver was asked"))
    scorer = leaf_edge.load(tiny_bundle, self_test=True)
    assert scorer.engine == "cpu"
    assert "CPUExecutionProvider" in scorer.engine_description
    assert not caplog.records


def test_what_is_passed_over_is_said_once_each_in_order(no_driver: None, tiny_bundle: Path) -> None:
    lines: list[str] = []
    scorer = leaf_edge.load(tiny_bundle, engines="tensorrt,rebuild,cuda,cpu", notice=lines.append)
    assert scorer.engine == "cpu"
    assert [line.split()[1] for line in lines] == ["tensorrt", "rebuild", "cuda"]
    for line in lines:
        assert "LEAF_E_DEVICE_NO_DRIVER: there is no driver" in line and "\n" not in line
    plain = leaf_edge.load(tiny_bundle)
    assert scorer.score(FRAME).mos == plain.score(FRAME).mos


def test_without_a_listener_it_is_a_warning_of_logging(
    no_driver: None, tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leaf_edge.load(tiny_bundle, engines=("tensorrt", "cpu"))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "engine tensorrt is passed over: LEAF_E_DEVICE_NO_DRIVER" in record.getMessage()


def test_engines_after_the_one_that_runs_are_not_tried(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "probe_driver", lambda: pytest.fail("the driver was asked"))
    assert leaf_edge.load(tiny_bundle, engines="cpu,tensorrt").engine == "cpu"


def test_where_nothing_can_run_one_error_has_all_reasons(no_driver: None, bundle: Bundle) -> None:
    lines: list[str] = []
    with pytest.raises(BundleError) as caught:
        choose_engine(bundle, "tensorrt,cuda", notice=lines.append)
    assert caught.value.code is BundleCode.DEVICE_NO_DRIVER
    text = str(caught.value)
    assert "tensorrt: LEAF_E_DEVICE_NO_DRIVER" in text and "cuda: LEAF_E_DEVICE_NO_DRIVER" in text
    assert not lines


def test_an_engine_that_is_asked_for_alone_raises_its_own_error(bundle: Bundle) -> None:
    found = with_plan(bundle, sm="sm90")
    with pytest.raises(BundleError) as caught:
        open_tensorrt(found, driver=DRIVER, packages=[TensorRT("10.3.0", "full", 12)])
    assert caught.value.code is BundleCode.ENGINE_SM


def test_onnx_runtime_without_its_cuda_provider_says_so(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has the CUDA provider")
    monkeypatch.setattr(engines, "probe_driver", lambda: DRIVER)
    with pytest.raises(BundleError) as caught:
        choose_engine(bundle, "cuda")
    assert caught.value.code is BundleCode.DEVICE_NO_PROVIDER
    assert "CPUExecutionProvider" in caught.value.message


def test_a_plan_that_holds_code_needs_a_verified_signature(bundle: Bundle) -> None:
    found = with_plan(bundle, "version_compatible")
    with pytest.raises(BundleError) as caught:
        open_tensorrt(found, driver=DRIVER, packages=[TensorRT("10.4.0", "full", 12)])
    assert caught.value.code is BundleCode.ENGINE_UNVERIFIED


def test_a_rebuild_needs_the_full_tensorrt(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "probe_driver", lambda: DRIVER)
    monkeypatch.setattr(engines, "tensorrt_available", lambda driver: TensorRT("10.3.0", "lean", 12))
    with pytest.raises(BundleError) as caught:
        choose_engine(bundle, "rebuild")
    assert caught.value.code is BundleCode.DEVICE_NO_TENSORRT


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("BuildError", BundleCode.ENGINE_PLAN),
        ("DeviceError", BundleCode.DEVICE_NO_DRIVER),
        ("MissingExtraError", BundleCode.DEVICE_NO_TENSORRT),
    ],
)
def test_a_rebuild_that_fails_is_passed_over_with_the_builders_reason(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, kind: str, code: BundleCode
) -> None:
    from leaf_edge.export import engine_build

    def build(found: Bundle, *_: object, **more: object) -> None:
        assert found is bundle and more["device"] == 0
        raise getattr(engine_build, kind)("why not")

    monkeypatch.setattr(engine_build, "build", build)
    monkeypatch.setattr(engines, "probe_driver", lambda: DRIVER)
    monkeypatch.setattr(engines, "tensorrt_available", lambda driver: TensorRT("10.3.0", "full", 12))
    monkeypatch.setattr(Bundle, "encoding", lambda self, name: self.manifest.encodings["cpu"])
    monkeypatch.setitem(sys.modules, "pycuda", type(sys)("pycuda"))
    monkeypatch.setitem(sys.modules, "pycuda.driver", host_tensorrt.pycuda_driver())
    lines: list[str] = []
    assert choose_engine(bundle, "rebuild,cpu", notice=lines.append).name == "cpu"
    assert "an engine for TensorRT 10.3.0 is built now" in lines[0]
    assert f"{code.value}: " in lines[1] and "why not" in lines[1]
    assert host_tensorrt._Context.depth == 0


FAKE = """
import os, sys
__version__ = "10.3.0.26"
class Logger:
    ERROR = 1
    def __init__(self, level): pass
class Runtime:
    def __init__(self, logger): pass
    def deserialize_cuda_engine(self, plan):
        {body}
"""
"""Stands in for a TensorRT that meets a plan which it cannot stand."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a driver that answers and a package `tensorrt`, whose folder this is."""
    build_driver(tmp_path, WORKING)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setattr(preflight, "_probed", {})
    folder = tmp_path / "site" / "tensorrt"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    return folder


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("os.abort()", "crashed (signal 6)"),
        ("os._exit(0)", "ended the process"),
        ("return None", "TensorRT refuses the plan"),
        ("raise RuntimeError('bad plan')", "bad plan"),
        ("print('no magic', file=sys.stderr)", "no magic"),
    ],
)
def test_a_plan_that_tensorrt_crashes_on_is_passed_over(
    machine: Path, bundle: Bundle, body: str, reason: str
) -> None:
    (machine / "__init__.py").write_text(FAKE.format(body=body))
    lines: list[str] = []
    choice = choose_engine(with_plan(bundle), "tensorrt,cpu", notice=lines.append)
    assert choice.name == "cpu"
    (line,) = lines
    assert "LEAF_E_ENGINE_PLAN" in line and reason in line
    assert "tensorrt" not in sys.modules


def test_a_plan_for_another_device_never_reaches_tensorrt(machine: Path, bundle: Bundle) -> None:
    (machine / "__init__.py").write_text('__version__ = "10.3.0"\nimport os\nos.abort()\n')
    lines: list[str] = []
    found = with_plan(bundle, sm="sm72")
    assert choose_engine(found, "tensorrt,cpu", notice=lines.append).name == "cpu"
    assert "LEAF_E_ENGINE_SM" in lines[0]


def test_a_plan_that_loads_in_the_child_passes_the_trial(machine: Path) -> None:
    body = "assert plan == b'plan'; return self\n    def create_execution_context(self): return self"
    (machine / "__init__.py").write_text(FAKE.format(body=body))
    try_plan(b"plan", TensorRT("10.3.0", "full", 12))
    with pytest.raises(BundleError, match="AssertionError"):
        try_plan(b"other", TensorRT("10.3.0", "full", 12))


def test_a_real_lean_runtime_that_gets_a_broken_plan_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean = [package for package in preflight.installed_tensorrt() if package.kind == "lean"]
    if not lean:
        pytest.skip("needs tensorrt_lean (pip install tensorrt-lean-cu12)")
    build_driver(tmp_path, WORKING)  # answers, but runs nothing: TensorRT crashes
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with pytest.raises(BundleError) as caught:
        try_plan(bytes(5000), lean[0])
    assert caught.value.code is BundleCode.ENGINE_PLAN


class _FrameEngine:
    name, description, threads = "tensorrt", "makes its own views", 1

    def __init__(self) -> None:
        self._engine = OnnxEngine(tiny_model())

    def __call__(self, views: object) -> RawOutputs:
        raise AssertionError("frames go to score_frame")

    def score_frame(self, frame: Frame, roi: object = None) -> TimedOutputs:
        from leaf_edge.views import make_views

        return TimedOutputs(self._engine(make_views(frame)[None]), 1.25, 2.5)


def test_a_scorer_hands_frames_to_an_engine_that_takes_them(bundle: Bundle) -> None:
    scorer = Scorer(_FrameEngine(), bundle.encoding("cpu"), engine="rebuild")
    score = scorer.score(FRAME)
    assert score.mos == from_bundle(bundle).score(FRAME).mos
    assert (score.stages.views_ms, score.stages.inference_ms) == (1.25, 2.5)
    assert scorer.engine == "rebuild"


@pytest.mark.parametrize("verb", ["score", "gate", "bench"])
def test_the_command_line_takes_engines(
    verb: str, no_driver: None, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from leaf_edge.cli.main import main

    source = tmp_path / "grey.raw"
    source.write_bytes(bytes(64 * 48) * 3)
    raw = [str(source), "--format", "gray8", "--size", "64x48", "--model", str(tiny_bundle)]
    raw += ["--frames", "1", "--warmup", "0"] if verb == "bench" else []
    assert main([verb, *raw, "--engine", "tensorrt,cpu"]) == 0
    assert "engine tensorrt is passed over: LEAF_E_DEVICE_NO_DRIVER" in capsys.readouterr().err
    assert main([verb, *raw, "--engine", "tensorrt"]) == 9
    assert capsys.readouterr().err.count("\n") == 1
    assert main([verb, *raw, "--engine", "gpu"]) == 2
    assert "expected some of: tensorrt, rebuild, cuda, cpu" in capsys.readouterr().err
