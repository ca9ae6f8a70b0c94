"""The C library's TensorRT engine: compiled against TensorRT's headers, run over a driver on this processor
and a TensorRT of the tests; and with NVIDIA's own library as far as it goes without a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorrt_programs import (
    NO_ONNXRUNTIME,
    OPTIONS,
    RUNTIME,
    SANITIZERS,
    SOURCES,
    compile_sources,
    compiler,
    header_folders,
    header_version,
    run,
)

from leaf_edge.runtime.preflight import NoDriver, probe_driver

WHY = "needs TensorRT's headers: LEAF_TENSORRT_HEADERS names folders with NvInferRuntime.h, between colons"
TESTS = RUNTIME / "tests"
Build = Callable[[Path], tuple[Path, Path]]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Makes the test program, and the folder of the libraries that it loads, for some headers."""
    folder = tmp_path_factory.mktemp("engine")
    cudart = RUNTIME / "src" / "engines" / "cuda_types"
    objects: list[Path] = []
    made: dict[Path, tuple[Path, Path]] = {}

    def common() -> None:
        fatbin = folder / "kernels"
        fatbin.write_bytes(b"host")  # what the driver of the tests takes for a fatbin
        embedded = f'-DLEAF_FATBIN="{fatbin}"'
        objects.extend(compile_sources(folder, SOURCES, *SANITIZERS, embedded))
        source = folder / "no_onnxruntime.cpp"
        source.write_text(NO_ONNXRUNTIME)
        for path in (source, TESTS / "tensorrt_test.cpp"):
            target = folder / f"{path.stem}.o"
            run([compiler(), *OPTIONS, *SANITIZERS, "-c", path, "-o", target])
            objects.append(target)

    def for_headers(headers: Path) -> tuple[Path, Path]:
        if headers in made:
            return made[headers]
        if not objects:
            common()
        major, minor = header_version(headers)
        mine = folder / f"{major}.{minor}"
        mine.mkdir()
        includes: list[str | Path] = ["-isystem", headers, "-isystem", cudart]
        plan, program = mine / "plan.o", mine / "tensorrt_test"
        source = RUNTIME / "src" / "engines" / "tensorrt_plan.cpp"
        flags = [*OPTIONS, "-Wconversion", *SANITIZERS, "-fno-sanitize=vptr"]
        run([compiler(), *flags, *includes, "-c", source, "-o", plan])
        run([compiler(), *SANITIZERS, *objects, plan, "-o", program, "-ldl", "-lpthread"])
        shared = [compiler(), "-std=c++17", "-O2", "-shared", "-fPIC"]
        run([*shared, TESTS / "cuda_host_driver.cpp", "-o", mine / "libcuda.so.1"])
        stub = mine / f"libnvinfer.so.{major}"
        run([*shared, "-w", *includes, TESTS / "tensorrt_stub.cpp", "-o", stub, "-ldl"])
        made[headers] = program, mine
        return program, mine

    return for_headers


PARAMETERS: list[Path | None] = [*header_folders()] or [None]


@pytest.fixture(params=PARAMETERS, ids=lambda path: str(path and header_version(path)))
def headers(request: pytest.FixtureRequest) -> Path:
    if request.param is None:
        pytest.skip(WHY)
    return Path(request.param)


def test_the_engine_runs_end_to_end(build: Build, headers: Path) -> None:
    program, libraries = build(headers)
    output = run([program], LD_LIBRARY_PATH=str(libraries))
    major, minor = header_version(headers)
    assert f"0 failures, TensorRT {major}{minor:02d}" in output


def test_without_a_driver_nothing_of_tensorrt_is_touched(build: Build, headers: Path, tmp_path: Path) -> None:
    if not isinstance(probe_driver(), NoDriver):
        pytest.skip("this machine has a CUDA driver")
    program, _ = build(headers)
    output = run([program, "no-driver"])
    assert output.startswith("LEAF_E_DEVICE_NO_DRIVER: libcuda.so.1 cannot be loaded")
    poison = tmp_path / "libnvinfer.so"  # ends the process when it is loaded
    source = tmp_path / "poison.cpp"
    source.write_text("#include <cstdlib>\n__attribute__((constructor)) void f() { abort(); }\n")
    run([compiler(), "-shared", "-fPIC", source, "-o", poison])
    assert "LEAF_E_DEVICE_NO_DRIVER" in run([program, "no-driver", poison])


def test_nvidias_lean_library_loads_and_is_told_what_it_is(build: Build, headers: Path) -> None:
    lean = os.environ.get("LEAF_TENSORRT_LEAN")
    if lean is None:
        pytest.skip(
            "needs libnvinfer_lean.so.N, which LEAF_TENSORRT_LEAN names (pip: tensorrt-lean-cu13-libs)"
        )
    if header_version(headers)[0] != int(lean.rsplit(".", 1)[-1]):
        pytest.skip("the headers are of another major version")
    program, libraries = build(headers)
    output = run([program, "library", lean])
    assert f"{Path(lean).name} {header_version(headers)[0]}." in output and "runs plans only" in output
    assert "LEAF_E_DEVICE_NO_DRIVER" in output
    with_driver = run([program, "library", lean], LD_LIBRARY_PATH=str(libraries))
    assert "LEAF_E_ENGINE_TRT_VERSION: engines/a.plan needs TensorRT 10.0.1" in with_driver
