"""`leaf-edge bench` as a user runs it, with a small real bundle."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaf_edge.bench.compare import SkippedError, time_brisque
from leaf_edge.bench.stages import METRICS, STAGES
from leaf_edge.bench.synthetic import synthetic_frames
from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.frames.frame import PixelFormat

ROOT = Path(__file__).parents[2]
COUNTS = ["--frames", "6", "--warmup", "2"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("onnx", reason="the small model is made with onnx")
    from helpers_bundle import write_tiny

    return str(write_tiny(tmp_path_factory.mktemp("model") / "tiny.leaf").path)


@pytest.mark.parametrize("pixel_format", [name.lower() for name in PixelFormat.__members__])
def test_json_of_every_format(model, capsys, pixel_format):
    command = ["bench", "--model", model, *COUNTS, "--json", "--format", pixel_format, "--size", "321x243"]
    assert main(command) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["warmup"]) == (6, 2)
    assert report["settings"]["format"] == pixel_format
    assert set(report["stages_ms"]) == set(STAGES)
    stages = report["stages_ms"]
    for times in stages.values():
        assert times["min"] <= times["p50"] <= times["p90"] <= times["p99"] <= times["max"]
    parts = sum(stages[name]["mean"] for name in ("acquire", "views", "inference", "mapping"))
    # stages are rounded to a microsecond each
    assert parts <= stages["total"]["mean"] + 0.004
    assert report["frames_per_second"] == pytest.approx(1000 / stages["total"]["mean"], rel=0.01)
    assert report["peak_memory_mib"] > 20
    assert report["machine"]["cpu"] and report["machine"]["views_isa"]


def test_the_tables_explain_every_word(model, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["bench", "--model", model, *COUNTS, "--size", "640x360"]) == ExitCode.OK
    out = capsys.readouterr().out
    for word in (*STAGES, *METRICS):
        assert word in out
    assert "nv12" in out and "640x360" in out and "frames a second" in out


def test_a_source_is_read(model, capsys, tmp_path):
    raw = tmp_path / "camera.bin"
    raw.write_bytes(os.urandom(64 * 48 * 3 // 2) * 9)
    command = ["bench", str(raw), "--format", "i420", "--size", "64x48", "--matrix", "bt709", "--json"]
    assert main([*command, "--model", model, *COUNTS]) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert report["frames"] == 6
    assert report["stages_ms"]["acquire"]["mean"] > 0
    # nine frames, two of them warm-up: the source ends first
    assert main([*command, "--model", model, "--warmup", "2"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["frames"] == 7
    assert main([*command, "--model", model, "--warmup", "9"]) == ExitCode.INPUT
    assert "warm-up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--matrix", "bt601"], "SOURCE"),
        (["--every", "2"], "SOURCE"),
        (["--format", "nv21x"], "nv12"),
        (["--size", "640"], "WIDTHxHEIGHT"),
        (["--frames", "0"], "at least 1"),
        (["--warmup", "-1"], "at least 0"),
    ],
)
def test_wrong_options_name_what_was_expected(model, capsys, options, expected):
    try:
        status = main(["bench", "--model", model, *options])
    except SystemExit as error:  # argparse ends this way
        status = error.code
    assert status == ExitCode.USAGE
    assert expected in capsys.readouterr().err


def test_the_comparison_prints_models_and_why_brisque_is_left_out(model, tmp_path):
    command = [sys.executable, "-m", "leaf_edge.bench.compare", "--models", model, str(tmp_path / "no.leaf")]
    command += ["--frames", "5"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "BRISQUE skipped: needs --brisque" in done.stdout
    assert "no.leaf skipped" in done.stdout
    assert "1920x1080 NV12" in done.stdout


def test_brisque_is_left_out_with_a_reason(tmp_path):
    frames = synthetic_frames(PixelFormat.NV12, 64, 48, distinct=1)
    present = tmp_path / "model.yml"
    present.write_text("")
    with pytest.raises(SkippedError, match=r"range\.yml is not there"):
        time_brisque(frames, (present, tmp_path / "range.yml"), sys.executable)
    with pytest.raises(SkippedError, match="does not run"):
        time_brisque(frames, (present, present), str(tmp_path / "python"))
    # this environment has the plain OpenCV, and the files are empty
    with pytest.raises(SkippedError, match="failed: "):
        time_brisque(frames, (present, present), sys.executable)


def test_brisque_on_the_same_frames(shared):
    python = ROOT / ".venv-bench" / "bin" / "python"
    if not python.is_file():
        pytest.skip("no .venv-bench: make bench makes it")
    frames = synthetic_frames(PixelFormat.NV12, 320, 240, distinct=2)
    weights = shared / "weights"
    files = (weights / "brisque_model_live.yml", weights / "brisque_range_live.yml")
    summary = time_brisque(frames, files, str(python), repeats=2)
    assert 0 < summary.min <= summary.p50 <= summary.max
