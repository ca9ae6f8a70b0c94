"""The TensorRT engine: its own work over a driver on this processor, and the real thing where a GPU is."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import host_tensorrt
import numpy as np
import pytest
from helpers_bundle import tiny_model
from numpy.typing import NDArray

from leaf_edge.bundle import BundleCode, BundleError, load_bundle, locate
from leaf_edge.frames import ColorMatrix, ColorRange, Frame, FrameError, PixelFormat, Roi
from leaf_edge.runtime import cuda_driver, tensorrt_engine
from leaf_edge.runtime.cuda_driver import CudaDriver, CudaError
from leaf_edge.runtime.cuda_graphs import GRAPHS
from leaf_edge.runtime.engine import OnnxEngine, RawOutputs
from leaf_edge.runtime.preflight import NoDriver, NoTensorRT, TensorRT, probe_driver, tensorrt_available
from leaf_edge.runtime.tensorrt_engine import TensorrtEngine, stream_handle
from leaf_edge.views import make_views

ROOT = Path(__file__).parents[2]
PACKAGE = TensorRT("10.3.0", "full", 12)
LIVE, CAPTURES, REPLAYS, KERNELS = range(4)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler to make a driver")
    path = tmp_path_factory.mktemp("driver") / "libhostcuda.so"
    source = Path(__file__).with_name("host_driver.cpp")
    options = ["-O2", "-std=c++17", "-w", "-shared", "-fPIC", "-I", str(ROOT / "runtime" / "cuda")]
    subprocess.run([compiler, *options, "-o", path, source], check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture
def machine(library: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ctypes.CDLL]:
    """A machine where driver, pycuda, TensorRT and the kernel's fatbin seem to be there."""
    driver = host_tensorrt.pycuda_driver()
    monkeypatch.setitem(sys.modules, "pycuda", type(sys)("pycuda"))
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    monkeypatch.setitem(sys.modules, "tensorrt", host_tensorrt.tensorrt(library))
    monkeypatch.setattr(tensorrt_engine, "CudaDriver", lambda: CudaDriver(library._name))
    fatbin = tmp_path / "views.fatbin"
    fatbin.write_bytes(b"host")
    monkeypatch.setenv("LEAF_VIEWS_FATBIN", str(fatbin))
    yield library
    library.host_refuse_capture(0)
    assert host_tensorrt._Context.depth == 0


def grey(level: int, width: int = 64, height: int = 48) -> Frame:
    data = bytes([level]) * (width * height)
    return Frame.from_bytes(data, PixelFormat.GRAY8, width, height, ColorRange.FULL)


def same(found: RawOutputs, expected: RawOutputs) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def on_cpu(*frames: Frame) -> RawOutputs:
    return OnnxEngine(tiny_model())(np.stack([make_views(frame) for frame in frames]))


def test_a_frame_gives_what_its_views_give(machine: ctypes.CDLL) -> None:
    engine = TensorrtEngine(b"1-4", PACKAGE)
    assert engine.device_views and "this processor" in engine.description
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, 90 * 61 * 2 + 90 * 62, np.uint8).tobytes()[: 90 * 61 + 90 * 31]
    frame = Frame.from_bytes(data, PixelFormat.NV12, 90, 61, ColorRange.LIMITED, ColorMatrix.BT601)
    kernels = machine.host_count(KERNELS)
    found = engine.score_frame(frame)
    assert same(found.outputs, on_cpu(frame))
    assert found.views_ms >= 0 and found.inference_ms > 0
    assert machine.host_count(KERNELS) == kernels + 1
    roi = Roi(3, 5, 41, 37)
    expected = OnnxEngine(tiny_model())(make_views(frame, roi)[None])
    assert same(engine.score_frame(frame, roi).outputs, expected)
    with pytest.raises(FrameError):
        engine.score_frame(frame, Roi(0, 0, 91, 1))


def test_a_geometry_is_captured_once_and_replayed(machine: ctypes.CDLL) -> None:
    engine = TensorrtEngine(b"1-1", PACKAGE)
    captures, replays = machine.host_count(CAPTURES), machine.host_count(REPLAYS)
    for level in (10, 20, 30):
        assert same(engine.score_frame(grey(level)).outputs, on_cpu(grey(level)))
    assert machine.host_count(CAPTURES) == captures + 1
    assert machine.host_count(REPLAYS) == replays + 3
    plain = TensorrtEngine(b"1-1", PACKAGE, graph=False)
    assert same(plain.score_frame(grey(30)).outputs, engine.score_frame(grey(30)).outputs)
    assert machine.host_count(REPLAYS) == replays + 4


def test_graphs_are_bounded_and_freed(machine: ctypes.CDLL) -> None:
    engine = TensorrtEngine(b"1-1", PACKAGE)
    before = machine.host_count(LIVE)
    engine.score_frame(grey(1, 128, 128))  # the largest first: its buffer serves the others
    for width in range(1, GRAPHS + 4):
        assert same(engine.score_frame(grey(9, width)).outputs, on_cpu(grey(9, width)))
        assert machine.host_count(LIVE) <= before + GRAPHS
    engine.score_frame(grey(1, 256, 128))  # a larger buffer: what was captured would read the old one
    assert machine.host_count(LIVE) == before + 1
    engine.close()
    assert machine.host_count(LIVE) == before


def test_work_that_cannot_be_captured_is_enqueued_and_said_once(
    machine: ctypes.CDLL, caplog: pytest.LogCaptureFixture
) -> None:
    machine.host_refuse_capture(1)
    engine = TensorrtEngine(b"1-1", PACKAGE)
    for level in (40, 50):
        assert same(engine.score_frame(grey(level)).outputs, on_cpu(grey(level)))
    assert [r.getMessage() for r in caplog.records if "no CUDA graph" in r.getMessage()] == [
        "no CUDA graph (cuStreamBeginCapture_v2 failed with CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED): "
        "the work of each frame is enqueued by itself"
    ]


@pytest.mark.parametrize(("plan", "count"), [(b"1-4", 10), (b"1-1", 3), (b"4-4", 6), (b"2-3", 0)])
def test_batches_are_cut_to_what_the_plan_takes(machine: ctypes.CDLL, plan: bytes, count: int) -> None:
    engine = TensorrtEngine(plan, PACKAGE)
    rng = np.random.default_rng(count)
    views: NDArray[np.uint8] = rng.integers(0, 256, (count, 2, 3, 224, 224), np.uint8)
    found = engine(views)
    assert found.mos.shape == (count,) and found.faults.shape == (count, 8)
    if count:
        assert same(found, OnnxEngine(tiny_model())(views))
    assert same(engine.score_frame(grey(70)).outputs, on_cpu(grey(70)))


def test_without_the_kernel_views_are_made_on_the_cpu_and_that_is_said(
    machine: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for content in (None, b"not a fatbin"):
        path = tmp_path / "other.fatbin"
        if content is not None:
            path.write_bytes(content)
        monkeypatch.setenv("LEAF_VIEWS_FATBIN", str(path))
        caplog.clear()
        engine = TensorrtEngine(b"1-1", PACKAGE)
        assert not engine.device_views
        assert "views are made on the CPU" in caplog.text
        for level in (5, 6):
            assert same(engine.score_frame(grey(level)).outputs, on_cpu(grey(level)))


def test_threads_take_turns(machine: ctypes.CDLL) -> None:
    engine = TensorrtEngine(b"1-2", PACKAGE)
    frames = [grey(level, 32 + level % 3, 24) for level in range(1, 40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda frame: engine.score_frame(frame).outputs, frames))
    assert all(same(outputs, on_cpu(frame)) for outputs, frame in zip(found, frames, strict=True))


def test_the_callers_stream_may_be_the_default_one(machine: ctypes.CDLL) -> None:
    replays = machine.host_count(REPLAYS)
    engine = TensorrtEngine(b"1-1", PACKAGE, stream=0)
    assert same(engine.score_frame(grey(80)).outputs, on_cpu(grey(80)))
    assert machine.host_count(REPLAYS) == replays + 1


@pytest.mark.parametrize("stream", [-1, "0", True, object(), 1.5])
def test_what_is_no_stream_is_refused(stream: Any) -> None:
    with pytest.raises(TypeError, match="expected a CUDA stream"):
        stream_handle(stream)


def test_a_plan_that_is_refused_or_fails_has_a_reason(machine: ctypes.CDLL) -> None:
    with pytest.raises(BundleError) as caught:
        TensorrtEngine(b"broken", PACKAGE)
    assert caught.value.code is BundleCode.ENGINE_PLAN
    assert "magic tag does not match" in caught.value.message and "more" not in caught.value.message
    engine = TensorrtEngine(b"1-1", PACKAGE, graph=False)
    engine._plan.engine.fail = True  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="no kernel image"):
        engine.score_frame(grey(1))


def test_a_plan_with_other_tensors_is_no_student(
    machine: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_tensorrt._Engine, "get_tensor_dtype", lambda self, name: "int32")
    with pytest.raises(BundleError, match=r"views of the plan is int32 .*expected uint8"):
        TensorrtEngine(b"1-1", PACKAGE)


def test_code_in_a_plan_and_a_dla_are_only_used_when_asked_for(machine: ctypes.CDLL) -> None:
    plain = TensorrtEngine(b"1-1", PACKAGE)._plan.runtime
    assert not plain.engine_host_code_allowed and plain.DLA_core == -1
    allowed = TensorrtEngine(b"1-1", PACKAGE, host_code=True, dla=1)._plan.runtime
    assert allowed.engine_host_code_allowed and allowed.DLA_core == 1


def test_a_call_that_fails_names_itself(library: ctypes.CDLL) -> None:
    driver = CudaDriver(library._name)
    with pytest.raises(CudaError, match="cuModuleLoadData failed with error 200"):
        driver.load_kernel(b"nothing", "leaf_views")
    with pytest.raises(CudaError, match="cuModuleGetFunction failed with error 500"):
        driver.load_kernel(b"host", "other")
    assert cuda_driver.LIBRARY


def test_on_a_gpu_a_rebuilt_engine_scores_as_its_graph_does(caplog: pytest.LogCaptureFixture) -> None:
    driver = probe_driver()
    if isinstance(driver, NoDriver):
        pytest.skip(f"needs a CUDA device: {driver.reason}")
    package = tensorrt_available(driver)
    if isinstance(package, NoTensorRT) or package.kind != "full":
        pytest.skip(f"needs TensorRT: {package}")
    pytest.importorskip("pycuda.driver", reason="needs pycuda (leaf-edge[tensorrt])")
    from leaf_edge.runtime.engines import rebuild_tensorrt

    bundle = load_bundle(locate("leaf-s"))
    engine: Any = rebuild_tensorrt(bundle, notice=lambda line: None)
    expected_engine = OnnxEngine(bundle.model("trt"))
    for golden in bundle.manifest.golden:
        frame = golden.frame(bundle.contents[golden.file])
        expected = expected_engine(make_views(frame)[None])
        for _ in range(2):  # captured, replayed
            found = engine.score_frame(frame).outputs
            assert abs(float(found.mos[0] - expected.mos[0])) < 0.02  # float16 between INT8 layers
            assert np.abs(found.faults - expected.faults).max() < 0.05
        assert same(found, engine(make_views(frame)[None]))
