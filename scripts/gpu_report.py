"""Everything that needs an NVIDIA device, in one go and without a network: builds the library with its CUDA
kernels, checks them byte for byte, runs them under compute-sanitizer, and measures them.

    python3 scripts/gpu_report.py                        # or: make gpu
    python3 scripts/gpu_report.py --output out/orin --cmake=-DLEAF_TENSORRT_INCLUDE_DIR=DIR --only kernels

Needs a driver, nvcc, cmake and a C++ compiler; of Python only what comes with 3.8 or later. Writes
OUTPUT/report.md, OUTPUT/report.json and a log for each step. Exit code: 0 all passed and the targets were
reached; 7 something failed or a target was missed; 6 a tool is not installed; 9 no driver here.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPY_SHARE = 0.7
"""Least share of the bandwidth of a copy that reads and writes as many bytes, for the rows of `FULL`."""
FULL = ("1080p nv12 x 8", "2160p nv12")
LAUNCHES = 2.0
"""Most time of one 1080p frame, as a multiple of an empty launch."""
SANITIZERS = ("memcheck", "racecheck", "initcheck", "synccheck")


class Step(NamedTuple):
    """What was tried. outcome: passed, failed or not run; said: why, or the last line of its output."""

    name: str
    outcome: str
    seconds: float
    said: str


class Runner:
    """Runs commands one after another, each with a log of its own in `folder`. limit: seconds for one.
    only: words, of which a step's name must have one; none: all run."""

    def __init__(self, folder: Path, limit: float, only: Sequence[str] = ()) -> None:
        self.folder, self.limit, self.only = folder, limit, only
        self.steps: list[Step] = []

    def run(self, name: str, command: list[str]) -> bool:
        """Whether `command` ended with 0 within the limit."""
        if self.only and not any(word in name for word in self.only):
            self.skip(name, "not asked for")
            return False
        print(f"==> {name}", flush=True)
        start = time.monotonic()
        log = self.folder / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as out:
            try:
                code = subprocess.run(
                    command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, timeout=self.limit, check=False
                ).returncode
                said = "" if code == 0 else f"exit code {code}; "
            except subprocess.TimeoutExpired:
                code, said = -1, f"stopped after {self.limit:g} s; "
            except OSError as error:
                code, said = -1, f"{error}; "
        lines = log.read_text(errors="replace").strip().splitlines()
        outcome = "passed" if code == 0 else "failed"
        self._note(
            Step(name, outcome, time.monotonic() - start, said + (lines[-1] if lines else "no output"))
        )
        return code == 0

    def skip(self, name: str, why: str) -> None:
        """Notes that a step cannot run here."""
        self._note(Step(name, "not run", 0.0, why))

    def _note(self, step: Step) -> None:
        self.steps.append(step)
        print(f"    {step.outcome}: {step.said}", flush=True)


def tool(name: str) -> str | None:
    """Path of a program: the project's own first, then the system's, then CUDA's usual folder."""
    own, cuda = ROOT / ".venv" / "bin", Path("/usr/local/cuda/bin")
    path = os.pathsep.join([str(own), os.environ.get("PATH", os.defpath), str(cuda)])
    return shutil.which(name, path=path)


def driver_problem() -> str:
    """Why no CUDA driver can be used here, or ""."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"libcuda.so.1 cannot be loaded ({error})"
    count = ctypes.c_int()
    status = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if status:
        return f"the driver does not start (CUDA error {status})"
    return "" if count.value else "the driver has no device"


def build(runner: Runner, folder: Path, options: list[str]) -> bool:
    """The library, its tools and tests, with the CUDA kernels."""
    cmake, ninja = tool("cmake") or "cmake", tool("ninja")
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []
    nvcc = [f"-DCMAKE_CUDA_COMPILER={tool('nvcc')}"]
    configure = [cmake, "-S", str(ROOT), "-B", str(folder), "-DLEAF_TESTS=ON", "-DLEAF_CUDA=ON"]
    if not runner.run("configure", [*configure, *nvcc, *generator, *options]):
        return False
    return runner.run("build", [cmake, "--build", str(folder), "-j", str(os.cpu_count() or 1)])


def check(runner: Runner, folder: Path, frames: int, scale: int) -> dict[str, Any]:
    """Runs the steps on the device; what checkviews measured, or {}."""
    views = str(folder / "runtime" / "tests" / "checkviews")
    result = runner.folder / "checkviews.json"
    result.unlink(missing_ok=True)
    common = [views, "--isa", "cuda", "--seed"]
    runner.run("kernels against the reference", [*common, "1", "--frames", str(frames), "--scale", "16"])
    runner.run(
        "measurement",
        [*common, "2", "--frames", "24", "--scale", str(scale), "--json", str(result)],
    )
    sanitizer = tool("compute-sanitizer")
    for kind in SANITIZERS:
        if sanitizer is None:
            runner.skip(f"compute-sanitizer {kind}", "compute-sanitizer was not found")
            continue
        few = [*common, "3", "--frames", "48", "--scale", "16"]
        runner.run(f"compute-sanitizer {kind}", [sanitizer, "--tool", kind, "--error-exitcode", "99", *few])
    ctest = tool("ctest")
    if ctest:
        # fuzz targets and kernels of the processor need no device
        chosen = ["--output-on-failure", "--timeout", "300", "-E", "^(fuzz_.*|checkviews|views|core_size)$"]
        runner.run("C++ tests", [ctest, "--test-dir", str(folder), *chosen])
    python = ROOT / ".venv" / "bin" / "python"
    tests = ["tests/views/test_views_device.py", "tests/runtime/test_tensorrt_engine.py"]
    if python.exists():
        runner.run(
            "Python tests", [str(python), "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *tests]
        )
    else:
        runner.skip("Python tests", "no .venv here: make test makes it")
    if not result.exists():
        return {}
    measured: dict[str, Any] = json.loads(result.read_text())
    return measured


def targets(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Each target with what was measured, and whether it was reached."""
    if not measured:
        return []
    rows = {row["name"]: row for row in measured["rows"]}
    found = [
        {
            "name": f"{name}: share of the bandwidth of a copy of as many bytes",
            "target": f">= {COPY_SHARE:.2f}",
            "measured": rows[name]["of_same_copy"],
            "reached": rows[name]["of_same_copy"] >= COPY_SHARE,
        }
        for name in FULL
    ]
    ratio = measured["single_over_empty"]
    single = {"name": "one 1080p nv12 frame, times an empty launch", "target": f"<= {LAUNCHES:.1f}"}
    return [*found, {**single, "measured": ratio, "reached": ratio <= LAUNCHES}]


def markdown(report: dict[str, Any]) -> str:
    """The report as a page for docs/benchmarks."""
    lines = [f"# {report['device']}, {report['date']}", "", f"    {report['command']}", ""]
    lines += [f"{report['system']}; {report['versions']}.", ""]
    if report["targets"]:
        lines += ["| | measured | target | |", "|---|---|---|---|"]
        for row in report["targets"]:
            verdict = "reached" if row["reached"] else "**missed**"
            lines.append(f"| {row['name']} | {row['measured']:.2f} | {row['target']} | {verdict} |")
        copy = report["measured"]["copy_gb_s"]
        lines += [
            "",
            "Both views; bytes: those of the frames, read once, and of the views. Copies in the same run, of "
            f"as many bytes and of 320 MB ({copy:.0f} GB/s). All comes from memory, not from a cache.",
            "",
        ]
        lines += ["| frames in one launch | us | GB/s | of a copy of 320 MB | of a copy of as many bytes |"]
        lines += ["|---|---|---|---|---|"]
        for row in report["measured"]["rows"]:
            times = f"{row['ns'] / 1e3:.2f} | {row['gb_s']:.1f} | {row['of_copy']:.0%}"
            lines.append(f"| {row['name']} | {times} | {row['of_same_copy']:.0%} |")
        lines.append("")
    lines += ["| step | | s | |", "|---|---|---|---|"]
    for step in report["steps"]:
        said = step["said"].replace("|", "/")[:160]
        lines.append(f"| {step['name']} | {step['outcome']} | {step['seconds']:.1f} | {said} |")
    return "\n".join(lines) + "\n"


def versions() -> str:
    """Of the driver and the compiler, in words."""
    told = []
    for name, command in (
        ("driver", ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]),
        ("nvcc", ["nvcc", "--version"]),
    ):
        path = tool(command[0])
        text = ""
        if path:
            done = subprocess.run([path, *command[1:]], capture_output=True, text=True, check=False)
            text = (done.stdout.strip().splitlines() or [""])[-1]
        told.append(f"{name} {text or 'not told'}")
    return ", ".join(told)


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("out/gpu"), help="folder (default: %(default)s)")
    parser.add_argument("--build", type=Path, default=Path("build/gpu"), help="folder (default: %(default)s)")
    parser.add_argument("--no-build", action="store_true", help="take what is in the build folder")
    parser.add_argument(
        "--cmake", action="append", default=[], metavar="OPTION", help="for CMake; repeatable"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORD", help="steps with it in their name; repeatable"
    )
    parser.add_argument("--frames", type=int, default=3000, help="cases against the reference (%(default)s)")
    parser.add_argument("--scale", type=int, default=1, help="measure frames this much smaller (%(default)s)")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one step (%(default)s)")
    return parser.parse_args()


def main() -> int:
    """Runs the steps and writes the report; the exit code."""
    args = arguments()
    problem = driver_problem()
    if problem:
        print(f"gpu_report: no NVIDIA driver here: {problem}", file=sys.stderr)
        return 9
    wanted = () if args.no_build else ("cmake", "nvcc", "c++")
    missing = [name for name in wanted if tool(name) is None]
    if missing:
        print(f"gpu_report: not installed: {', '.join(missing)}; put it on the PATH", file=sys.stderr)
        return 6
    runner = Runner(args.output.resolve(), args.limit, args.only)
    runner.folder.mkdir(parents=True, exist_ok=True)
    folder = args.build.resolve()
    built = args.no_build or build(runner, folder, args.cmake)
    measured = check(runner, folder, args.frames, args.scale) if built else {}
    report = {
        "device": measured.get("device", "unknown device"),
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python3", "scripts/gpu_report.py", *sys.argv[1:]]),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
        "targets": targets(measured),
        "measured": measured,
        "steps": [step._asdict() for step in runner.steps],
    }
    (runner.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (runner.folder / "report.md").write_text(markdown(report))
    failed = [step.name for step in runner.steps if step.outcome == "failed"]
    missed = [row["name"] for row in report["targets"] if not row["reached"]]
    print((runner.folder / "report.md").read_text())
    print(f"report in {args.output}")
    print(f"failed: {', '.join(failed) or 'nothing'}; targets missed: {', '.join(missed) or 'none'}")
    return 7 if failed or missed or not measured else 0


if __name__ == "__main__":
    sys.exit(main())
