"""From a student to a bundle, and the refusals on the way."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from export_inputs import rated, scenes, tiny_student

from leaf_edge import load
from leaf_edge.bundle import Licence, load_bundle
from leaf_edge.calibration import CalibrationError
from leaf_edge.export import About, Budgets, BuildOptions, Rated, RefusedError, build_bundle
from leaf_edge.export.golden import frame_bytes, golden_frames

# of a random student: the test is of the machinery, not of this network's manners in INT8
LOOSE = Budgets(
    srcc_loss=0.2, mos_mean=1, mos_max=4, fault_mean=0.5, flips=1, pair_mean=2, pair_max=4, pair_flips=1
)


@pytest.fixture(scope="module")
def sets():
    student = tiny_student()
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
    export = bundle.manifest.training.figures["export"]
    assert export["accepted"] is True
    table = {(row["engine"], row["against"]): row for row in export["parity"]["rows"]}
    assert list(table) == [
        ("torch", "onnx"),
        ("onnx", "onnx"),
        ("cpu", "onnx"),
        ("trt", "onnx"),
        ("trt", "cpu"),
    ]
    assert table["torch", "onnx"]["mos_max"] < 1e-3 < table["cpu", "onnx"]["mos_max"]
    assert export["parity"]["budgets"]["mos_mean"] == LOOSE.mos_mean
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
    unlike = Rated(inputs["validation"].views, 6 - inputs["validation"].mos)
    with pytest.raises(RefusedError, match="mean change in MOS") as caught:
        build_bundle(student, tmp_path / "tiny.leaf", **{**inputs, "validation": unlike}, options=options)
    assert caught.value.report.to_dict()["accepted"] is False
    assert any("the 90% interval holds" in text for text in caught.value.report.failures)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_breaks_int8_stays_in_float(
    sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One channel of the last block takes all codes of its tensor; the float network is the same."""
    student, inputs = copy.deepcopy(sets[0]), sets[1]
    with torch.no_grad():
        project = student.blocks[-1].project.conv
        project.weight[0] *= 1000
        project.bias[0] *= 1000
        student.head.conv.weight[:, 0] /= 1000
    folder = tmp_path / "tiny.leaf"
    monkeypatch.setattr("leaf_edge.export.mend.SENSITIVITY_FRAMES", 4)
    said: list[str] = []
    options = BuildOptions(budgets=replace(LOOSE, mos_mean=0.1), most_float=1)
    bundle, report = build_bundle(student, folder, **inputs, options=options, say=said.append)
    assert [text.split()[0] for text in said if "breaks its budgets" in text] == ["cpu", "trt"]
    assert report.keep_float == {"cpu": ("head",), "trt": ("head",)}
    assert "head" in bundle.contents["card.md"].decode().split("INT8 against float")[1]


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
