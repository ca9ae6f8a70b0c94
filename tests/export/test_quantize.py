"""Both Q/DQ graphs: their structure, their fusion on ONNX Runtime, and what they cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from export_inputs import scenes, small_student
from onnx import numpy_helper

from leaf_edge.contract import INPUT_NAME
from leaf_edge.export.encoding import CPU, ENCODINGS, TRT, Encoding, Plan, make_plan
from leaf_edge.export.net import SOURCE, from_student
from leaf_edge.export.observe import RULES, observe
from leaf_edge.export.quantize import quantize, quantized_model, score_change
from leaf_edge.export.repair import correct_bias
from leaf_edge.export.sensitivity import sensitivity
from leaf_edge.export.simulate import run_views
from leaf_edge.export.to_onnx import float_model, run_model

encodings = pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=lambda e: e.name)


class Graph:
    """A model by names."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.by_output = {n.output[0]: n for n in self.nodes}
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}

    def of_kind(self, kind: str) -> list[onnx.NodeProto]:
        return [n for n in self.nodes if n.op_type == kind]

    def readers(self, name: str) -> list[onnx.NodeProto]:
        return [n for n in self.nodes if name in n.input]


def plan_of(observed, encoding: Encoding, **more) -> Plan:
    return make_plan(observed.net, encoding, observed.seen.ranges("minmax", encoding), **more)


@encodings
def test_every_convolution_reads_codes(observed, encoding: Encoding) -> None:
    g = Graph(quantized_model(observed.net, plan_of(observed, encoding)))
    convolutions = g.of_kind("Conv")
    assert len(convolutions) == sum(layer.kind == "conv" for layer in observed.net)
    for node in [*convolutions, next(n for n in g.of_kind("Gemm") if n.name.startswith("joint"))]:
        x, w = (g.by_output[name] for name in node.input[:2])
        assert x.op_type == w.op_type == "DequantizeLinear", node.name
        codes, scale, zero = (g.constants[name] for name in w.input)
        assert codes.dtype == np.int8 and np.abs(codes.astype(int)).max() <= 127
        assert scale.shape == (len(codes),) and not zero.any()  # one scale for each output channel
        assert onnx.helper.get_attribute_value(w.attribute[0]) == 0  # axis
        zero_point = g.constants[x.input[2]]
        assert zero_point.dtype == encoding.dtype
        if encoding.symmetric:
            assert zero_point == 0


def test_cpu_encoding(observed) -> None:
    g = Graph(quantized_model(observed.net, plan_of(observed, CPU)))
    kinds = [n.op_type for n in g.nodes]
    assert kinds.count("Clip") == 1  # the joint layer's, whose output stays float; the ranges absorb the rest
    assert "Cast" not in kinds and "Div" not in kinds  # no float pass over the input
    reshape = g.readers(INPUT_NAME)[0]
    source = g.readers(reshape.output[0])[0]
    assert source.op_type == "DequantizeLinear"
    assert g.constants[source.input[1]] == np.float32(1 / 127.5) and g.constants[source.input[2]] == 128
    for layer in observed.net:
        if layer.relu6 and layer.name != "joint":
            quantizer = plan_of(observed, CPU).tensors[layer.name]
            assert quantizer.zero_point == 0 and quantizer.covers[1] <= 6 * (1 + 1e-6)
    for node in g.of_kind("Conv"):
        bias = g.by_output[node.input[2]]
        assert g.constants[bias.input[0]].dtype == np.int32
    for node in g.of_kind("Add"):
        if node.name.startswith("blocks"):
            assert all(g.by_output[name].op_type == "DequantizeLinear" for name in node.input)


def test_tensorrt_encoding(observed) -> None:
    g = Graph(quantized_model(observed.net, plan_of(observed, TRT)))
    assert g.readers(INPUT_NAME)[0].op_type == "Cast"  # all that TensorRT takes of uint8
    assert not any(c.dtype in (np.uint8, np.int32) for c in g.constants.values())
    assert all(not c for name, c in g.constants.items() if name.endswith(".zero_point") and c.ndim == 0)
    assert all(node.input[2] in g.constants for node in g.of_kind("Conv"))  # float biases
    for node in g.of_kind("Add"):
        if node.name.startswith("blocks"):  # the convolution's output joins in float, so that both fuse
            assert [g.by_output[n].op_type for n in node.input] == ["DequantizeLinear", "Conv"]


def test_runs_in_integers_on_onnx_runtime(observed, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    model = quantized_model(observed.net, plan_of(observed, CPU))
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = [n.op_type for n in onnx.load(tmp_path / "optimized.onnx").graph.node]
    layers = list(observed.net)
    assert kinds.count("QLinearConv") == sum(x.kind == "conv" for x in layers) and "Conv" not in kinds
    assert kinds.count("QLinearAdd") == sum(x.kind == "add" for x in layers)
    assert "QLinearGlobalAveragePool" in kinds and "QGemm" in kinds
    assert "DequantizeLinear" not in kinds and "QuantizeLinear" not in kinds


@encodings
def test_close_to_float(observed, encoding: Encoding) -> None:
    unseen = scenes(12, seed=7)
    wanted = run_model(float_model(observed.net), unseen)["mos"]
    q = quantize(observed.net, encoding, observed.seen, observed.views, rules=("minmax", "mse"))
    assert q.error[q.rule] == min(q.error.values())
    got = run_model(q.model, unseen)["mos"]
    assert score_change(wanted, got) < 0.15 * wanted.std()
    # the simulation that corrects and measures rounds as the graph does
    assert np.abs(run_views(q.net, unseen, q.plan)["mos"] - got).mean() < 0.15 * wanted.std()


@encodings
def test_bias_correction_restores_the_mean(observed, encoding: Encoding) -> None:
    plan = plan_of(observed, encoding)
    corrected = correct_bias(observed.net, plan, observed.views)
    wanted, plain, after = (
        run_views(net, observed.views, p)["mos"].mean()
        for net, p in ((observed.net, None), (observed.net, plan), (corrected, plan))
    )
    assert abs(after - wanted) < 0.2 * abs(plain - wanted)


@encodings
def test_layers_kept_in_float(observed, encoding: Encoding) -> None:
    keep = ("stem", "blocks.0.dw", "blocks.0.add", "joint")  # stem and all that read it
    plan = plan_of(observed, encoding, keep_float=keep)
    assert SOURCE not in plan.tensors and "stem" not in plan.tensors
    model = quantized_model(observed.net, plan)
    g = Graph(model)
    assert {n.input[1] for n in g.of_kind("Conv") if n.input[1] in g.constants} == {
        "stem.weight",
        "blocks.0.dw.weight",
    }
    assert {p.key: p.value for p in model.metadata_props}["keep_float"] == ",".join(sorted(keep))
    run_model(model, observed.views[:2])


def test_all_float_is_the_float_graph(observed) -> None:
    plan = plan_of(observed, CPU, keep_float=observed.net.quantizable())
    assert not plan.tensors
    views = observed.views[:3]
    got = run_model(quantized_model(observed.net, plan), views)["mos"]
    np.testing.assert_allclose(got, run_model(float_model(observed.net), views)["mos"], atol=1e-5)


def test_unknown_layer_to_keep(observed) -> None:
    with pytest.raises(ValueError, match=r"keep_float names mos, stern"):
        plan_of(observed, CPU, keep_float=["stern", "mos"])


def test_sensitivity_finds_a_spoilt_layer() -> None:
    """One channel of `blocks.16.project` takes all codes from the others; in float nothing changes."""
    net = from_student(small_student())
    weight, bias = (x.copy() for x in net["blocks.16.project"].parameters)
    reader, reader_bias = (x.copy() for x in net["head"].parameters)
    weight[0] *= 1000
    bias[0] *= 1000
    reader[:, 0] /= 1000
    net = net.with_parameters({"blocks.16.project": (weight, bias), "head": (reader, reader_bias)})
    views = scenes(4)
    changes = sensitivity(net, CPU, observe(net, views), views)
    assert sorted(name for name, _ in changes) == sorted(net.quantizable())
    assert changes[0][0] == "head"  # which reads that tensor
    assert changes == sorted(changes, key=lambda c: -c[1])


def test_ranges(observed) -> None:
    for rule in RULES:
        for name, (lo, hi) in observed.seen.ranges(rule, CPU).items():
            h = observed.seen.tensors[name]
            assert min(h.lo, 0) - 1e-6 <= min(lo, 0) <= max(hi, 0) <= max(h.hi, 0) + 1e-6, (rule, name)


def test_bias_of_dead_channels_fits_int32(observed) -> None:
    weight, bias = observed.net["blocks.3.expand"].parameters
    weight, bias = weight.copy(), bias.copy()
    weight[0], bias[0] = 1e-30, 3.0
    net = observed.net.with_parameters({"blocks.3.expand": (weight, bias)})
    plan = make_plan(net, CPU, observed.seen.ranges("minmax", CPU))
    g = Graph(quantized_model(net, plan))
    codes = g.constants["blocks.3.expand.bias.codes"]
    scale = g.constants["blocks.3.expand.bias.scale"]
    assert codes[0] * float(scale[0]) == pytest.approx(3.0, rel=1e-3)


def test_broken_weights_are_refused() -> None:
    net = from_student(small_student())
    weight, bias = net["stem"].parameters
    net = net.with_parameters({"stem": (weight, np.full_like(bias, np.nan))})
    with pytest.raises(ValueError, match="not finite"):
        observe(net, scenes(2))


def test_same_input_same_file(observed) -> None:
    plan = plan_of(observed, CPU)
    assert quantized_model(observed.net, plan) == quantized_model(observed.net, plan)
