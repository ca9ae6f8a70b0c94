"""`leaf-edge export`: what it writes, what it refuses, and its exit status."""

from __future__ import annotations

import itertools
import json
from dataclasses import fields
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from export_inputs import rated, tiny_student

from leaf_edge.bundle import load_bundle
from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.export_table import worst_text
from leaf_edge.cli.main import main
from leaf_edge.datasets.biq2021 import split_of
from leaf_edge.export import Budgets
from leaf_edge.export.report import WorstFrame
from leaf_edge.runtime.preflight import NoDriver, probe_driver
from leaf_edge.student.network import save_checkpoint

FEW = ("--calibration-frames", "20")


def groups(side: str, count: int) -> list[str]:
    """Names of scene groups that the split puts on that side."""
    return list(islice((g for g in map(str, itertools.count()) if split_of(g) == side), count))


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint and a folder that looks like BIQ2021."""
    folder = tmp_path_factory.mktemp("export")
    student = tiny_student()
    settings = {"pool": "9 pictures, 0123abc"}
    save_checkpoint(folder / "best.pt", student, validation={"srcc": 0.5}, epoch=3, train=settings)
    data = folder / "data"
    (data / "images").mkdir(parents=True)
    names = groups("train", 20) + groups("val", 60)
    ratings = rated(student, len(names), seed=4)
    rows = ["file,mos,subset,scene_group"]
    for name, views, mos in zip(names, ratings.views, ratings.mos, strict=True):
        picture = np.ascontiguousarray(views[0].transpose(1, 2, 0)[:, :, ::-1])
        cv2.imwrite(str(data / "images" / f"{name}.png"), picture)
        rows.append(f"{name}.png,{(mos - 1) / 4:.4f},ss01,{name}")
    (data / "mos.csv").write_text("\n".join(rows) + "\n")
    return folder / "best.pt", data


def test_command_refuses(
    command_line, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaf_edge.export.mend.SENSITIVITY_FRAMES", 4)
    layers = tmp_path / "layers.json"
    checkpoint, data = command_line
    out, report = tmp_path / "tiny.leaf", tmp_path / "report.json"
    arguments = ["export", str(checkpoint), "--data", str(data), "--output", str(out), "--json", str(report)]
    arguments += [
        "--onnx",
        str(tmp_path / "tiny.onnx"),
        "--calibration-frames",
        "20",
        "--most-float",
        "0",
        "--max-mos-mean",
        "0",
        "--refused-to",
        str(tmp_path / "refused"),
        "--sensitivity",
        str(layers),
    ]
    assert main(arguments) == ExitCode.REFUSED
    text = capsys.readouterr()
    assert "refused: LEAF_E_EXPORT_MOS_MEAN: cpu: mean change in MOS" in text.err and "mean dMOS" in text.out
    told = json.loads(report.read_text())
    assert told["accepted"] is False and Path(told["worst"][0]["name"]).parent == data / "images"
    costs = json.loads(layers.read_text())
    assert sorted(costs) == ["cpu", "trt"] and costs["cpu"]["frames"] == 4
    assert {"layer", "alone", "gain"} == set(costs["trt"]["layers"][0])
    assert "gain in float" in text.out
    layers.unlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["refused", "report.json", "report.worst.png"]
    assert sorted(p.name for p in (tmp_path / "refused").iterdir()) == [
        "report.json",
        "table.txt",
        "worst.png",
    ]
    assert "LEAF_E_EXPORT_MOS_MEAN" in (tmp_path / "refused" / "table.txt").read_text()


def noise_pictures(folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(17):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (224, 224, 3), np.uint8))
    return folder


def test_frames_of_the_camera_are_checked_alone(
    command_line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = command_line
    base = ["export", str(checkpoint), "--check-frames"]
    report = tmp_path / "frames.json"
    arguments = [*base, "--frames", str(data / "images"), "--data", str(data), "--json", str(report)]
    assert main([*arguments, "--calibration-frames", "30"]) == ExitCode.OK
    assert "share of validation frames with a calibration frame like them" in capsys.readouterr().out
    told = json.loads(report.read_text())
    assert told["accepted"] and told["frames"] == 30 and told["likeness"]["share"] > 0.4
    noise = noise_pictures(tmp_path / "noise")
    (noise / "broken.png").write_bytes(b"no picture")
    assert main([*base, "--frames", str(noise)]) == ExitCode.REFUSED
    text = capsys.readouterr()
    assert "LEAF_E_CALIBRATION_RANDOM" in text.out and "coverage was not checked" in text.err
    assert "broken.png" in text.err
    assert main([*base, "--frames", str(tmp_path / "none")]) == ExitCode.INPUT
    assert "no such file" in capsys.readouterr().err


def test_noise_as_the_cameras_frames_is_taken_only_with_a_mark(
    command_line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = command_line
    out = tmp_path / "noise.leaf"
    arguments = ["export", str(checkpoint), "--data", str(data), "--output", str(out)]
    arguments += ["--frames", str(noise_pictures(tmp_path / "noise"))]
    arguments += ["--validation-frames", "20", "--most-float", "0"]
    assert main(arguments) == ExitCode.REFUSED
    assert "refused: LEAF_E_CALIBRATION_RANDOM" in capsys.readouterr().err and not out.exists()
    assert main([*arguments, "--accept-anyway"]) == ExitCode.OK
    assert "accepted anyway: LEAF_E_CALIBRATION_RANDOM" in capsys.readouterr().err
    bundle = load_bundle(out)
    acceptance = bundle.manifest.acceptance
    assert (
        "- pictures without ratings, judged by a teacher: 9 pictures, 0123abc"
        in bundle.contents["card.md"].decode()
    )
    assert acceptance is not None and acceptance.anyway and "random noise" in acceptance.failures[0]


def test_command_writes(command_line, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, data = command_line
    out, graph = tmp_path / "tiny.leaf", tmp_path / "tiny.onnx"
    arguments = ["export", str(checkpoint), "--data", str(data), "--output", str(out), "--onnx", str(graph)]
    arguments += [*FEW, "--coverage", "0.8", "--trained-on", "our yard", "--licence", "yard", "ours"]
    for budget in fields(Budgets):
        arguments += [f"--max-{budget.name.replace('_', '-')}", "5"]
    assert main(arguments) == ExitCode.OK, capsys.readouterr().err
    bundle = load_bundle(out)
    assert bundle.manifest.encodings["cpu"].interval.coverage == 0.8
    card = bundle.contents["card.md"].decode()
    assert "- our yard" in card and "- yard: ours" in card and "srcc 0.5" in card and "BIQ2021" not in card
    assert graph.stat().st_size > 10_000
    assert main(arguments) == ExitCode.OUTPUT  # it is there now
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "more", "status", "text"),
    [
        ("tiny", (), ExitCode.USAGE, "NAME.leaf"),
        ("Tiny.leaf", (), ExitCode.USAGE, "lower case"),
        ("none/tiny.leaf", (), ExitCode.OUTPUT, "there is no folder"),
        ("tiny.leaf", ("--json", "none/report.json"), ExitCode.OUTPUT, "there is no folder none"),
        ("tiny.leaf", ("--qat", "-1"), ExitCode.USAGE, "--qat is -1"),
        ("tiny.leaf", ("--min-coverage", "2"), ExitCode.USAGE, "--min-coverage is 2"),
        ("tiny.leaf", ("--coverage", "1"), ExitCode.USAGE, "between 0 and 1"),
        ("tiny.leaf", ("--max-flips", "nan"), ExitCode.USAGE, "--max-flips must be 0 or more"),
        ("tiny.leaf", ("--threshold", "9"), ExitCode.USAGE, "--threshold is 9; expected a MOS, 1 to 5"),
        ("tiny.leaf", ("--threshold", "nan"), ExitCode.USAGE, "--threshold is nan"),
        ("tiny.leaf", ("--keep-float", "stern"), ExitCode.USAGE, "no such INT8 layer"),
        ("tiny.leaf", ("--calibration-frames", "5"), ExitCode.REFUSED, "too few"),
        (
            "tiny.leaf",
            ("--calibration-frames", "20", "--validation-frames", "5"),
            ExitCode.REFUSED,
            "10 labels",
        ),
    ],
)
def test_command_errors(command_line, tmp_path: Path, capsys, output, more, status, text) -> None:
    checkpoint, data = command_line
    arguments = ["export", str(checkpoint), "--data", str(data), "--output", str(tmp_path / output), *more]
    assert main(arguments) == status
    assert text in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", ["checkpoint", "data", "no checkpoint", "no data"])
def test_command_inputs(command_line, tmp_path: Path, capsys, broken: str) -> None:
    checkpoint, data = command_line
    out = tmp_path / "tiny.leaf"
    file = tmp_path / ("mos.csv" if "data" in broken else "best.pt")
    if not broken.startswith("no "):
        file.write_bytes(b"not what it should be")
    if "data" in broken:
        data = tmp_path
    else:
        checkpoint = file
    assert main(["export", str(checkpoint), "--data", str(data), "--output", str(out)]) == ExitCode.INPUT
    named = tmp_path if "data" in broken else file  # of data the folder: several layouts are looked for
    said = capsys.readouterr().err
    assert str(named) in said and "weights_only" not in said
    assert not out.exists()


def test_worst_frames_have_a_line_each() -> None:
    worst = [WorstFrame(7, "yard/7.png", "cpu", 3.1, 2.4), WorstFrame(9, "", "trt", 2.0, 2.5)]
    assert worst_text(worst).splitlines() == [
        "-0.70 MOS in cpu (3.10 to 2.40): yard/7.png",
        "+0.50 MOS in trt (2.00 to 2.50): validation frame 9",
    ]


def test_tensorrt_that_is_asked_for_and_not_there_ends_with_its_own_code(
    command_line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not isinstance(probe_driver(), NoDriver):
        pytest.skip("this machine has a driver")
    checkpoint, data = command_line
    words = ["export", str(checkpoint), "--data", str(data), "--output", str(tmp_path / "tiny.leaf"), *FEW]
    assert main([*words, "--accept-on", "tensorrt"]) == ExitCode.DEVICE
    assert "leaf-edge: --accept-on tensorrt: no engine can be built here: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
