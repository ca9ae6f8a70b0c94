"""Students that were broken on purpose, each refused with its own reason."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from export_inputs import rated, raw_scores, rescaled, scenes, tiny_student

from leaf_edge.calibration.frames import FrameCode, FramesError
from leaf_edge.export import BuildOptions, RefusedError, StudentError, build_bundle
from leaf_edge.export.diagnose import CHANNEL_RANGES, HEAD_SATURATED, channel_ranges
from leaf_edge.export.net import from_student


@pytest.fixture(scope="module")
def sets():
    student = tiny_student()
    inputs = {
        "calibration": scenes(20, seed=1),
        "fit": rated(student, 30, seed=2),
        "validation": rated(student, 30, seed=3),
    }
    return student, inputs


def test_weights_rescaled_layer_by_layer_are_refused_for_their_ranges(sets, tmp_path: Path) -> None:
    student, inputs = sets
    views = inputs["validation"].views
    broken = rescaled(student, octaves=10)
    np.testing.assert_array_equal(raw_scores(broken, views), raw_scores(student, views))  # the same function
    with pytest.raises(RefusedError) as caught:
        build_bundle(broken, tmp_path / "tiny.leaf", **inputs, options=BuildOptions(most_float=0))
    report = caught.value.report
    assert report.codes[0] == CHANNEL_RANGES and "LEAF_E_EXPORT_MOS_MEAN" in report.codes
    assert "of 255 codes" in report.failures[0] and "project" in report.failures[0]
    assert list(tmp_path.iterdir()) == []


def test_the_student_before_has_no_such_ranges(sets) -> None:
    student, inputs = sets
    worst = channel_ranges(from_student(student), inputs["calibration"][:8])[0].levels
    broken = channel_ranges(from_student(rescaled(student, octaves=10)), inputs["calibration"][:8])[0].levels
    assert broken < 6 < 60 < worst


@pytest.mark.parametrize("head", ["mos", "spread", "faults"])
def test_a_saturated_head_is_refused(sets, tmp_path: Path, head: str) -> None:
    student, inputs = copy.deepcopy(sets[0]), sets[1]
    with torch.no_grad():
        layer = getattr(student, head)
        if head == "mos":
            student.joint.bias.fill_(100.0)  # every joint feature is 6 for ever
        elif head == "spread":
            layer.bias.fill_(50.0)
        else:
            layer.bias[3] = 60.0
    with pytest.raises(StudentError, match="saturated on 30 validation frames") as caught:
        build_bundle(student, tmp_path / "tiny.leaf", **inputs)
    assert caught.value.code == HEAD_SATURATED
    named = {"mos": "raw quality is", "spread": "spread is", "faults": "severity of"}[head]
    assert named in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_calibration_on_noise_is_refused(sets, tmp_path: Path) -> None:
    student, inputs = sets
    noise = np.random.default_rng(0).integers(0, 256, (20, 2, 3, 224, 224), np.uint8)
    with pytest.raises(FramesError, match="random noise") as caught:
        build_bundle(student, tmp_path / "tiny.leaf", **{**inputs, "calibration": noise})
    assert caught.value.code is FrameCode.RANDOM
    assert list(tmp_path.iterdir()) == []


def test_calibration_on_other_frames_is_refused(sets, tmp_path: Path) -> None:
    """Negatives of one scene: pictures by every other check, and like no validation frame."""
    student, inputs = sets
    negatives = 255 - scenes(60, seed=5)[::3]
    with pytest.raises(FramesError, match="validation frames have a calibration frame within") as caught:
        build_bundle(student, tmp_path / "tiny.leaf", **{**inputs, "calibration": negatives})
    assert caught.value.code is FrameCode.COVERAGE
    assert list(tmp_path.iterdir()) == []
