"""`leaf-edge score` as a user runs it, with a small real bundle."""

from __future__ import annotations

import csv
import json
import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from score_sources import LEVELS, rows, y4m

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.runtime.score import COLUMNS


def test_folder_to_csv_in_natural_order(score, folder, tmp_path, capsys):
    out = tmp_path / "scores.csv"
    assert score(folder, "--output", out) == ExitCode.OK
    assert out.read_text().splitlines()[0] == ",".join(COLUMNS)
    found = rows(out)
    assert [row["source"] for row in found] == [str(folder / name) for name in LEVELS]
    np.testing.assert_allclose(
        [float(row["raw"]) for row in found], np.array(list(LEVELS.values())) / 255, atol=1e-5
    )
    assert {row["frame"] for row in found} == {"0"}
    assert {row["time_s"] for row in found} == {""}
    assert found[0]["reason"] == "under_exposure"
    text = capsys.readouterr().out
    for word in ("a10.png", "inner/b.png", "1.31", "4.14", "under exposure", "scores in"):
        assert word in text
    assert not list(tmp_path.glob("*.part"))


def test_clip_to_json_lines_with_every(score, clip, tmp_path, capsys):
    out = tmp_path / "scores.jsonl"
    assert score(clip, "--every", "3", "--matrix", "bt709", "--output", out) == ExitCode.OK
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [r["frame"] for r in records] == [0, 3, 6]
    assert [r["time_s"] for r in records] == [0.0, 0.12, 0.24]
    assert {r["source"] for r in records} == {str(clip)}
    np.testing.assert_allclose([r["raw"] for r in records], np.array([10, 160, 110]) / 255, atol=1e-5)
    assert list(records[0]) == [*COLUMNS[:8], "faults", "stages"]


def test_csv_and_json_lines_hold_the_same_numbers(score, folder, tmp_path):
    score(folder, "--output", tmp_path / "s.csv")
    score(folder, "--output", tmp_path / "s.jsonl")
    records = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    for row, record in zip(rows(tmp_path / "s.csv"), records, strict=True):
        for name in ("mos", "mos_lo", "mos_hi", "raw"):
            assert float(row[name]) == record[name]
        for name, severity in record["faults"].items():
            assert float(row[name]) == severity


def test_what_is_taken_by_default_is_said_once(score, clip, tmp_path, capsys):
    others = [y4m(tmp_path / f"other{i}.y4m", [50]) for i in range(3)]
    assert score(clip, *others) == ExitCode.OK
    lines = [line for line in capsys.readouterr().err.splitlines() if "states no colour matrix" in line]
    assert len(lines) == 2
    assert f"{clip}: " in lines[0]
    assert "the same for 3 more sources: " in lines[1]


@pytest.mark.parametrize("threads", ["1", "3"])
def test_any_number_of_threads_gives_the_same_rows(score, folder, clip, tmp_path, threads):
    score(folder, clip, "--output", tmp_path / "a.csv")
    score(folder, clip, "--output", tmp_path / "b.csv", "--threads", threads)
    stages = COLUMNS[-4:]
    a, b = (
        [{k: v for k, v in r.items() if k not in stages} for r in rows(tmp_path / n)]
        for n in ("a.csv", "b.csv")
    )
    assert a == b
    assert len(a) == 12


def test_standard_output_takes_rows_and_standard_error_the_summary(score, folder, capsys):
    assert score(folder, "--output", "-") == ExitCode.OK
    out, err = capsys.readouterr()
    assert [row["source"] for row in csv.DictReader(out.splitlines())] == [str(folder / n) for n in LEVELS]
    assert "a10.png" in err
    assert score(folder, "--output", "-", "--output-format", "jsonl") == ExitCode.OK
    assert json.loads(capsys.readouterr().out.splitlines()[0])["mos"] == 1.3137


def test_json_summary(score, folder, clip, capsys):
    assert score(folder, clip, folder / "a1.png", folder / "a2.png", "--json") == ExitCode.OK
    summary = json.loads(capsys.readouterr().out)
    assert summary["model"] == "tiny"
    assert [(s["source"], s["frames"]) for s in summary["sources"]] == [
        (str(folder), 4),
        (str(clip), 8),
        ("2 images", 2),
    ]
    mos = 1 + 4 * np.array([10, 60, 110, 160, 210, 160, 110, 60]) / 255
    found = summary["sources"][1]
    assert found["mos_mean"] == pytest.approx(mos.mean(), abs=1e-3)
    assert found["mos_min"] == pytest.approx(mos.min(), abs=1e-3)
    assert found["mos_max"] == pytest.approx(mos.max(), abs=1e-3)
    assert found["mos_p10"] == pytest.approx(np.percentile(mos, 10), abs=1e-3)
    assert (found["reason"], found["reason_share"]) == ("under_exposure", 0.625)
    assert found["frames_per_second"] > 0
    assert summary["total"]["frames"] == 14
    assert summary["skipped"] == []


def test_roi(score, tmp_path, capsys):
    pixels = np.zeros((50, 80, 3), np.uint8)
    pixels[10:30, 20:60] = 200
    cv2.imwrite(str(tmp_path / "x.png"), pixels)
    assert score(tmp_path / "x.png", "--roi", "20,10,40,20", "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["total"]["mos_mean"] == pytest.approx(1 + 800 / 255, abs=1e-3)
    assert score(tmp_path / "x.png", "--roi", "20,10,400,20") == ExitCode.INPUT
    assert "x.png" in capsys.readouterr().err


def test_roi_that_fits_some_frames_only(score, folder, clip, capsys):
    assert score(folder, clip, "--roi", "0,0,60,40", "--json") == ExitCode.SKIPPED
    summary = json.loads(capsys.readouterr().out)
    assert summary["total"]["frames"] == 4
    assert str(clip) in summary["skipped"][0]


def test_broken_files_are_skipped_by_name(score, folder, tmp_path, capsys):
    (folder / "a3.png").write_bytes((folder / "a2.png").read_bytes()[:60])
    (folder / "empty.jpg").write_bytes(b"")
    out = tmp_path / "s.csv"
    assert score(folder, tmp_path / "absent.mp4", "--output", out) == ExitCode.SKIPPED
    assert [Path(row["source"]).name for row in rows(out)] == ["a1.png", "a2.png", "a10.png", "b.png"]
    err = capsys.readouterr().err
    for name in ("a3.png", "empty.jpg", "absent.mp4"):
        assert f"{name}: " in err


def test_broken_files_end_the_run_if_asked(score, folder, tmp_path, capsys):
    (folder / "a3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    out = tmp_path / "s.csv"
    out.write_text("as it was")
    assert score(folder, "--on-error", "fail", "--output", out) == ExitCode.INPUT
    assert "a3.png" in capsys.readouterr().err
    assert out.read_text() == "as it was"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "s.csv"]


def test_nothing_left_to_score(score, tmp_path, capsys):
    (tmp_path / "x.png").write_bytes(b"no picture")
    out, plot = tmp_path / "s.csv", tmp_path / "s.png"
    assert score(tmp_path / "x.png", "--output", out, "--plot", plot) == ExitCode.INPUT
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
    assert "no frame was left to score" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--output", "scores.txt"], ".csv or .jsonl"),
        (["--output", "scores"], ".csv or .jsonl"),
        (["--plot", "scores.jpeg"], ".png, .svg, .pdf"),
        (["--output-format", "csv"], "give --output too"),
        (["--json", "--output", "-"], "both want standard output"),
        (["--roi", "1,2,3"], "X,Y,WIDTH,HEIGHT"),
        (["--roi", "0,0,-1,5"], "X,Y,WIDTH,HEIGHT"),
        (["--threads", "0"], "1 to"),
        (["--threads", "x"], "1 to"),
        (["--every", "0"], "every"),
        (["-", "-"], "once only"),
    ],
)
def test_wrong_options(score, folder, capsys, monkeypatch, tmp_path, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert score(folder, *arguments) == ExitCode.USAGE
    assert text in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize("option", ["--output", "--plot"])
def test_output_that_cannot_be_written(score, folder, tmp_path, capsys, option):
    name = {"--output": "s.csv", "--plot": "s.png"}[option]
    assert score(folder, option, tmp_path / "absent" / name) == ExitCode.OUTPUT
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "name"), [("--output", "s.csv"), ("--plot", "s.png")])
def test_a_folder_where_the_output_should_be(score, folder, tmp_path, capsys, option, name):
    (tmp_path / name).mkdir()
    assert score(folder, option, tmp_path / name) == ExitCode.OUTPUT
    assert f"{tmp_path / name}: cannot be written: it is a folder" in capsys.readouterr().err


def test_output_through_a_link_and_into_a_pipe(score, folder, tmp_path):
    (tmp_path / "far").mkdir()
    link, far, pipe = tmp_path / "s.csv", tmp_path / "far" / "real.csv", tmp_path / "pipe.csv"
    far.write_text("old")
    link.symlink_to(far)
    assert score(folder, "--output", link) == ExitCode.OK
    assert link.is_symlink()
    assert len(rows(far)) == len(LEVELS)

    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    assert score(folder, "--output", pipe) == ExitCode.OK
    reader.join(10)
    assert received[0].count("\n") == 1 + len(LEVELS)
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_a_disk_that_is_full(score, folder, capsys):
    full = Path("/dev/full")
    assert score(folder, "--output", full, "--output-format", "csv") == ExitCode.OUTPUT
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert full.is_char_device()


def test_an_empty_name_is_not_the_working_directory(score, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert score("") == ExitCode.INPUT
    assert "an empty name" in capsys.readouterr().err


def test_bundle_that_is_refused(folder, tmp_path, capsys):
    assert main(["score", str(folder), "--model", str(tmp_path / "absent.leaf")]) == ExitCode.BUNDLE
    assert "LEAF_E_BUNDLE_NOT_FOUND" in capsys.readouterr().err


def test_names_that_are_no_text(score, tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9 \x1b[31m.png")
    cv2.imwrite(str(tmp_path / "x.png"), np.full((40, 40, 3), 9, np.uint8))
    (tmp_path / "x.png").rename(tmp_path / name)
    out = tmp_path / "s.csv"
    assert score(tmp_path / name, "--output", out, "--plot", tmp_path / "s.png") == ExitCode.OK
    assert rows(out)[0]["source"] == str(tmp_path / name)
    shown = capsys.readouterr().out
    assert "\x1b[31m" not in shown
    assert "[31m.png" in shown


def test_plots_of_every_kind_of_input(score, folder, clip, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib (leaf-edge[plot])")
    many = [y4m(tmp_path / f"c{i}.y4m", [20 * i, 30 * i]) for i in range(8)]
    for number, sources in enumerate(([folder], [clip], [folder / "a1.png"], [folder, clip], many)):
        out = tmp_path / f"plot{number}.png"
        assert score(*sources, "--plot", out) == ExitCode.OK
        picture = cv2.imread(str(out))
        assert min(picture.shape[:2]) > 500
        assert colors(picture) > 100
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(("suffix", "head"), [(".svg", b"<?xml"), (".PDF", b"%PDF-")])
def test_plots_of_other_formats(score, folder, tmp_path, suffix, head):
    pytest.importorskip("matplotlib", reason="needs matplotlib (leaf-edge[plot])")
    assert score(folder, "--plot", tmp_path / f"plot{suffix}") == ExitCode.OK
    assert (tmp_path / f"plot{suffix}").read_bytes().startswith(head)


def test_a_long_clip_is_drawn_in_steps(score, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib (leaf-edge[plot])")
    clip = y4m(tmp_path / "long.y4m", [i % 256 for i in range(1000)])
    assert score(clip, "--plot", tmp_path / "long.png", "--json") == ExitCode.OK
    picture = cv2.imread(str(tmp_path / "long.png"))
    assert picture.shape[1] == 1560
    assert colors(picture) > 200


def colors(picture: np.ndarray) -> int:
    """How many colours a picture has, roughly."""
    packed = picture[::3, ::3].astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    return len(np.unique(packed))
