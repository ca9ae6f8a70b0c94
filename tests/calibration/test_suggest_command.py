"""`leaf-edge suggest`: frames in, a list to fill in, and the list given back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from leaf_edge.calibration import CalibrationError
from leaf_edge.calibration.candidates import Key, from_scores, matched, read_ratings, view_statistics
from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.contract import FAULTS


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(30):
        base = rng.uniform(0, 255, (6, 6, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:02}.png"), cv2.resize(base, (256, 240)))
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_list_is_filled_in_and_given_back(
    frames: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    command = ["suggest", str(frames), "--model", str(tiny_bundle), "--count", "21"]
    assert main([*command, "--output", str(first)]) == ExitCode.OK
    assert "21 of 30 frames to rate next, 0 rated" in capsys.readouterr().out
    filled = rows_of(first)
    assert len({row["source"] for row in filled}) == 21 and all(row["reason"] for row in filled)
    # nothing filled in: the same list
    assert main([*command, "--rated", str(first), "--output", str(second)]) == ExitCode.OK
    assert rows_of(second) == filled
    rng = np.random.default_rng(1)
    for row in filled[:20]:
        row["mos"] = str(round(float(rng.uniform(1.5, 4.5)), 2))
    with first.open("w", newline="") as file:
        table = csv.DictWriter(file, filled[0])
        table.writeheader()
        table.writerows(filled)
    capsys.readouterr()
    assert main([*command, "--rated", str(first), "--output", str(second), "--json"]) == ExitCode.OK
    result = json.loads(capsys.readouterr().out)
    assert result["frames"] == 30 and result["rated"] == 20 and len(result["suggested"]) == 10
    assert not {row["source"] for row in rows_of(second)} & {row["source"] for row in filled[:20]}
    assert result["stop"]["ratings"] == 20 and result["stop"]["sentence"]
    assert "statistics of the views" in result["features"]


def test_scores_and_frames_read_alike(
    frames: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "scores.csv"
    assert main(["score", str(frames), "--model", str(tiny_bundle), "--output", str(scores)]) == ExitCode.OK
    capsys.readouterr()
    assert main(["suggest", "--scores", str(scores), "--count", "5", "--json"]) == ExitCode.OK
    result = json.loads(capsys.readouterr().out)
    assert len(result["suggested"]) == 5 and result["features"] == "scores and fault severities"
    command = ["suggest", str(frames), "--model", str(tiny_bundle), "--count", "30", "--json"]
    assert main(command) == ExitCode.OK
    raw = {row["source"]: row["raw"] for row in json.loads(capsys.readouterr().out)["suggested"]}
    assert all(row["raw"] == pytest.approx(raw[row["source"]], abs=2e-6) for row in result["suggested"])


def test_a_checkpoint_gives_its_own_features(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="needs torch (leaf-edge[train])")
    from leaf_edge.student.network import Student, StudentConfig, save_checkpoint

    path = tmp_path / "tiny.pt"
    save_checkpoint(path, Student(StudentConfig(width=0.25, expansion=1.0, head=32, joint=16)).eval())
    assert main(["suggest", str(frames), "--model", str(path), "--count", "3", "--json"]) == ExitCode.OK
    result = json.loads(capsys.readouterr().out)
    assert result["features"] == "the student's features" and len(result["suggested"]) == 3


def test_what_cannot_be_read_is_skipped_and_said(
    frames: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (frames / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    command = ["suggest", str(frames), "--model", str(tiny_bundle), "--count", "2"]
    assert main(command) == ExitCode.SKIPPED
    assert "skipped" in capsys.readouterr().err
    assert main(["suggest", str(frames / "broken.png"), "--model", str(tiny_bundle)]) == ExitCode.INPUT
    assert "no frame was left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        ([], ExitCode.USAGE, "one of the two"),
        (["a.png", "--scores", "s.csv"], ExitCode.USAGE, "one of the two"),
        (["a.png", "--count", "0"], ExitCode.USAGE, "--count is '0'"),
        (["a.png", "--tolerance", "much"], ExitCode.USAGE, "--tolerance is 'much'"),
        (["--scores", "absent.csv"], ExitCode.INPUT, "absent.csv"),
    ],
)
def test_wrong_options_are_one_line(
    more: list[str], status: ExitCode, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suggest", *more]) == status
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def _scores(path: Path, **change: Any) -> Path:
    row = {"source": "a.png", "frame": 0, "mos_lo": 2.0, "mos_hi": 3.0, "raw": 0.4}
    row |= dict.fromkeys(FAULTS, 0.1) | change
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, row)
        table.writeheader()
        table.writerow(row)
    return path


def test_uncertainty_and_disagreement_come_from_the_scores(tmp_path: Path) -> None:
    found = from_scores(_scores(tmp_path / "s.csv", disagreement=0.7))
    assert found.keys == [Key("a.png", 0)] and found.spread == pytest.approx([0.5])
    assert found.disagreement is not None and found.disagreement[0] == 0.7
    assert from_scores(_scores(tmp_path / "s.csv")).disagreement is None


def test_a_wrong_table_is_refused_by_line(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="line 2: raw is 'high'"):
        from_scores(_scores(tmp_path / "s.csv", raw="high"))
    (tmp_path / "r.csv").write_text("source,mos\na.png,3\nb.png,7\n")
    with pytest.raises(CalibrationError, match="line 3: mos is 7; expected 1 to 5"):
        read_ratings(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_text("name,score\n")
    with pytest.raises(CalibrationError, match="lacks the columns source, mos"):
        read_ratings(tmp_path / "r.csv")


def test_ratings_find_their_frames_in_order_of_arrival(tmp_path: Path) -> None:
    found = from_scores(_scores(tmp_path / "s.csv", source="x/../a.png", frame=7))
    (tmp_path / "r.csv").write_text("source,frame,mos\nb.png,0,3\n./a.png,7,2\na.png,7,3\na.png,8,\n")
    ratings = read_ratings(tmp_path / "r.csv")
    assert ratings == [(Key("b.png", 0), 3.0), (Key("./a.png", 7), 2.0), (Key("a.png", 7), 3.0)]
    assert matched(found, ratings) == ([0], [2.5], 1)


def test_view_statistics_see_exposure_and_sharpness() -> None:
    rng = np.random.default_rng(0)
    views = rng.integers(0, 100, (3, 2, 3, 224, 224), np.uint8)
    views[1] += 100
    views[2, 1] = cv2.blur(views[2, 1].transpose(1, 2, 0), (9, 9)).transpose(2, 0, 1)
    found = view_statistics(views)
    assert found.shape == (3, 25)
    assert found[1, :16] == pytest.approx(found[1, :16].mean(), abs=3) and found[1, 0] > found[0, 0] + 90
    assert found[2, -2] < 0.3 * found[0, -2]
