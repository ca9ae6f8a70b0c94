"""The ONNX Runtime engine in C++ (runtime/tests/onnxruntime_test.cpp), and networks that it must refuse."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_build import ROOT, build_cpp, onnxruntime_library, run
from helpers_bundle import tiny_model

MODEL = ROOT / "leaf_edge" / "models" / "leaf-s.leaf"
onnx: Any = pytest.importorskip("onnx", reason="needs onnx to make networks (leaf-edge[train])")


@cache
def program() -> Path:
    return build_cpp("onnxruntime_test") / "runtime" / "tests" / "onnxruntime_test"


def engine_test(*arguments: Path, cwd: Path) -> str:
    environment = {**os.environ, "LEAF_ONNXRUNTIME": str(onnxruntime_library())}
    return run([program(), MODEL, *arguments], env=environment, cwd=cwd).decode()


def changed(change: Any) -> bytes:
    """The tiny student after `change(graph)`."""
    model = onnx.load_from_string(tiny_model())
    change(model.graph)
    return bytes(model.SerializeToString())


def fixed_batch(graph: Any) -> None:
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def fixed_output(graph: Any) -> None:
    graph.output[1].type.tensor_type.shape.dim[0].dim_value = 2


def other_type(graph: Any) -> None:
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT8


def second_input(graph: Any) -> None:
    graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ["N"]))


def second_output(graph: Any) -> None:
    graph.output.append(onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["N", 2]))


def other_output(graph: Any) -> None:
    graph.node[-1].output[0] = graph.output[1].name = "width"


def outside_weights(graph: Any) -> None:
    tensor = next(item for item in graph.initializer if item.name == "weights")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")


def longer_output(graph: Any) -> None:
    """Gives twice as many scores as it states."""
    last = next(node for node in graph.node if list(node.output) == ["mos"])
    last.input[0] = "twice"
    graph.node.insert(len(graph.node) - 2, onnx.helper.make_node("Concat", ["mos2"] * 2, ["twice"], axis=0))


INFINITE = "output mos of the network is not a finite number"
VIEWS = "2, 3, 224, 224]"
NETWORKS: dict[str, tuple[Any, str]] = {
    "student": (
        lambda: tiny_model(bias=float("nan")),
        f"run {INFINITE}",
    ),
    "infinite": (
        lambda: tiny_model(bias=float("inf")),
        f"run {INFINITE}",
    ),
    "name": (lambda: tiny_model(name="picture"), "inputs of the network are picture; expected views"),
    "width": (
        lambda: tiny_model(width=7),
        "faults of the network is tensor(float) [N, 7]; expected tensor(float) [N, 8]",
    ),
    "batch": (
        lambda: changed(fixed_batch),
        f"views of the network is tensor(uint8) [1, {VIEWS}; expected tensor(uint8) [N, {VIEWS}",
    ),
    "output": (lambda: changed(fixed_output), "spread of the network is tensor(float) [2]; expected"),
    "type": (lambda: changed(other_type), "views of the network is tensor of type 3 [N, 2, 3, 224, 224]"),
    "inputs": (lambda: changed(second_input), "inputs of the network are views, more; expected views"),
    "outputs": (
        lambda: changed(second_output),
        "are mos, spread, faults, features; expected mos",
    ),
    "renamed": (
        lambda: changed(other_output),
        "outputs of the network are mos, width, faults; ",
    ),
    "outside": (lambda: changed(outside_weights), "the network cannot be loaded ("),
    "longer": (lambda: changed(longer_output), "the network failed ("),
}


def test_engine_by_itself(tmp_path):
    assert "0 failures" in engine_test(cwd=tmp_path)


def test_networks_that_are_no_students(tmp_path):
    folder = tmp_path / "networks"
    folder.mkdir()
    for name, (make, text) in NETWORKS.items():
        (folder / f"{name}.onnx").write_bytes(make())
        (folder / f"{name}.txt").write_text(text)
    (folder / "list.txt").write_text("\n".join(NETWORKS) + "\n")
    # Where a program runs, files may lie that the network names: they are not read.
    weights = np.zeros((2, 10), np.float32)
    (tmp_path / "weights.bin").write_bytes(weights.tobytes())
    assert "0 failures" in engine_test(folder, cwd=tmp_path)
