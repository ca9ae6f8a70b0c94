"""The verb: tables, JSON, exit codes."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from compare_inputs import tampered, write_pictures

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.runtime.preflight import Driver, probe_driver

WIDE = (
    "--max-mos-mean",
    "0.1",
)  # three drawn pictures, unlike photographs, are no fair sample for the default


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"), 3)


def test_the_shipped_model_passes_and_the_table_says_so(tmp_path, capsys):
    data = pytest.importorskip("skimage.data", reason="needs scikit-image (leaf-edge[demo])")
    for name in ("astronaut", "coffee", "rocket"):  # INT8 ranges are of photographs, not of drawn pictures
        cv2.imwrite(str(tmp_path / f"{name}.png"), getattr(data, name)()[..., ::-1])
    options = ["--layers", "--layer-frames", "1", *WIDE]
    assert main(["compare", "leaf-s", str(tmp_path), *options]) == ExitCode.OK
    output = capsys.readouterr().out
    assert "3 frames, cpu and trt-onnx" in output and "the same bytes" in output
    assert "agree within the limits" in output and "no layer parts them" in output


def test_a_tampered_graph_is_found_at_its_layer_and_refused(pictures, tmp_path, capsys):
    pytest.importorskip("onnx", reason="needs onnx (leaf-edge[train])")
    bundle = tampered(
        tmp_path / "bad.leaf", lambda scale: scale * np.float32(2), "blocks.7.expand.weight.scale"
    )
    assert main(["compare", str(bundle), str(pictures), "--layers", "--json"]) == ExitCode.REFUSED
    report = json.loads(capsys.readouterr().out)
    assert report["layers"]["first"] == "blocks.7.expand" and not report["ok"]
    assert report["views"]["frames"] == 0 and any("in MOS" in line for line in report["failures"])
    assert main(["compare", str(bundle), str(pictures), "--layers"]) == ExitCode.REFUSED
    assert "they part at blocks.7.expand" in capsys.readouterr().out.replace("\n", " ")


def test_a_tighter_limit_refuses_what_the_default_allows(pictures, capsys):
    assert main(["compare", "leaf-s", str(pictures), "--max-mos-max", "0.000001"]) == ExitCode.REFUSED
    assert "the largest difference in MOS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engines", "cpu,gpu"], "no engine is called 'gpu'"),
        (["--engines", "cpu,float"], "needs --checkpoint"),
        (["--engines", "float,float"], "has no curve"),
        (["--views", "auto,sse"], "--views"),
    ],
)
def test_wrong_options_are_one_line_and_a_usage_error(pictures, capsys, options, message):
    assert main(["compare", "leaf-s", str(pictures), *options]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("engines", ["cpu", "cpu,", "a,b,c"])
def test_engines_are_two(pictures, engines):
    with pytest.raises(SystemExit) as stop:
        main(["compare", "leaf-s", str(pictures), "--engines", engines])
    assert stop.value.code == ExitCode.USAGE


def test_a_checkpoint_or_source_that_cannot_be_read_is_an_input_error(pictures, tmp_path, capsys):
    pytest.importorskip("onnx", reason="needs onnx (leaf-edge[train])")
    pytest.importorskip("torch", reason="needs torch (leaf-edge[train])")
    (tmp_path / "no.pt").write_bytes(b"not a checkpoint")
    float_ = ["--engines", "float,cpu", "--checkpoint", str(tmp_path / "no.pt")]
    assert main(["compare", "leaf-s", str(pictures), *float_]) == ExitCode.INPUT
    assert "no.pt: not a checkpoint" in capsys.readouterr().err
    assert main(["compare", "leaf-s", str(tmp_path / "absent.png")]) == ExitCode.INPUT
    assert "absent.png" in capsys.readouterr().err


def test_a_picture_that_cannot_be_read_is_skipped_and_named(pictures, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG nothing")
    assert main(["compare", "leaf-s", str(pictures), str(tmp_path / "bad.png"), *WIDE]) == ExitCode.SKIPPED
    assert "skipped:" in capsys.readouterr().out


@pytest.mark.skipif(isinstance(probe_driver(), Driver), reason="this machine has a CUDA driver")
@pytest.mark.parametrize("engine", ["cuda", "tensorrt"])
def test_an_engine_that_needs_a_gpu_says_so_in_one_line(pictures, capsys, engine):
    assert main(["compare", "leaf-s", str(pictures), "--engines", f"cpu,{engine}"]) == ExitCode.DEVICE
    error = capsys.readouterr().err
    assert "LEAF_E_DEVICE_" in error and error.count("\n") == 1
