"""Scores of the tiny student, which follow from its arithmetic; the self-test; what is refused."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers_bundle import CURVE, INTERVAL, SPREAD, THRESHOLD, tiny_contents, tiny_manifest, tiny_model

import leaf_edge
from leaf_edge.bundle import BundleCode, BundleError, Encoding, load_bundle, write_bundle
from leaf_edge.contract import FAULTS
from leaf_edge.frames import ColorMatrix, ColorRange, Frame, FrameError, PixelFormat, Roi
from leaf_edge.runtime.engine import OnnxEngine
from leaf_edge.runtime.score import COLUMNS
from leaf_edge.runtime.scorer import Scorer, reason, run_self_test

pytest.importorskip("onnx", reason="needs onnx to make a network (leaf-edge[train])")

ENCODING = Encoding("model.cpu.onnx", "u8s8", CURVE, INTERVAL)


def grey(level: int, width: int = 64, height: int = 48) -> Frame:
    return Frame.from_array(np.full((height, width, 3), level, np.uint8), source="grey", index=7, time_s=0.28)


@pytest.fixture(scope="module")
def scorer(tiny_bundle: Path) -> Scorer:
    return leaf_edge.load(tiny_bundle)


@pytest.mark.parametrize("level", [0, 77, 128, 255])
def test_every_field_of_a_score(scorer: Scorer, level: int) -> None:
    score = scorer.score(grey(level), acquire_ms=1.5)
    mean = level / 255
    assert score.raw == pytest.approx(mean, abs=1e-5)
    assert score.mos == pytest.approx(1 + 4 * mean, abs=1e-3)
    half = 1.5 * SPREAD * 4
    assert score.mos_lo == pytest.approx(max(1, score.mos - half), abs=1e-3)
    assert score.mos_hi == pytest.approx(min(5, score.mos + half), abs=1e-3)
    faults = dict(zip(FAULTS, score.faults, strict=True))
    assert faults.pop("under_exposure") == pytest.approx(1 - mean, abs=1e-4)
    assert faults.pop("over_exposure") == pytest.approx(mean, abs=1e-4)
    assert set(faults.values()) == {0.0}
    assert score.reason == ("over_exposure" if level > 127 else "under_exposure")
    assert (score.frame, score.time_s, score.source) == (7, 0.28, "grey")
    assert score.stages.acquire_ms == 1.5
    assert min(score.stages.views_ms, score.stages.inference_ms) > 0


def test_a_score_as_json_and_as_a_row_holds_exactly_what_it_says(scorer: Scorer) -> None:
    score = scorer.score(grey(77))
    record = json.loads(json.dumps(score.to_dict()))
    assert record["mos"] == score.mos == round(score.mos, 4)
    assert record["faults"] == dict(zip(FAULTS, score.faults, strict=True))
    assert record["stages"]["views_ms"] == score.stages.views_ms
    row = score.to_row()
    assert ",".join(COLUMNS).startswith(
        "source,frame,time_s,mos,mos_lo,mos_hi,raw,reason,defocus,motion_blur,"
    )
    assert all(name in row for name in COLUMNS)


def test_region_of_interest(scorer: Scorer) -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[20:60, 30:110] = 200
    frame = Frame.from_array(pixels)
    assert scorer.score(frame, Roi(30, 20, 80, 40)).raw == pytest.approx(200 / 255, abs=1e-5)
    assert scorer.score(frame).raw < 0.5
    with pytest.raises(FrameError, match="200x100"):
        scorer.score(frame, Roi(30, 20, 180, 40))


def test_the_same_picture_in_several_formats(scorer: Scorer) -> None:
    luma, chroma = np.full((48, 64), 100, np.uint8), np.full((24, 64), 128, np.uint8)
    nv12 = Frame((luma, chroma), 64, 48, PixelFormat.NV12, ColorRange.FULL, ColorMatrix.BT709)
    gray = Frame((luma,), 64, 48, PixelFormat.GRAY8, ColorRange.FULL)
    scores = {scorer.score(frame).mos for frame in (nv12, gray, grey(100))}
    assert len(scores) == 1


def test_score_views_gives_raw_outputs_of_a_batch(scorer: Scorer) -> None:
    views = np.zeros((3, 2, 3, 224, 224), np.uint8)
    views[1], views[2, 0] = 255, 255
    outputs = scorer.score_views(views)
    np.testing.assert_allclose(outputs.mos, [0, 1, 0.5], atol=1e-6)
    np.testing.assert_allclose(outputs.spread, SPREAD, atol=1e-6)
    assert outputs.faults.shape == (3, len(FAULTS))
    assert outputs.faults.dtype == np.float32


@pytest.mark.parametrize(
    "views",
    [
        np.zeros((2, 3, 224, 224), np.uint8),
        np.zeros((1, 2, 3, 224, 223), np.uint8),
        np.zeros((1, 2, 3, 224, 224), np.float32),
    ],
)
def test_views_of_another_shape_or_type(scorer: Scorer, views: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"views must be uint8 \[N, 2, 3, 224, 224\]"):
        scorer.score_views(views)


def test_one_scorer_serves_many_threads(scorer: Scorer) -> None:
    levels = [int(level) for level in np.random.default_rng(5).integers(0, 256, 200)]
    barrier = threading.Barrier(8)

    def work(part: int) -> list[float]:
        barrier.wait()
        return [scorer.score(grey(level)).raw for level in levels[part::8]]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    for part, found in enumerate(results):
        np.testing.assert_allclose(found, np.array(levels[part::8]) / 255, atol=1e-5)


def test_the_buffer_of_views_is_kept(scorer: Scorer) -> None:
    scorer.score(grey(1))
    buffer = scorer._buffer()
    scorer.score(grey(2))
    assert scorer._buffer() is buffer


def test_reason_is_the_strongest_fault_from_its_threshold_on() -> None:
    faults = [0.0] * len(FAULTS)
    assert reason(tuple(faults), THRESHOLD) == ""
    faults[2] = THRESHOLD - 1e-4
    assert reason(tuple(faults), THRESHOLD) == ""
    faults[2] = THRESHOLD
    assert reason(tuple(faults), THRESHOLD) == FAULTS[2]
    faults[5] = faults[2]
    assert reason(tuple(faults), THRESHOLD) == FAULTS[2]
    faults[5] += 0.1
    assert reason(tuple(faults), THRESHOLD) == FAULTS[5]


@pytest.mark.parametrize("encoding", ["cpu", "trt"])
def test_self_test_passes_on_both_encodings(tiny_bundle: Path, encoding: str) -> None:
    leaf_edge.load(tiny_bundle, encoding=encoding, self_test=True)


def test_self_test_finds_a_network_that_scores_otherwise(tmp_path: Path) -> None:
    biased = {**tiny_contents(), "model.cpu.onnx": tiny_model(bias=0.02)}  # 0.08 MOS
    write_bundle(tmp_path / "a.leaf", tiny_manifest(), biased)
    leaf_edge.load(tmp_path / "a.leaf")
    leaf_edge.load(tmp_path / "a.leaf", encoding="trt", self_test=True)
    with pytest.raises(BundleError, match=r"golden/0.rgb.raw scores MOS 3\.088; expected 3\.008") as caught:
        leaf_edge.load(tmp_path / "a.leaf", self_test=True)
    assert caught.value.code is BundleCode.SELF_TEST
    assert str(tmp_path / "a.leaf") in str(caught.value)


def test_self_test_without_golden_frames(tmp_path: Path) -> None:
    contents = {k: v for k, v in tiny_contents().items() if not k.startswith("golden")}
    bundle = write_bundle(tmp_path / "a.leaf", tiny_manifest(golden=()), contents)
    with pytest.raises(BundleError, match="no golden frames"):
        run_self_test(leaf_edge.load(tmp_path / "a.leaf"), bundle)


def test_unknown_encoding_and_threads(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError) as caught:
        leaf_edge.load(tiny_bundle, encoding="npu")
    assert caught.value.code is BundleCode.ENCODING
    with pytest.raises(ValueError, match="threads must be 1 to"):
        leaf_edge.load(tiny_bundle, threads=0)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (b"", "cannot be loaded"),
        (b"not a network", "cannot be loaded"),
        (tiny_model()[:300], "cannot be loaded"),
        (tiny_model(name="image"), r"inputs of the network are \['image'\]; expected \['views'\]"),
        (tiny_model(width=7), r"faults of the network is .*\['N', 7\]; expected .*\['N', 8\]"),
    ],
    ids=["empty", "junk", "truncated", "other input", "seven faults"],
)
def test_networks_that_are_no_student(model: bytes, text: str) -> None:
    with pytest.raises(BundleError, match=text) as caught:
        Scorer(model, ENCODING)
    assert caught.value.code is BundleCode.MODEL


def test_outputs_that_are_not_finite() -> None:
    engine = OnnxEngine(tiny_model(scale=float("nan")))
    with pytest.raises(BundleError, match="mos of the network is not a finite number") as caught:
        engine(np.zeros((1, 2, 3, 224, 224), np.uint8))
    assert caught.value.code is BundleCode.MODEL


def test_threads_do_not_spin_between_frames() -> None:
    options = OnnxEngine(tiny_model(), threads=2)._session.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "{absolute}", "*/_ORT_MEM_ADDR_/*"])
def test_weights_outside_of_the_model_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    import onnx

    model = onnx.load_from_string(tiny_model())
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    data = onnx.numpy_helper.to_array(weights).tobytes()
    inner = tmp_path / "inner"
    inner.mkdir()
    for folder in (tmp_path, inner):
        (folder / "weights.bin").write_bytes(data)
    monkeypatch.chdir(inner)
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (
        ("location", location.format(absolute=tmp_path / "weights.bin")),
        ("offset", "0"),
        ("length", str(len(data))),
    ):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    with pytest.raises(BundleError) as caught:
        OnnxEngine(model.SerializeToString())
    assert caught.value.code is BundleCode.MODEL


def test_a_bundle_that_is_refused_names_itself_once(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "x.leaf"))
    (folder / "card.md").unlink()
    with pytest.raises(BundleError) as caught:
        leaf_edge.load(folder)
    assert str(caught.value).count(str(folder)) == 1


def test_the_scorer_keeps_working_when_its_bundle_is_gone(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "x.leaf"))
    scorer, bundle = leaf_edge.load(folder), load_bundle(folder)
    shutil.rmtree(folder)
    assert scorer.score(grey(128)).mos == pytest.approx(3.0078, abs=1e-3)
    run_self_test(scorer, bundle)
