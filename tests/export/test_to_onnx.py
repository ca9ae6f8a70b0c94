"""The float32 graph computes what the student does, and has the shape that engines like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from export_inputs import scenes, small_student

from leaf_edge.contract import INPUT_NAME, OUTPUT_NAMES
from leaf_edge.export import ExportError, to_onnx
from leaf_edge.export.graph import OPSET
from leaf_edge.export.net import from_student
from leaf_edge.export.simulate import run_views
from leaf_edge.export.to_onnx import float_model, run_model, verify


@pytest.mark.parametrize("views", ["both", "global", "fragments"])
def test_same_outputs_as_torch(views: str, tmp_path: Path) -> None:
    student = small_student(views=views)
    to_onnx(student, tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    inputs = scenes(5)
    got = run_model(model, inputs, batch=2)  # N is free: batches of 2 and of 1
    with torch.no_grad():
        wanted = student(torch.from_numpy(inputs))
    for name, w in zip(OUTPUT_NAMES, wanted, strict=True):
        np.testing.assert_allclose(got[name], w.numpy(), atol=5e-5, err_msg=name)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_graph(tmp_path: Path) -> None:
    student = small_student()
    to_onnx(student, tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    assert model.opset_import[0].version == OPSET
    kinds = [n.op_type for n in model.graph.node]
    assert "Pad" not in kinds
    strided = [n for n in model.graph.node if n.op_type == "Conv" and _attribute(n, "strides") == [2, 2]]
    assert len(strided) == 5
    assert all(_attribute(n, "pads") == [0, 0, 1, 1] for n in strided)
    (views,) = model.graph.input
    assert views.name == INPUT_NAME
    dims = views.type.tensor_type.shape.dim
    assert dims[0].dim_param and [d.dim_value for d in dims[1:]] == [2, 3, 224, 224]


def test_simulation_is_the_graph() -> None:
    net = from_student(small_student())
    views = scenes(3)
    graph, simulated = run_model(float_model(net), views), run_views(net, views)
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(simulated[name], graph[name], atol=5e-5)


def test_other_weights_are_noticed() -> None:
    student = small_student()
    model = float_model(from_student(student))
    with torch.no_grad():
        student.mos.bias += 0.01
    with pytest.raises(ExportError, match="differs from the student"):
        verify(student, model)


def _attribute(node: onnx.NodeProto, name: str) -> object:
    return next(onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name)
