"""The report of a machine with an NVIDIA device, over a driver whose device is the processor."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from helpers_build import ROOT

SCRIPT = ROOT / "scripts" / "gpu_report.py"
BUILD = ROOT / "build" / "cpp"


@pytest.fixture(scope="module")
def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_report", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(*words: str | Path, libraries: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries or "")}
    command = [sys.executable, SCRIPT, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def measurement(share: float, ratio: float) -> dict[str, object]:
    rows = [
        {"name": name, "ns": 9e3, "bytes": 1, "gb_s": 2e3, "of_copy": share / 2, "of_same_copy": share}
        for name in ("1080p nv12 x 8", "2160p nv12", "1080p rgb x 8")
    ]
    return {"device": "made", "copy_gb_s": 2500.0, "rows": rows, "single_over_empty": ratio}


def test_a_machine_without_a_driver_is_told_in_a_line(tmp_path: Path, report: ModuleType) -> None:
    if not report.driver_problem():
        pytest.skip("there is a driver here")
    done = call("--output", tmp_path / "out")
    assert done.returncode == 9 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "no NVIDIA driver here: libcuda.so.1" in done.stderr
    assert not (tmp_path / "out").exists()


def test_it_checks_measures_and_says_what_did_not_run(tmp_path: Path) -> None:
    tests = BUILD / "runtime" / "tests"
    if not (tests / "cuda_host" / "libcuda.so.1").exists() or not (tests / "bench.fatbin").exists():
        pytest.skip("needs the C++ tests with CUDA code in build/cpp (`make test-cpp`, where nvcc is)")
    options = ["--no-build", "--frames", "24", "--scale", "16", "--only", "kernels", "--only", "measurement"]
    done = call("--build", BUILD, "--output", tmp_path, *options, libraries=tests / "cuda_host")
    assert done.returncode == 7, done.stdout + done.stderr  # a processor does not reach the targets
    found = json.loads((tmp_path / "report.json").read_text())
    outcomes = {step["name"]: step["outcome"] for step in found["steps"]}
    assert outcomes["kernels against the reference"] == outcomes["measurement"] == "passed"
    assert outcomes["compute-sanitizer racecheck"] == outcomes["Python tests"] == "not run"
    assert found["device"] == "this processor" and found["measured"]["rows"]
    assert [row["reached"] for row in found["targets"]] == [False, False, False]
    page = (tmp_path / "report.md").read_text()
    assert page.startswith("# this processor, 20") and page.count("**missed**") == 3
    assert "0 failures" in (tmp_path / "measurement.log").read_text()


def test_targets(report: ModuleType) -> None:
    assert [row["reached"] for row in report.targets(measurement(0.7, 2.0))] == [True, True, True]
    assert [row["reached"] for row in report.targets(measurement(0.69, 2.01))] == [False, False, False]
    assert report.targets({}) == []


def test_a_step_that_fails_hangs_or_is_not_there_is_noted(tmp_path: Path, report: ModuleType) -> None:
    runner = report.Runner(tmp_path, limit=60, only=("a step",))
    assert runner.run("a step", [sys.executable, "-c", "print('well')"])
    assert not runner.run("a step that fails", [sys.executable, "-c", "print('broken'); raise SystemExit(3)"])
    assert not runner.run("a step without a program", [str(tmp_path / "missing")])
    assert not runner.run("another", [sys.executable, "-c", "print('well')"])
    runner.limit = 0.5
    assert not runner.run("a step that hangs", [sys.executable, "-c", "import time; time.sleep(60)"])
    said = [step.said for step in runner.steps]
    assert said[:2] == ["well", "exit code 3; broken"] and "No such file" in said[2]
    assert said[3:] == ["not asked for", "stopped after 0.5 s; no output"]
    outcomes = [step.outcome for step in runner.steps]
    assert outcomes == ["passed", "failed", "failed", "not run", "failed"]
