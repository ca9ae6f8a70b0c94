"""The TensorRT code against TensorRT's own bindings: types by mypy, and what runs without a library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def over_null_libraries(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """`source` in a process that has the bindings in `folder`, over libraries whose functions return null."""
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(folder / "run" / "lib"),
        "PYTHONPATH": str(folder / "run" / "bindings"),
    }
    return subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True)


def test_every_call_fits_the_bindings_of_each_version(bindings: dict[str, Path]) -> None:
    assert {"10.3", "10.16", "11.4"} <= bindings.keys()
    script = ROOT / "scripts" / "typecheck_tensorrt.sh"
    done = subprocess.run([str(script), sys.executable], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Success") == len(bindings)


def test_the_check_sees_a_call_that_a_major_version_lacks(bindings: dict[str, Path], tmp_path: Path) -> None:
    """INT8 by builder flag: in 10.x, gone in 11."""
    source = tmp_path / "old.py"
    source.write_text("import tensorrt as trt\nflag = trt.BuilderFlag.INT8\n")
    found = {}
    for version in ("10.3", "11.4"):
        environment = {**os.environ, "MYPYPATH": str(bindings[version])}
        command = [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--cache-dir",
            str(ROOT / ".mypy_cache"),
            str(source),
        ]
        found[version] = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=tmp_path
        )
    assert found["10.3"].returncode == 0, found["10.3"].stdout
    assert '"type[BuilderFlag]" has no attribute "INT8"' in found["11.4"].stdout


@pytest.mark.parametrize("version", ["10.3", "10.16", "11.4"])
def test_log_and_progress_work_as_tensorrt_calls_them(bindings: dict[str, Path], version: str) -> None:
    source = """
import tensorrt as trt
from leaf_edge.export.engine_network import Log, _Monitor
said = []
log = Log(False, said.append)
for severity in (trt.ILogger.Severity.WARNING, trt.ILogger.Severity.INFO, trt.ILogger.Severity.VERBOSE):
    log.log(severity, "two\\nlines")
assert log.lines == ["[WARNING] two lines", "[INFO] two lines"] and said == log.lines[:1], log.lines
log.log(trt.ILogger.Severity.ERROR, "no kernel")
assert log.errors() == "[ERROR] no kernel"
for i in range(3):
    log.log(trt.ILogger.Severity.INFO, "x" * (1 << 20))
assert sum(map(len, log.lines)) < 1 << 21 and log.lines[-1] == "[the log is cut off here]"
steps = []
def step(*details):
    steps.append(details)
    if details[1] == 2:
        raise KeyboardInterrupt
monitor = _Monitor(step)
monitor.phase_start("build", None, 3)
assert monitor.step_complete("build", 0) and monitor.stopped is None
assert not monitor.step_complete("build", 1) and isinstance(monitor.stopped, KeyboardInterrupt)
monitor.phase_finish("build")
assert steps == [("build", 0, 3), ("build", 1, 3), ("build", 2, 3), ("build", 3, 3)], steps
print(trt.__version__)
"""
    done = over_null_libraries(bindings[version], source)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(version + ".")


@pytest.mark.parametrize("version", ["10.3", "11.4"])
def test_a_tensorrt_that_gives_no_builder_ends_in_one_line(
    bindings: dict[str, Path], version: str, tmp_path: Path
) -> None:
    source = f"""
from leaf_edge.cli.main import main
from leaf_edge.export import engine_build
from leaf_edge.runtime.preflight import Device, Driver
engine_build.probe_driver = lambda: Driver((13, 0), (Device("Orin", (8, 7), 1 << 33),))
new = {str(tmp_path / "new.leaf")!r}
raise SystemExit(main(["build-engine", "leaf-s", "--float", "fp32", "--output", new]))
"""
    done = over_null_libraries(bindings[version], source)
    assert done.returncode == 7, done.stderr
    assert done.stderr.splitlines()[-1] == "refused: TensorRT gives no builder: TensorRT gave no reason"
    assert not (tmp_path / "new.leaf").exists()
