"""`leaf-edge gate` from end to end, with a small real bundle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main

HEADER = b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n"


def y4m(levels: list[int]) -> bytes:
    """Grey frames."""
    chroma = bytes([128]) * (32 * 24 * 2)
    return HEADER + b"".join(b"FRAME\n" + bytes([level]) * (64 * 48) + chroma for level in levels)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bundle whose MOS is 1 + 4 * level / 255 for a grey frame."""
    pytest.importorskip("onnx")
    from helpers_bundle import write_tiny

    folder = tmp_path_factory.mktemp("bundle") / "tiny.leaf"
    write_tiny(folder)
    return str(folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a clip (good, dark, good) and a folder of images."""
    monkeypatch.chdir(tmp_path)
    Path("clip.y4m").write_bytes(y4m([200] * 10 + [30] * 10 + [200] * 10))
    Path("photos").mkdir()
    for name, level in (("a", 30), ("b", 140), ("c", 220)):
        cv2.imwrite(f"photos/{name}.png", np.full((40, 50, 3), level, np.uint8))
    return tmp_path


def rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def picture(path: str) -> NDArray[Any]:
    image = cv2.imread(path)
    assert image is not None
    return image


def verdicts(path: str) -> str:
    return "".join("A" if row["accepted"] else "R" for row in rows(path))


def test_a_clip_and_a_folder(place: Path, bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--window", "3", "--dwell", "4", "--decisions", "d.jsonl", "--keep", "kept"]
    assert main(["gate", "clip.y4m", "photos", "--model", bundle, *options]) == ExitCode.OK
    assert verdicts("d.jsonl") == "RR" + "A" * 9 + "R" * 10 + "A" * 9 + "RAA"
    log = rows("d.jsonl")
    assert set(log[0]) >= {"source", "frame", "time_s", "mos", "mos_lo", "mos_hi", "raw", "reason", "faults"}
    assert set(log[0]) >= {"accepted", "state", "changed", "pooled", "dwell_left", "warmup_left", "still"}
    kept = [row["kept"] for row in log if row["accepted"]]
    assert all(row["kept"] is None for row in log if not row["accepted"])
    assert sorted(map(str, Path("kept").iterdir())) == sorted(kept) and len(kept) == 20
    assert picture("kept/clip-000002.png").shape == (48, 64, 3)
    assert int(picture("kept/b.png")[0, 0, 0]) == 140
    out = capsys.readouterr().out
    assert "33 frames, 20 accepted (60.6 %), 3 switches" in out
    assert "under_exposure" in out and "nothing decided yet" in out and "20 frames kept in kept" in out


def test_replay_gives_the_same_decisions(place: Path, bundle: str) -> None:
    gate = ["--window", "3", "--dwell", "4", "--pool", "ema", "--accept", "3.4", "--best"]
    assert main(["gate", "clip.y4m", "photos", "--model", bundle, *gate, "--decisions", "live.jsonl"]) == 0
    assert main(["gate", "--replay", "live.jsonl", *gate, "--decisions", "again.jsonl"]) == 0
    assert rows("again.jsonl") == rows("live.jsonl")


def test_best_frames_and_summary_as_json(
    place: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = [
        "--pool",
        "none",
        "--dwell",
        "0",
        "--window",
        "7",
        "--best",
        "--keep",
        "best",
        "--keep-format",
        "jpeg",
    ]
    assert main(["gate", "clip.y4m", "--model", bundle, *gate, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    best = [item["frame"] for item in summary["streams"][0]["best"]]
    assert best == [0, 7, 20, 21, 28] and summary["kept"] == 5
    assert sorted(p.name for p in Path("best").iterdir()) == [f"clip-{n:06d}.jpg" for n in best]
    assert summary["settings"]["accept"] == 3.0 and summary["settings"]["reject"] == 2.5
    assert summary["settings"]["best_window"] == 7


def test_decisions_to_standard_output_as_they_are_made(place: Path, bundle: str) -> None:
    command = [sys.executable, "-m", "leaf_edge.cli.main", "gate", "-", "--model", bundle, "--decisions", "-"]
    run = subprocess.run(command, input=y4m([200] * 12), capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["frame"] for line in lines] == list(range(12)) and lines[0]["source"] == "-"
    assert "12 frames, 5 accepted" in run.stderr.decode()


def test_replay_of_missing_scores(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("log.csv").write_text("source,frame,mos\ncam,0,4\ncam,1,\ncam,2,4\n")
    options = ["--pool", "none", "--missing", "drop", "--decisions", "d.jsonl"]
    assert main(["gate", "--replay", "log.csv", *options]) == 0
    assert verdicts("d.jsonl") == "ARA"
    assert "no score" in capsys.readouterr().out


def test_skipped_inputs_are_told(place: Path, bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["gate", "photos", "missing.mp4", "--model", bundle]) == ExitCode.SKIPPED
    captured = capsys.readouterr()
    assert "skipped photos/broken.png" in captured.err and "skipped missing.mp4" in captured.err
    assert "3 frames, 2 accepted" in captured.out
    assert main(["gate", "missing.mp4", "--model", bundle, "--decisions", "d.jsonl"]) == ExitCode.INPUT
    assert "no frame was left to gate" in capsys.readouterr().err
    assert not Path("d.jsonl").exists() and not Path("d.jsonl.part").exists()
    failing = ["gate", "photos", "--model", bundle, "--on-error", "fail", "--decisions", "d.jsonl"]
    assert main(failing) == ExitCode.INPUT
    assert "photos/broken.png" in capsys.readouterr().err
    assert not list(place.glob("d.jsonl*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name a SOURCE to gate, or a score log with --replay"),
        (["clip.y4m", "--replay", "log.csv"], "leave the SOURCEs out"),
        (["--replay", "log.csv", "--keep", "kept"], "--keep needs the frames themselves"),
        (
            ["--replay", "log.csv", "--every", "2", "--model", "x"],
            "--every, --model: of no use with --replay",
        ),
        (["-", "-"], "can be read once only"),
        (["clip.y4m", "--json", "--decisions", "-"], "both want standard output"),
        (["clip.y4m", "--accept", "nan"], "the gate's accept is nan; expected a finite number"),
        (["clip.y4m", "--accept", "3", "--reject", "3.5"], "reject is 3.5, above accept 3"),
        (["clip.y4m", "--window", "0"], "window is 0; expected a whole number from 1 to 4096"),
        (["clip.y4m", "--dwell", "-1"], "dwell is -1"),
    ],
)
def test_wrong_options(
    place: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", *options]) == ExitCode.USAGE
    assert message in capsys.readouterr().err


def test_wrong_logs_and_outputs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("log.csv").write_text("source,frame,mos\ncam,0,4\n")
    assert main(["gate", "--replay", "none.csv"]) == ExitCode.INPUT
    assert "none.csv: No such file" in capsys.readouterr().err
    Path("bad.csv").write_text("source,frame,mos\na,0,4\nb,0,4\na,1,4\n")
    assert main(["gate", "--replay", "bad.csv", "--decisions", "d.jsonl"]) == ExitCode.INPUT
    assert "expected the frames of a source together" in capsys.readouterr().err
    assert not list(place.glob("d.jsonl*"))
    assert main(["gate", "--replay", "log.csv", "--decisions", "no/such/d.jsonl"]) == ExitCode.OUTPUT
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_a_keep_folder_that_cannot_be_made(
    place: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("kept").write_text("a file")
    assert main(["gate", "photos", "--model", bundle, "--keep", "kept"]) == ExitCode.OUTPUT
    assert "kept: cannot be written" in capsys.readouterr().err
    Path("full").mkdir()
    Path("full/old.png").touch()
    assert main(["gate", "photos", "--model", bundle, "--keep", "full"]) == ExitCode.OK
    assert "full holds files already" in capsys.readouterr().err
    assert Path("full/old.png").exists() and Path("full/c.png").exists()


def test_an_existing_log_survives_a_failure(place: Path, bundle: str) -> None:
    Path("d.jsonl").write_text("before")
    Path("photos/broken.png").write_bytes(b"")
    failing = ["gate", "photos", "--model", bundle, "--on-error", "fail", "--decisions", "d.jsonl"]
    assert main(failing) != ExitCode.OK
    assert Path("d.jsonl").read_text() == "before" and not Path("d.jsonl.part").exists()


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX only")
def test_file_names_that_are_not_utf8(place: Path, bundle: str) -> None:
    name = os.fsdecode(b"photos/\xff[red].png")
    try:
        Path(name).write_bytes(Path("photos/a.png").read_bytes())
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    command = [sys.executable, "-m", "leaf_edge.cli.main", "gate"]
    for options in (["photos", "--model", bundle, "--decisions", "d.jsonl"], ["--replay", "d.jsonl"]):
        run = subprocess.run([*command, *options], capture_output=True, timeout=120)
        assert run.returncode == 0, run.stderr
        assert "[red].png" in run.stdout.decode("utf-8")
    assert name in {row["source"] for row in rows("d.jsonl")}
