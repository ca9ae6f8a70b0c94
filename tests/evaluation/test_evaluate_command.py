"""`leaf-edge evaluate --data` on small sets whose answers follow from the pictures' brightness."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from leaf_edge.cli.main import main

LEVELS = (30, 60, 90, 120, 150, 180, 210, 240, 45, 75)


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """Grey pictures that the tiny bundle scores by brightness, so that MOS is known: 1 + 4 level / 255.

    Ratings agree with it but for one picture, which is rated far off; subsets `a` and `b`, scenes of two.
    """
    folder = tmp_path / "set"
    folder.mkdir()
    lines = ["file,mos,std,subset,group,split"]
    for i, level in enumerate(LEVELS):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((40, 60, 3), level, np.uint8))
        mos = 1 + 4 * level / 255 if level != 240 else 2.0
        lines.append(f"{i}.png,{mos:.4f},0.2,{'ab'[i % 2]},s{i // 2},{'test' if i < 8 else 'train'}")
    (folder / "mos.csv").write_text("\n".join(lines) + "\n")
    return folder


def evaluate(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    assert main(["evaluate", *map(str, words), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    return report  # type: ignore[no-any-return]


def test_agreement_intervals_subsets_and_coverage(
    tiny_bundle: Path, rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "predictions.csv"
    report = evaluate(capsys, tiny_bundle, "--data", rated, "--csv", out, "--bootstrap", 200)
    rows = report["mos"]
    assert list(rows) == ["all", "a", "b"] and [r["pictures"] for r in rows.values()] == [8, 4, 4]
    assert rows["a"]["srcc"] == pytest.approx(1) and rows["a"]["rmse"] < 0.02
    assert rows["all"]["srcc"] == pytest.approx(1 - 6 * (1 + 1 + 1 + 1 + 1 + 25) / (8 * 63))
    # 0.3 MOS to either side (quantile 1.5, spread 0.05 of a scale of 4): all but the one rated far off
    assert report["coverage"] == 0.9 and rows["all"]["coverage"] == 7 / 8 and rows["a"]["coverage"] == 1
    assert rows["all"]["interval_width"] == pytest.approx(0.6, abs=0.03)
    low, high = rows["all"]["intervals"]["krcc"]
    assert -1 <= low < rows["all"]["krcc"] < high <= 1
    assert report["data"] == {
        **{"set": "mos", "split": "test", "pictures": 8, "groups": 4, "licence": "not known", "note": ""}
    }
    with out.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["group"] for row in table] == [f"s{i // 2}" for i in range(8)]
    assert float(table[0]["predicted"]) == pytest.approx(1 + 4 * 30 / 255, abs=0.02)
    assert float(table[0]["mos_hi"]) - float(table[0]["mos_lo"]) == pytest.approx(0.6, abs=0.002)


def test_split_set_fit_and_no_intervals(
    tiny_bundle: Path, rated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = evaluate(
        capsys, tiny_bundle, "--data", rated / "mos.csv", "--set", "csv", "--split", "all", "--bootstrap", 0
    )
    assert report["data"]["pictures"] == 10 and report["mos"]["all"]["intervals"] == {}
    train = evaluate(capsys, tiny_bundle, "--data", rated, "--split", "train", "--fit", 5)
    assert train["mos"]["all"]["fit"] == "linear"
    assert any("2 pictures; a fit of 5 parameters needs 10" in n for n in train["mos"]["all"]["notes"])


def test_the_printed_tables_name_the_set_and_what_is_missing(
    tiny_bundle: Path, rated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (rated / "mos.csv").read_text().replace(",0.2,", ",,")
    (rated / "mos.csv").write_text(text)
    assert main(["evaluate", str(tiny_bundle), "--data", str(rated), "--bootstrap", "50"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "subset ┃ SRCC ┃ PLCC ┃ KRCC ┃ RMSE ┃ pictures" in out
    assert "mos, split test: 8 pictures, 4 scenes" in out
    assert "outlier ratio: the set gives no deviation of the ratings" in out
    assert "inside: MOS in the 90% interval" in out


def test_a_checkpoint_gives_no_coverage(
    rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="needs torch (leaf-edge[train])")
    from leaf_edge.student.network import Student, StudentConfig, save_checkpoint

    path = tmp_path / "a.pt"
    save_checkpoint(path, Student(StudentConfig(0.25, 2, 16, 8)))
    report = evaluate(capsys, path, "--data", rated, "--bootstrap", 0)
    assert report["coverage"] is None and "coverage" not in report["mos"]["all"]


def test_a_bundle_is_evaluated_without_torch(tiny_bundle: Path, rated: Path) -> None:
    code = (
        "import sys; from leaf_edge.cli.main import main; "
        f"status = main(['evaluate', {str(tiny_bundle)!r}, '--data', {str(rated)!r}, '--bootstrap', '9']); "
        "sys.exit(status or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "status", "match"),
    [
        (["--split", "val"], 4, "mos has no split 'val'; expected train, test, all"),
        (["--set", "kadid10k"], 4, "dmos.csv not found"),
        (["--bootstrap", "-1"], 2, "--bootstrap is -1; expected 0 to"),
        (["--csv", "/absent/out.csv"], 8, "/absent/out.csv: No such file"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: list[str],
    status: int,
    match: str,
    tiny_bundle: Path,
    rated: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", str(tiny_bundle), "--data", str(rated), *words]) == status
    assert match in capsys.readouterr().err


def test_options_of_data_need_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "leaf-s", "--clean", "x", "--csv", "y"]) == 2
    assert "--csv belongs to --data" in capsys.readouterr().err


def test_a_broken_picture_is_named(
    tiny_bundle: Path, rated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rated / "3.png").write_bytes(b"not a picture")
    assert main(["evaluate", str(tiny_bundle), "--data", str(rated)]) == 4
    assert "3.png" in capsys.readouterr().err
