"""`leaf-edge score` as a process: pipes, signals, what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from score_sources import y4m

from leaf_edge.cli.exit_codes import ExitCode


def process(*arguments: object, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "leaf_edge.cli.main", "score", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def test_y4m_through_a_pipe(tiny_bundle, clip):
    with process(
        "--model",
        tiny_bundle,
        "-",
        "--matrix",
        "bt709",
        "--output",
        "-",
        "--output-format",
        "jsonl",
        stdin=subprocess.PIPE,
    ) as job:
        out, err = job.communicate(clip.read_bytes(), timeout=60)
    assert job.returncode == ExitCode.OK, err
    assert [json.loads(line)["frame"] for line in out.splitlines()] == list(range(8))


@contextmanager
def piped(bundle, clip, out):
    """Scoring of a clip from a pipe that stays open."""
    with process("--model", bundle, "-", "--matrix", "bt709", "--output", out, stdin=subprocess.PIPE) as job:
        job.stdin.write(clip.read_bytes())
        job.stdin.flush()
        yield job


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_on_a_pipe_that_says_no_more(tiny_bundle, clip, tmp_path, number):
    out = tmp_path / "s.csv"
    part = tmp_path / "s.csv.part"
    with piped(tiny_bundle, clip, out) as job:
        deadline = time.monotonic() + 30
        while not (part.exists() and part.read_text().count("\n") >= 9) and time.monotonic() < deadline:
            time.sleep(0.02)
        # Every row that was scored is on disk already, under the name of a part.
        assert part.read_text().count("\n") == 9
        job.send_signal(number)
        assert job.wait(timeout=30) == ExitCode.INTERRUPTED, job.stderr.read()
    assert not out.exists()
    assert not part.exists()


def test_killed_leaves_no_finished_file(tiny_bundle, clip, tmp_path):
    out = tmp_path / "s.csv"
    with piped(tiny_bundle, clip, out) as job:
        deadline = time.monotonic() + 30
        while not (tmp_path / "s.csv.part").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        job.kill()
        job.wait(timeout=30)
    assert not out.exists()


def test_a_reader_that_goes_away(tiny_bundle, tmp_path):
    clip = y4m(tmp_path / "long.y4m", [i % 256 for i in range(3000)])
    with process("--model", tiny_bundle, clip, "--matrix", "bt709", "--output", "-") as job:
        assert job.stdout.readline().startswith(b"source,")
        job.stdout.close()
        assert job.wait(timeout=60) == ExitCode.PIPE
        assert b"Traceback" not in job.stderr.read()


@pytest.mark.parametrize("more", [[], ["--json"], ["--output", "-"]])
def test_a_summary_without_a_reader_and_on_a_full_disk(tiny_bundle, folder, more):
    command = [sys.executable, "-m", "leaf_edge.cli.main", "score", "--model", tiny_bundle, folder, *more]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (ExitCode.PIPE, "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == ExitCode.OUTPUT
    assert "cannot be written: No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import leaf_edge", ["numpy", "onnxruntime", "cv2", "torch", "onnx", "matplotlib"]),
        ("import leaf_edge.cli.main", ["onnxruntime", "torch", "onnx", "matplotlib"]),
        (
            "import leaf_edge.cli.score, leaf_edge.cli.score_inputs, leaf_edge.plot; leaf_edge.load",
            ["torch", "onnx", "matplotlib"],
        ),
    ],
)
def test_imports_stay_light(code, absent):
    check = f"{code}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_plot_without_matplotlib_names_the_extra(tiny_bundle, folder, tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from leaf_edge.cli.main import main\n"
        f"sys.exit(main(['score', '--model', {str(tiny_bundle)!r}, {str(folder)!r}, '--plot', 'x.png']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == ExitCode.EXTRA
    assert "pip install 'leaf-edge[plot]'" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]
