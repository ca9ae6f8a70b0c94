"""Synthetic faults: no-op at 0, growing distance from the picture, the right kind of damage."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from leaf_edge.contract import FAULTS
from leaf_edge.datasets.faults import apply_fault, motion_blur
from leaf_edge.datasets.synthetic import CHAIN, apply_faults, make_chain


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A smooth scene with edges, texture and the whole tone scale."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:160, 0:200]
    base = 40 + 150 * x / 200 + 30 * np.sin(y / 9.0) + 12 * rng.standard_normal((160, 200))
    image = np.stack([base, 0.8 * base + 20, 255 - base], axis=2)
    image[40:90, 50:120] = (220, 60, 30)
    return np.clip(image, 0, 255).astype(np.uint8)


def gradient_energy(image: np.ndarray) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    return float(np.abs(np.diff(grey, axis=1)).mean() + np.abs(np.diff(grey, axis=0)).mean())


@pytest.mark.parametrize("fault", FAULTS)
def test_severity_zero_is_the_picture(fault: str, picture: np.ndarray) -> None:
    before = picture.copy()
    out = apply_fault(picture, fault, 0.0, np.random.default_rng(0))
    assert np.array_equal(out, picture) and out is not picture
    apply_fault(picture, fault, 1.0, np.random.default_rng(0))
    assert np.array_equal(before, picture)


@pytest.mark.parametrize("fault", FAULTS)
def test_distance_grows_with_severity(fault: str, picture: np.ndarray) -> None:
    versions = [apply_fault(picture, fault, s, np.random.default_rng(3)) for s in (0.25, 0.5, 0.75, 1.0)]
    distance = [np.abs(v.astype(int) - picture).mean() for v in versions]
    assert all(v.shape == picture.shape and v.dtype == np.uint8 for v in versions)
    assert distance[0] > 0 and all(a < b for a, b in itertools.pairwise(distance))


def test_each_fault_does_what_its_name_says(picture: np.ndarray) -> None:
    def at(fault: str) -> np.ndarray:
        return apply_fault(picture, fault, 0.7, np.random.default_rng(1))

    sharp = gradient_energy(picture)
    assert gradient_energy(at("defocus")) < 0.7 * sharp
    assert gradient_energy(at("motion_blur")) < 0.8 * sharp
    assert gradient_energy(at("noise")) > 1.5 * sharp
    assert at("under_exposure").mean() < 0.5 * picture.mean()
    assert at("over_exposure").mean() > 1.2 * picture.mean()
    assert at("low_contrast").std() < 0.6 * picture.std()
    assert all(len(np.unique(at("banding")[..., c])) <= 20 for c in range(3))


def test_motion_smears_along_its_angle_only() -> None:
    image = np.zeros((101, 101, 3), np.uint8)
    image[50, 50] = 255
    smeared = motion_blur(image, 0.8, angle=0.0)[..., 0]
    rows, columns = np.nonzero(smeared > 2)
    assert np.ptp(columns) > 5 and np.ptp(rows) <= 1


def test_exposure_is_a_gain_on_light() -> None:
    # 5 stops x 0.2 is one stop: linear light halves (IEC 61966-2-1)
    grey = np.full((8, 8, 3), 188, np.uint8)
    out = int(apply_fault(grey, "under_exposure", 0.2, np.random.default_rng(0))[0, 0, 0])
    linear = ((np.array([188, out]) / 255 + 0.055) / 1.055) ** 2.4
    assert linear[1] / linear[0] == pytest.approx(0.5, abs=0.01)


def test_bad_arguments_are_named(picture: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"unknown fault 'fog'.*defocus"):
        apply_fault(picture, "fog", 0.5, rng)
    with pytest.raises(ValueError, match=r"severity is 1\.5; expected 0 to 1"):
        apply_fault(picture, "noise", 1.5, rng)
    with pytest.raises(ValueError, match="expected uint8"):
        apply_fault(picture.astype(np.float32), "noise", 0.5, rng)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", FAULTS)
def test_chain_grows_in_one_fault(fault: str, picture: np.ndarray) -> None:
    for seed in range(4):
        chain = make_chain(picture, fault, np.random.default_rng(seed))
        assert len(chain.images) == CHAIN == len(chain.severity)
        assert (np.diff(chain.severity) > 0).all()
        k = FAULTS.index(fault)
        assert np.array_equal(chain.faults[:, k], chain.severity)
        others = np.delete(chain.faults, k, axis=1)
        assert (others == others[0]).all() and (others[0] > 0).sum() <= 1
        if chain.severity[0] == 0 and not others.any():
            assert np.array_equal(chain.images[0], picture)


def test_faults_compose_in_camera_order(picture: np.ndarray) -> None:
    # compression comes last: it shows on the noise, not under it
    both = apply_faults(picture, {"compression": 0.9, "noise": 0.5}, seed=5)
    noisy = apply_fault(picture, "noise", 0.5, np.random.default_rng([5, 5]))
    assert np.array_equal(both, apply_fault(noisy, "compression", 0.9, np.random.default_rng(0)))
