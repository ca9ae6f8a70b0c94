"""`leaf-edge recalibrate` on the shipped bundle, with pictures made here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from leaf_edge.bundle import SHIPPED, BundleError, load_bundle, locate
from leaf_edge.bundle.manifest import SCHEMA
from leaf_edge.cli.main import main
from leaf_edge.frames import read_image
from leaf_edge.runtime.scorer import load


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures that leaf-s tells apart, rated one MOS worse than it says, and a little apart from that."""
    try:
        scorer = load(SHIPPED[0])
    except BundleError:
        pytest.skip("no shipped model in leaf_edge/models yet")
    folder = tmp_path_factory.mktemp("camera")
    rng = np.random.default_rng(5)
    rows = ["file,mos,subset"]
    for i in range(24):
        noise = cv2.GaussianBlur(rng.normal(0, 90, (240, 320, 3)), (0, 0), 6)
        for _ in range(12):
            a, b = rng.integers(0, 320, 2), rng.integers(0, 240, 2)
            cv2.rectangle(noise, (int(a[0]), int(b[0])), (int(a[1]), int(b[1])), rng.uniform(-80, 80, 3), -1)
        picture = np.clip(128 + noise + rng.normal(0, 3 * (i % 8), noise.shape), 0, 255)
        blurred = cv2.GaussianBlur(picture.astype(np.uint8), (0, 0), 0.2 + (i % 5) * 0.8)
        path = folder / f"{i:02}.png"
        cv2.imwrite(str(path), blurred)
        mos = scorer.score(read_image(path)).mos - 0.8 + rng.normal(0, 0.05)
        rows.append(f"{path.name},{np.clip(mos, 1, 5):.3f},{'day' if i % 2 else 'night'}")
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
    return folder


def words(rated: Path, output: Path, *more: str) -> list[str]:
    return ["recalibrate", "leaf-s", "--data", str(rated / "ratings.csv"), "--output", str(output), *more]


def test_only_the_calibration_of_the_bundle_changes(
    rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "door.leaf"
    assert main(words(rated, output, "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    old, new = load_bundle(locate("leaf-s")), load_bundle(output)
    assert dict(old.contents) == dict(new.contents)
    a, b = json.loads(old.text), json.loads(new.text)
    assert told["change"] in ("shift", "line")
    assert b["name"] == "door" and b["version"].startswith(a["version"] + "+cal.")
    (note,) = b["training"]["figures"].pop("recalibrated")
    assert note["ratings"] == 24 and note["change"] == told["change"] and note["from"]["name"] == "leaf-s"
    for name in ("cpu", "trt"):
        assert a["encodings"][name].pop("curve") != b["encodings"][name].pop("curve")
        a["encodings"][name].pop("interval"), b["encodings"][name].pop("interval")
    for frame, was in zip(b["golden"], a["golden"], strict=True):
        for name, score in frame["scores"].items():
            curve = new.encoding(name).curve
            assert score.pop("mos") == pytest.approx(curve(score["raw"]))
            was["scores"][name].pop("mos")
    for key in ("name", "version"):
        del a[key], b[key]
    assert a.pop("schema") <= b.pop("schema") == SCHEMA
    for key in ("acceptance", "engines"):  # schema 1 has neither
        assert b.pop(key) == a.pop(key, [] if key == "engines" else None)
    assert a == b and b["signature"] is None
    for name in ("cpu", "trt"):
        load(output, encoding=name, self_test=True)


def test_the_scores_move_towards_the_ratings(rated: Path, tmp_path: Path) -> None:
    output = tmp_path / "cam.leaf"
    assert main(words(rated, output)) == 0
    rows = [line.split(",") for line in (rated / "ratings.csv").read_text().splitlines()[1:]]
    mos = np.array([float(row[1]) for row in rows])

    def errors(model: str | Path) -> np.ndarray:
        scorer = load(model)
        return np.array([scorer.score(read_image(rated / row[0])).mos for row in rows]) - mos

    before, after = (np.abs(errors(model)).mean() for model in ("leaf-s", output))
    assert after < 0.15 and after < before / 2


def test_it_is_deterministic_and_keeps_a_history(rated: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a" / "cam.leaf", tmp_path / "b" / "cam.leaf"
    for output in (a, b):
        output.parent.mkdir()
        assert main(words(rated, output)) == 0
    assert (a / "manifest.json").read_bytes() == (b / "manifest.json").read_bytes()
    again = [
        "recalibrate",
        str(a),
        "--data",
        str(rated / "ratings.csv"),
        "--output",
        str(tmp_path / "c.leaf"),
    ]
    assert main(again) == 0
    notes = load_bundle(tmp_path / "c.leaf").manifest.training.figures["recalibrated"]
    assert [note["from"]["name"] for note in notes] == ["leaf-s", "cam"]
    assert notes[0]["held_out_rmse"]["keep"] > 0.25 and notes[1]["held_out_rmse"]["keep"] < 0.1


def test_it_needs_neither_torch_nor_scipy(rated: Path, tmp_path: Path) -> None:
    blocked = "import sys\nfor m in ('torch','scipy','onnx','pandas'): sys.modules[m] = None\n"
    command = words(rated, tmp_path / "edge.leaf")
    code = f"{blocked}from leaf_edge.cli.main import main; sys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "edge.leaf" / "manifest.json").is_file()


def test_an_encoding_that_does_not_run_here_moves_with_the_other(tiny_bundle: Path, tmp_path: Path) -> None:
    from helpers_bundle import grey_score, tiny_contents, tiny_manifest

    from leaf_edge.bundle import write_bundle

    model = tmp_path / "half.leaf"
    write_bundle(model, tiny_manifest(), {**tiny_contents(), "model.trt.onnx": b"an engine's food"})
    rng = np.random.default_rng(0)
    rows = ["file,mos"]
    for i in range(20):
        level = 60 + 6 * i
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((40, 40, 3), level, np.uint8))
        rows.append(f"{i}.png,{np.clip(grey_score(level).mos + 0.7 + rng.normal(0, 0.1), 1, 5):.3f}")
    (tmp_path / "r.csv").write_text("\n".join(rows))
    output = tmp_path / "out.leaf"
    assert main(["recalibrate", str(model), "--data", str(tmp_path / "r.csv"), "--output", str(output)]) == 0
    new = load_bundle(output)
    cpu, trt = new.encoding("cpu"), new.encoding("trt")
    assert cpu.curve == trt.curve and cpu.curve(0.5) > 3.4
    assert new.manifest.training.figures["recalibrated"][0]["scored"] == ["cpu"]


def test_what_is_refused_and_how(rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (rated / "ratings.csv").read_text().splitlines()

    def attempt(text: list[str]) -> tuple[int, str]:
        listing = tmp_path / "r.csv"
        listing.write_text("\n".join(text))
        output = tmp_path / "no.leaf"
        command = ["recalibrate", "leaf-s", "--data", str(listing), "--root", str(rated)]
        status = main([*command, "--output", str(output)])
        assert not output.exists() and not output.with_name("no.leaf.part").exists()
        return status, capsys.readouterr().err

    assert attempt(lines[:9]) == (7, "refused: a curve needs at least 10 ratings; found 8 (encoding cpu)\n")
    status, text = attempt([lines[0], *(f"{row.split(',')[0]},3" for row in lines[1:])])
    assert status == 7 and "all MOS are 3" in text
    falling = [f"{row.split(',')[0]},{6 - float(row.split(',')[1]):.3f}" for row in lines[1:]]
    assert attempt([lines[0], *falling])[0] == 7
    status, text = attempt([*lines, "gone.png,3", "lost.png,2"])
    assert status == 4 and "2 of 26" in text and "gone.png" in text and "lost.png" in text
    status, text = attempt([*lines, "00.png,3"])
    assert status == 4 and "listed twice" in text
    status, text = attempt([*lines, "x.png,6"])
    assert status == 4 and "line 26" in text and "1 (bad) to 5" in text
    assert attempt(["picture,score", "00.png,3"])[0] == 4
    shutil.copy(rated / "ratings.csv", rated / "not.png")
    status, text = attempt([*lines, "not.png,3"])
    assert status == 4 and "not.png" in text


@pytest.mark.parametrize(
    ("more", "status", "text"),
    [
        (["--output", "cam"], 2, "expected NAME.leaf"),
        (["--output", "none/cam.leaf"], 8, "make it first"),
        (["--output", "cam.leaf", "--threads", "0"], 2, "1 to 256"),
    ],
)
def test_options(more, status, text, rated, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["recalibrate", "leaf-s", "--data", str(rated / "ratings.csv"), *more]) == status
    assert text in capsys.readouterr().err


def test_an_existing_bundle_stays_unless_asked(rated: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "cam.leaf"
    assert main(words(rated, output)) == 0
    assert main(words(rated, output)) == 8
    assert main(words(rated, output, "--overwrite", "--name", "other")) == 0
    assert load_bundle(output).name == "other"
