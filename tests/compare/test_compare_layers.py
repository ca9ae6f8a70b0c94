"""The layer at which two graphs part."""

from __future__ import annotations

import numpy as np
import pytest
from compare_inputs import picture, tampered

pytest.importorskip("onnx", reason="needs onnx (leaf-edge[train])")

from leaf_edge.bundle import load_bundle, shipped
from leaf_edge.compare.layers import THRESHOLD, compare_layers
from leaf_edge.frames import Frame
from leaf_edge.views import make_views

VIEWS = np.stack([make_views(Frame.from_array(picture(seed))) for seed in range(2)])


def models(bundle):
    return bundle.model("cpu"), bundle.model("trt")


@pytest.fixture(scope="module")
def healthy():
    return compare_layers(*models(load_bundle(shipped("leaf-s"))), VIEWS)


def test_the_encodings_of_the_shipped_model_do_not_part(healthy):
    assert healthy.first is None and healthy.frames == 2
    assert max(layer.own for layer in healthy.layers) < THRESHOLD
    assert all(0.8 < layer.gain < 1.2 for layer in healthy.layers)


def test_every_layer_of_the_student_is_matched_in_its_order(healthy):
    names = [layer.name for layer in healthy.layers]
    assert names[:3] == ["input", "stem", "blocks.0.dw"] and names[-3:] == ["mos", "spread", "faults"]
    assert {"blocks.5.add", "head", "pool", "joint"} <= set(names)
    assert not healthy.only_a and not healthy.only_b
    assert healthy.layers[0].difference < 0.01  # the bytes themselves


def test_looking_inside_hardly_changes_the_outputs(healthy):
    assert healthy.disturbed < 0.01


def test_a_graph_against_itself_has_no_difference_anywhere():
    model = load_bundle(shipped("leaf-s")).model("cpu")
    report = compare_layers(model, model, VIEWS[:1])
    assert {layer.difference for layer in report.layers} == {0.0} and report.disturbed < 0.01


@pytest.mark.parametrize("layer", ["stem", "blocks.5.dw", "blocks.9.project", "head", "joint"])
def test_a_layer_whose_scale_was_changed_is_found(tmp_path, layer):
    path = tampered(tmp_path / "leaf-s.leaf", lambda scale: scale * np.float32(0.5), f"{layer}.weight.scale")
    report = compare_layers(*models(load_bundle(path)), VIEWS)
    assert report.first == layer
    others = [x for x in report.layers if x.name != layer]
    assert all(x.own < THRESHOLD for x in others)  # what comes after is whole, and is not blamed


def test_a_layer_that_gives_twice_as_much_has_a_gain_of_about_two(tmp_path):
    layer = "blocks.3.project"
    path = tampered(tmp_path / "leaf-s.leaf", lambda scale: scale * np.float32(2), f"{layer}.weight.scale")
    report = compare_layers(*models(load_bundle(path)), VIEWS)
    (found,) = [x for x in report.layers if x.name == layer]
    assert report.first == layer and 1.5 < found.gain < 2.5  # its bias was not doubled


def test_a_threshold_of_nothing_names_the_first_layer_that_is_not_the_same():
    bundle = load_bundle(shipped("leaf-s"))
    report = compare_layers(*models(bundle), VIEWS[:1], threshold=0.0)
    assert report.first in ("input", "stem")
