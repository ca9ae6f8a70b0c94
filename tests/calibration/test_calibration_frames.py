"""Calibration sets that INT8 must not be calibrated on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaf_edge.calibration import CalibrationError, check_views
from leaf_edge.calibration.frames import FrameCode, FramesError, Reservoir, choose, inspect_views
from leaf_edge.calibration.likeness import Likeness, likeness
from leaf_edge.frames import read_image
from leaf_edge.views import make_views

SHAPE = (20, 2, 3, 224, 224)


def ramps() -> np.ndarray:
    """Smooth pictures, no two alike."""
    y, x = np.mgrid[:224, :224]
    waves = [127 + 120 * np.sin(x / (20 + i) + y / (35 - i)) for i in range(SHAPE[0])]
    return np.broadcast_to(np.array(waves, np.uint8)[:, None, None], SHAPE)


def test_pictures_pass() -> None:
    check_views(ramps())


@pytest.mark.parametrize(
    ("views", "text"),
    [
        (ramps()[:3], "too few"),
        (np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8), "random noise"),
        (np.full(SHAPE, 17, np.uint8), "constant"),
        (np.repeat(ramps()[:1], 20, axis=0), "differ"),
        (ramps().astype(np.float32), "uint8"),
        (np.zeros((20, 3, 224, 224), np.uint8), "uint8"),
    ],
)
def test_refused(views: np.ndarray, text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        check_views(views)


def test_noisy_photographs_pass(shared: Path) -> None:
    """The check is for noise in place of pictures, not for noisy pictures."""
    rng = np.random.default_rng(0)
    views = []
    for file in sorted((shared / "data/kodak").glob("*.png"))[:16]:
        picture = make_views(read_image(file)).astype(float)
        views.append(np.clip(picture + rng.normal(0, 15, picture.shape), 0, 255).astype(np.uint8))
    check_views(np.stack(views))


def test_choice() -> None:
    chosen = choose(1000, 128)
    assert len(set(chosen.tolist())) == 128 and (np.diff(chosen) > 0).all() and chosen.max() < 1000
    assert (chosen == choose(1000, 128)).all()
    assert choose(5, 128).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("views", "code"),
    [
        (ramps()[:3], FrameCode.FEW),
        (np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8), FrameCode.RANDOM),
        (np.full(SHAPE, 17, np.uint8), FrameCode.CONSTANT),
        (np.repeat(ramps()[:1], 20, axis=0), FrameCode.ALIKE),
        (ramps().astype(np.float32), FrameCode.SHAPE),
    ],
)
def test_each_refusal_has_its_code(views: np.ndarray, code: FrameCode) -> None:
    with pytest.raises(FramesError) as caught:
        check_views(views)
    assert caught.value.code is code


def test_frames_that_differ_by_noise_only_are_alike() -> None:
    rng = np.random.default_rng(1)
    still = np.repeat(ramps()[:1], 20, axis=0).astype(int) + rng.integers(-9, 10, SHAPE)
    report = inspect_views(np.clip(still, 0, 255).astype(np.uint8))
    assert [c.code for c in report.refusals] == [FrameCode.ALIKE]
    assert [c.code for c in report.warnings] == [FrameCode.SCENES]


def test_one_scene_in_changing_light_is_a_warning_only() -> None:
    gain = np.linspace(0.3, 1, SHAPE[0]).reshape(-1, 1, 1, 1, 1)
    report = inspect_views((ramps()[:1] * gain).astype(np.uint8))
    assert not report.refusals
    (warning,) = report.warnings
    assert warning.code is FrameCode.SCENES and warning.value == 1 and "other places" in warning.message
    told = report.to_dict()
    assert told["accepted"] is True and len(told["checks"]) == 5 and told["likeness"] is None


def test_no_frames_at_all() -> None:
    assert inspect_views(np.zeros((0, 2, 3, 224, 224), np.uint8)).refusals[0].code is FrameCode.FEW


def test_coverage_refuses_with_the_frames_that_are_missing() -> None:
    like = Likeness(50, 0.2, 1.0, 3.0, (7, 3, 11, 0, 1, 2))
    report = inspect_views(ramps(), like)
    (refusal,) = report.refusals
    assert refusal.code is FrameCode.COVERAGE and "validation frames 7, 3, 11, 0, 1" in refusal.message
    assert inspect_views(ramps(), like, min_coverage=0.1).refusals == ()


@settings(max_examples=20, deadline=None)
@given(
    st.integers(2, 60),
    st.integers(20, 80),
    st.integers(1, 12),
    st.floats(0.1, 100),
    st.integers(0, 2**32 - 1),
)
def test_sets_from_one_place_are_alike_and_from_another_are_not(n, m, d, scale, seed) -> None:
    rng = np.random.default_rng(seed)
    mine, same, away = (rng.normal(0, scale, (k, d)) for k in (m, n, n))
    found = likeness(same, mine)
    assert 0 <= found.share <= 1 and found.frames == m
    assert likeness(mine, mine).share == 1.0
    other = likeness(away + 100 * scale, mine)
    assert other.share == 0.0 and other.median > found.median


def test_likeness_is_about_three_quarters_for_the_same_source() -> None:
    rng = np.random.default_rng(0)
    shares = [likeness(rng.normal(size=(n, 8)), rng.normal(size=(200, 8))).share for n in (8, 16, 64, 128)]
    assert all(0.6 < share < 0.9 for share in shares)


def test_likeness_needs_frames() -> None:
    with pytest.raises(CalibrationError, match="0 calibration and 9 validation"):
        likeness(np.zeros((0, 3)), np.zeros((9, 3)))


def test_a_reservoir_draws_every_frame_alike() -> None:
    counts = np.zeros(40)
    for seed in range(400):
        drawn, held = Reservoir(10, _rng=np.random.default_rng(seed)), {}
        for i in range(40):
            if (place := drawn.place()) is not None:
                held[place] = i
        assert sorted(held) == list(range(10))
        counts[list(held.values())] += 1
    assert counts.sum() == 4000 and counts.min() > 60 and counts.max() < 140  # 100 each, deviation 8.7
    few = Reservoir(10)
    assert [few.place() for _ in range(4)] == [0, 1, 2, 3]
