"""From a student to a bundle, and the refusals on the way."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from export_inputs import rated, scenes, small_student

from leaf_edge import load
from leaf_edge.bundle import Licence, load_bundle
from leaf_edge.calibration import CalibrationError
from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.export import About, Budgets, BuildOptions, RefusedError, build_bundle
from leaf_edge.export.golden import frame_bytes, golden_frames
from leaf_edge.student.network import save_checkpoint

# of a random student: the test is of the machinery, not of this network's manners in INT8
LOOSE = Budgets(srcc_loss=0.2, mos_mean=1, mos_max=4, fault_mean=0.5, flips=1, disagreement=2)


@pytest.fixture(scope="module")
def sets():
    student = small_student()
    return student, {
        "calibration": scenes(24, seed=1),
        "fit": rated(student, 40, seed=2),
        "validation": rated(student, 40, seed=3),
    }


def test_round_trip(sets, tmp_path: Path) -> None:
    student, inputs = sets
    folder = tmp_path / "tiny.leaf"
    about = About("1.2.0", ("drawn scenes",), "abc", {"srcc": 0.9}, (Licence("scenes", "Apache-2.0"),))
    said: list[str] = []
    options = BuildOptions(budgets=LOOSE)
    bundle, report = build_bundle(student, folder, **inputs, about=about, options=options, say=said.append)
    assert said and report.failures == ()
    assert load_bundle(folder).manifest == bundle.manifest
    assert bundle.manifest.training.figures["export"]["accepted"] is True
    card = bundle.contents["card.md"].decode()
    for text in (
        "tiny 1.2.0",
        "drawn scenes",
        "Apache-2.0",
        "Intended use",
        "Limits",
        report.parity.to_text(),
    ):
        assert text in card
    for encoding in ("cpu", "trt"):
        assert len(bundle.manifest.golden) == len(golden_frames())
        scorer = load(folder, encoding=encoding, self_test=True)
        score = scorer.score(golden_frames()["golden/2-dusk.rgb.raw"])
        assert 1 <= score.mos_lo <= score.mos <= score.mos_hi <= 5
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.leaf"]
    with pytest.raises(FileExistsError):
        build_bundle(student, folder, **inputs)


def test_refusal_writes_nothing(sets, tmp_path: Path) -> None:
    student, inputs = sets
    options = BuildOptions(budgets=Budgets(mos_mean=0.0), most_float=0)
    with pytest.raises(RefusedError, match="mean change in MOS") as caught:
        build_bundle(student, tmp_path / "tiny.leaf", **inputs, options=options)
    assert caught.value.report.to_dict()["accepted"] is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["noise", "few"])
def test_unfit_calibration_is_refused(sets, tmp_path: Path, what: str) -> None:
    student, inputs = sets
    noise = np.random.default_rng(0).integers(0, 256, (20, 2, 3, 224, 224), np.uint8)
    views = noise if what == "noise" else inputs["calibration"][:4]
    with pytest.raises(CalibrationError):
        build_bundle(student, tmp_path / "tiny.leaf", **{**inputs, "calibration": views})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tiny", "Tiny.leaf", ".leaf"])
def test_names(sets, tmp_path: Path, name: str) -> None:
    student, inputs = sets
    with pytest.raises(ValueError, match=r"leaf-s\.leaf"):
        build_bundle(student, tmp_path / name, **inputs)


def test_golden_frames_are_small_and_repeatable() -> None:
    first, second = golden_frames(), golden_frames()
    assert {n: frame_bytes(f) for n, f in first.items()} == {n: frame_bytes(f) for n, f in second.items()}
    assert sum(len(frame_bytes(f)) for f in first.values()) < 400_000


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint and a folder that looks like BIQ2021."""
    folder = tmp_path_factory.mktemp("export")
    student = small_student()
    save_checkpoint(folder / "best.pt", student, validation={"srcc": 0.5}, epoch=3)
    data = folder / "data"
    (data / "images").mkdir(parents=True)
    ratings = rated(student, 300, seed=4)
    rows = ["file,mos,subset,scene_group"]
    for i, (views, mos) in enumerate(zip(ratings.views, ratings.mos, strict=True)):
        picture = np.ascontiguousarray(views[0].transpose(1, 2, 0)[:, :, ::-1])
        cv2.imwrite(str(data / "images" / f"{i}.png"), picture)
        rows.append(f"{i}.png,{(mos - 1) / 4:.4f},ss01,{i}")
    (data / "mos.csv").write_text("\n".join(rows) + "\n")
    return folder / "best.pt", data


def test_command_refuses(command_line, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, data = command_line
    out, report = tmp_path / "tiny.leaf", tmp_path / "report.json"
    arguments = ["export", str(checkpoint), "--data", str(data), "--output", str(out), "--json", str(report)]
    arguments += ["--calibration-frames", "20", "--most-float", "0", "--max-mos-mean", "0"]
    assert main(arguments) == ExitCode.REFUSED
    text = capsys.readouterr()
    assert "refused: cpu: mean change in MOS" in text.err and "mean dMOS" in text.out
    assert json.loads(report.read_text())["accepted"] is False
    assert not out.exists()


def test_command_writes(command_line, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, data = command_line
    out, graph = tmp_path / "tiny.leaf", tmp_path / "tiny.onnx"
    arguments = ["export", str(checkpoint), "--data", str(data), "--output", str(out), "--onnx", str(graph)]
    arguments += ["--calibration-frames", "20", "--coverage", "0.8"]
    for name in ("srcc-loss", "mos-mean", "mos-max", "fault-mean", "flips", "disagreement"):
        arguments += [f"--max-{name}", "5"]
    assert main(arguments) == ExitCode.OK, capsys.readouterr().err
    assert load_bundle(out).manifest.encodings["cpu"].interval.coverage == 0.8
    assert graph.stat().st_size > 10_000
    assert main(arguments) == ExitCode.OUTPUT  # it is there now
    assert "--overwrite" in capsys.readouterr().err


def test_command_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["export", "best.pt", "--data", "nowhere", "--output", str(tmp_path / "tiny")]
    assert main(arguments) == ExitCode.USAGE
    assert "NAME.leaf" in capsys.readouterr().err
