"""The two models in the package, as they ship: what a user's first score rests on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from leaf_edge.bundle import SHIPPED, BundleError, load_bundle, locate
from leaf_edge.evaluation.model import BundleModel
from leaf_edge.evaluation.response import degraded_pairs, fault_response, format_difference
from leaf_edge.frames import Frame, read_image
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.runtime.scorer import load
from leaf_edge.views import make_views

KODAK = 6
"""Photographs, of 24: `leaf-edge evaluate --clean ... --gate` takes all."""


@pytest.fixture(params=SHIPPED)
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    try:
        locate(name)
    except BundleError:
        pytest.skip(f"no {name} in leaf_edge/models yet")
    return name


@pytest.mark.parametrize("encoding", ["cpu", "trt"])
def test_golden_frames_score_as_stated(model: str, encoding: str) -> None:
    load(model, encoding=encoding, self_test=True)


def test_the_bundle_says_what_it_is(model: str) -> None:
    manifest = load_bundle(locate(model)).manifest
    assert manifest.name == model
    assert manifest.golden and set(manifest.encodings) == {"cpu", "trt"}
    licences = " ".join(f"{item.what} {item.licence}" for item in manifest.licences)
    assert "BIQ2021" in licences and "Apache-2.0" in licences
    card = (locate(model) / "card.md").read_text()
    for part in ("## Intended use", "## Limits", "## Licences", "SRCC"):
        assert part in card


def test_the_checkpoint_is_the_bundles_network(model: str) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra train")
    from leaf_edge.student.network import load_checkpoint

    student = load_checkpoint(locate(model).with_suffix(".pt"))
    views = np.stack([make_views(Frame.from_array(picture)) for picture in drawn(6)])
    with torch.inference_mode():
        quality = student(torch.from_numpy(views))[0].numpy()
    raw = load(model).score_views(views).mos
    assert np.corrcoef(quality, raw)[0, 1] > 0.95


def drawn(count: int) -> list[NDArray[np.uint8]]:
    """Smooth pictures with more and more noise."""
    rng = np.random.default_rng(1)
    base = np.add.outer(np.arange(480), np.arange(640))[..., None] * np.array([0.2, 0.15, 0.1])
    return [
        np.clip(base + rng.normal(0, 8 * k + 0.1, base.shape), 0, 255).astype(np.uint8) for k in range(count)
    ]


def kodak(shared: Path, count: int) -> list[NDArray[np.uint8]]:
    folder = shared / "data" / "kodak"
    names = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".webp"))
    assert len(names) >= count
    return [to_rgb(read_image(path)) for path in names[:: len(names) // count][:count]]


@pytest.mark.slow
def test_known_faults_lower_the_score_and_are_named(model: str, shared: Path) -> None:
    pictures = kodak(shared, KODAK)
    scorer = BundleModel(model, threads=1)
    (response,) = fault_response([scorer], pictures)
    falling = dict(response.falling)
    # The weakest: where highlights hardly clip, these models see no loss (docs/training.md).
    assert falling.pop("over_exposure") >= 0.7
    assert min(falling.values()) >= 0.9
    assert np.mean(list(response.named.values())) >= 0.6
    pairs = degraded_pairs(scorer, pictures)
    assert np.mean([share for share, _ in pairs.values()]) >= 0.95
    assert np.mean([named for _, named in pairs.values()]) >= 0.8


def test_the_format_of_a_frame_hardly_changes_its_score(model: str, shared: Path) -> None:
    changes = format_difference(BundleModel(model, threads=1), kodak(shared, KODAK))
    assert max(changes.values()) <= 0.05
