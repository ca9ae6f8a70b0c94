"""The shipped Q/DQ graph, a driver for the test alone, and TensorRT's bindings where they can be had."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_build import locked

from leaf_edge.bundle import Bundle, load_bundle, locate
from leaf_edge.runtime.preflight import Device, Driver

onnx = pytest.importorskip("onnx", reason="needs onnx (leaf-edge[train])")
pytest.importorskip("torch", reason="needs torch (leaf-edge[train])")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def leaf_s() -> Bundle:
    return load_bundle(locate("leaf-s"))


@pytest.fixture(scope="session")
def graph(leaf_s: Bundle) -> Any:
    """The shipped Q/DQ graph for TensorRT. Not to be changed."""
    return onnx.load_from_string(leaf_s.model("trt"))


@pytest.fixture
def with_driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes `find_builder` see a driver for the CUDA of that major version, with one device."""
    from leaf_edge.export import engine_build

    def set_driver(cuda: int = 13, capability: tuple[int, int] = (8, 7)) -> None:
        driver = Driver((cuda, 0), (Device("Orin", capability, 1 << 33),))
        monkeypatch.setattr(engine_build, "probe_driver", lambda: driver)

    return set_driver


@pytest.fixture(scope="session")
def bindings() -> dict[str, Path]:
    """Folders of scripts/tensorrt_stubs.py by version: stubs in it, bindings over null libraries in run/."""
    script = ROOT / "scripts" / "tensorrt_stubs.py"
    with locked(ROOT / "build" / "stubs"):
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=ROOT)
    if done.returncode == 3:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    return {folder.name: folder for folder in (ROOT / "build" / "stubs").glob("[0-9]*")}
