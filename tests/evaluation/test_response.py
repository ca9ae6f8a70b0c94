"""The response to known faults, measured on models whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from leaf_edge.cli.evaluate import _missed
from leaf_edge.cli.main import main
from leaf_edge.contract import FAULTS
from leaf_edge.evaluation import response
from leaf_edge.evaluation.model import Quality
from leaf_edge.student.network import Student, StudentConfig, save_checkpoint


class Sharpness:
    """Quality is the mean gradient of the fragments; says defocus, always."""

    name, reason_threshold = "sharpness", 0.3

    def __call__(self, views: np.ndarray) -> Quality:
        fragments = views[:, 1].astype(np.float64)
        faults = np.zeros((len(views), len(FAULTS)))
        faults[:, FAULTS.index("defocus")] = 0.9
        return Quality(np.abs(np.diff(fragments, axis=-1)).mean(axis=(1, 2, 3)), faults)


class Constant(Sharpness):
    """The same quality for everything; names nothing."""

    def __call__(self, views: np.ndarray) -> Quality:
        return Quality(np.full(len(views), 3.0), np.zeros((len(views), len(FAULTS))))


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    small = [rng.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(2)]
    return [cv2.resize(p, (320, 240), interpolation=cv2.INTER_CUBIC) for p in small]


def test_a_sharpness_model_sees_blur_and_not_noise(pictures: list[np.ndarray]) -> None:
    result = response.fault_response([Sharpness()], pictures)[0]
    assert result.mos.shape == (2, 8, len(response.SEVERITIES))
    assert result.falling["defocus"] == 1.0 and result.falling["noise"] == 0.0
    assert result.named["defocus"] == 1.0 and result.named["noise"] == 0.0
    pairs = response.degraded_pairs(Sharpness(), pictures)
    assert pairs["blurred"] == (1.0, 1.0) and pairs["noisy"] == (0.0, 0.0)


def test_a_constant_model_passes_nothing(pictures: list[np.ndarray]) -> None:
    result = response.fault_response([Constant()], pictures, (0.0, 0.5, 1.0))[0]
    assert set(result.falling.values()) == {0.0} and result.ordered == [0.0, 0.0]
    assert set(response.format_difference(Constant(), pictures).values()) == {0.0}
    missed = _missed(
        {
            "falling": result.falling,
            "degraded": {"blurred": {"pairs": 0.5, "named": 0.9}},
            "formats": {"nv12": 0.2},
        }
    )
    assert len(missed) == 8 + 1 + 1 and "MOS changes by 0.200 as nv12" in missed[-1]


def test_severities_must_rise_from_zero(pictures: list[np.ndarray]) -> None:
    for bad in ((0.2, 0.5), (0.0, 0.5, 0.5), (0.0, 1.0, 0.5)):
        with pytest.raises(ValueError, match="rise from 0"):
            response.fault_response([Constant()], pictures, bad)


def test_command_on_a_checkpoint(
    pictures: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "a.pt", Student(StudentConfig(0.25, 2, 16, 8)))
    (tmp_path / "clean").mkdir()
    cv2.imwrite(str(tmp_path / "clean" / "a.png"), pictures[0])
    words = ["evaluate", str(tmp_path / "a.pt"), "--clean", str(tmp_path / "clean")]
    assert main([*words, "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["response"]["pictures"] == 1 and set(report["response"]["falling"]) == set(FAULTS)
    # random weights know nothing: the gate refuses
    assert main([*words, "--gate"]) == 7
    assert "missed:" in capsys.readouterr().out
    assert main(["evaluate", "leaf-s"]) == 2
    assert main(["evaluate", "leaf-s", "--data", "x", "--gate"]) == 2
