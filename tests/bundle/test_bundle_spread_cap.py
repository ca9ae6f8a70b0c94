"""The optional cap of the spread in the manifest, and a bundle with another calibration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from leaf_edge.bundle import BundleCode, BundleError, Curve, Interval, load_bundle
from leaf_edge.bundle.parse import parse_manifest
from leaf_edge.bundle.revise import recalibrated


def with_cap(text: bytes, cap: object) -> bytes:
    stated = json.loads(text)
    stated["encodings"]["cpu"]["interval"]["spread_cap"] = cap
    return json.dumps(stated).encode()


def test_a_manifest_without_a_cap_keeps_its_bytes(tiny_bundle: Path) -> None:
    text = (tiny_bundle / "manifest.json").read_bytes()
    assert b"spread_cap" not in text and parse_manifest(text).to_bytes() == text


def test_a_cap_is_read_written_and_applied(tiny_bundle: Path) -> None:
    text = with_cap((tiny_bundle / "manifest.json").read_bytes(), 0.2)
    manifest = parse_manifest(text)
    interval = manifest.encodings["cpu"].interval
    assert interval.spread_cap == 0.2 and manifest.encodings["trt"].interval.spread_cap is None
    assert parse_manifest(manifest.to_bytes()) == manifest
    assert interval.half_width(5.0) == interval.half_width(0.2) == pytest.approx(1.5 * 0.2 * 4)
    assert interval(3.0, 5.0) == pytest.approx((1.8, 4.2))


@pytest.mark.parametrize("cap", [0, -1, "0.2", None, True])
def test_caps_that_are_none(tiny_bundle: Path, cap: object) -> None:
    with pytest.raises(BundleError) as caught:
        parse_manifest(with_cap((tiny_bundle / "manifest.json").read_bytes(), cap))
    assert caught.value.code is BundleCode.MANIFEST


def test_a_revised_bundle_differs_in_its_calibration_alone(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    curve, interval = Curve((0.0, 1.0), (2.0, 4.0)), Interval(0.8, 1.0, 0.2)
    new = recalibrated(
        bundle, dict.fromkeys(("cpu", "trt"), (curve, interval)), {"ratings": 20}, name="cam", version="2"
    )
    assert new.contents is bundle.contents and new.text == new.manifest.to_bytes()
    for frame in new.manifest.golden:
        for score in frame.scores.values():
            assert score.mos == curve(score.raw)
    assert new.manifest.training.figures == {"srcc": 0.0, "recalibrated": [{"ratings": 20}]}
    back = replace(
        new.manifest,
        name=bundle.name,
        version=bundle.manifest.version,
        encodings=bundle.manifest.encodings,
        golden=bundle.manifest.golden,
        training=bundle.manifest.training,
    )
    assert back == bundle.manifest
    with pytest.raises(ValueError, match="expected calibrations of"):
        recalibrated(bundle, {"cpu": (curve, interval)}, {}, name="cam", version="2")
