"""The C library from Python gives what `Scorer` gives: bit for bit, whatever the frame and the call."""

from __future__ import annotations

import logging
import math
import random
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from binding_frames import noise_frame, open_context, untimed

from leaf_edge.bundle import pack
from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, Roi
from leaf_edge.runtime import native, scorer
from leaf_edge.runtime.native_context import ArrayFrame, Stage
from leaf_edge.runtime.score_source import score_source
from leaf_edge.runtime.stream import score_stream

SIZES = [(97, 61), (1, 1), (640, 1), (1, 333), (224, 224), (449, 127)]


def every_kind() -> list[Frame]:
    """Frames of each format with each matrix and range that it has, in changing odd sizes and pitches."""
    frames: list[Frame] = []
    for fmt in PixelFormat:
        matrices: list[ColorMatrix | None] = list(ColorMatrix) if fmt.is_yuv else [None]
        for number, (matrix, range) in enumerate(product(matrices, ColorRange)):
            width, height = SIZES[(int(fmt) + number) % len(SIZES)]
            padding = (0, 5, 64)[number % 3]
            frames.append(
                noise_frame(
                    fmt, width, height, matrix=matrix, range=range, padding=padding,
                    index=len(frames), time_s=len(frames) / 30, source="made",
                )
            )  # fmt: skip
    return frames


@pytest.fixture(scope="module")
def pair() -> tuple[native.NativeScorer, scorer.Scorer]:
    """leaf-s by both."""
    return native.load("leaf-s"), scorer.load("leaf-s")


def test_every_format_matrix_and_range_scores_the_same(
    pair: tuple[native.NativeScorer, scorer.Scorer],
) -> None:
    ours, theirs = pair
    frames = every_kind()
    assert len(frames) == 6 * 6 + 5 * 2
    scores = [ours.score(frame, acquire_ms=1.23456) for frame in frames]
    assert [untimed(score) for score in scores] == [untimed(theirs.score(frame)) for frame in frames]
    assert len({score.raw for score in scores}) > 30
    for score in scores:
        stages = score.stages
        assert stages.acquire_ms == 1.235
        assert stages.views_ms > 0 and stages.inference_ms > 0
        assert all(value == round(value, 3) for value in (stages.views_ms, stages.inference_ms))


def test_regions_score_the_same(pair: tuple[native.NativeScorer, scorer.Scorer]) -> None:
    ours, theirs = pair
    rng = random.Random(0)
    for fmt in PixelFormat:
        frame = noise_frame(fmt, 131, 77, padding=3)
        x, y = rng.randrange(130), rng.randrange(76)
        roi = Roi(x, y, rng.randint(1, 131 - x), rng.randint(1, 77 - y))
        assert untimed(ours.score(frame, roi)) == untimed(theirs.score(frame, roi))


def test_what_is_open_is_said(pair: tuple[native.NativeScorer, scorer.Scorer]) -> None:
    ours, theirs = pair
    assert (ours.name, ours.engine, ours.threads) == (theirs.name, "cpu", 1)
    assert ours.engine_description == theirs.engine_description
    assert ours.reason_threshold == theirs.reason_threshold
    assert ours.info.coverage == theirs.encoding.interval.coverage
    assert ours.info.encoding == "cpu" and ours.info.key_id == "" and ours.info.golden == 3


def test_leaf_m_loads_and_passes_its_self_test() -> None:
    frame = noise_frame(PixelFormat.RGB)
    with native.load("leaf-m", self_test=True, threads=2) as ours:
        assert untimed(ours.score(frame)) == untimed(scorer.load("leaf-m", threads=2).score(frame))


def test_batches_of_any_cameras_score_as_single_frames_do(tiny_bundle: Path) -> None:
    frames = every_kind()
    rois = [Roi(0, 0, frame.width, max(1, frame.height // 2)) for frame in frames]
    theirs = scorer.load(tiny_bundle)
    with open_context(tiny_bundle, batch=8) as context:
        context.prepare(frames[:8])
        for start in range(0, len(frames), 7):
            few, regions = frames[start : start + 7], rois[start : start + 7]
            whole = [untimed(score) for score in context.score_batch(few)]
            part = [untimed(score) for score in context.score_batch(few, regions)]
            assert whole == [untimed(theirs.score(frame)) for frame in few]
            assert part == [
                untimed(theirs.score(frame, roi)) for frame, roi in zip(few, regions, strict=True)
            ]
        assert context.timings().views.count == 2 * len(frames)
        assert context.timings().inference.count == 2 * math.ceil(len(frames) / 7)
        context.reset_timings()
        assert context.timings().views == Stage(0, 0, 0, 0)


def test_submitted_frames_come_back_in_order_with_the_same_scores(tiny_bundle: Path) -> None:
    theirs = scorer.load(tiny_bundle)
    frames = every_kind()
    with open_context(tiny_bundle, batch=4, queue=5) as context:
        tickets, polled = [], []
        for frame in frames:
            if context.in_flight == 5:
                polled.append(context.poll())
            tickets.append(context.submit(frame, camera=frame.index % 3))
        with pytest.raises(RuntimeError, match="in flight"):
            context.score(frames[0])
        while (done := context.poll()) is not None:
            polled.append(done)
        assert context.in_flight == 0
    assert tickets == [done.ticket for done in polled if done] == list(range(1, len(frames) + 1))
    for frame, done in zip(frames, polled, strict=True):
        assert done is not None and done.score is not None and done.error is None
        assert untimed(done.score) == untimed(theirs.score(frame))
        assert (done.camera, done.frame, done.source) == (frame.index % 3, frame.index, "made")
        assert done.queue_ms > 0


def test_a_packed_bundle_and_other_instruction_sets_score_the_same(tiny_bundle: Path, tmp_path: Path) -> None:
    from leaf_edge.views.native import available_isas

    tar = tmp_path / "tiny.leaf.tar"
    pack(tiny_bundle, tar)
    frame = noise_frame()
    wanted = untimed(scorer.load(tiny_bundle).score(frame))
    for isa in available_isas():
        with open_context(tar, isa=isa) as context:
            assert context.info.isa == isa
            assert untimed(context.score(frame)) == wanted
            assert context.self_test() < 1e-4


def test_a_stream_and_a_source_take_the_native_scorer(tiny_bundle: Path, tmp_path: Path) -> None:
    import cv2

    from leaf_edge.frames import open_source

    frames = every_kind()
    wanted = [untimed(score) for _, score in score_stream(scorer.load(tiny_bundle), frames)]
    with native.load(tiny_bundle) as ours:
        assert [untimed(score) for _, score in score_stream(ours, frames, workers=3)] == wanted
        for number in range(3):
            picture = np.full((20, 30, 3), 60 * number, np.uint8)
            cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
        with open_source(str(tmp_path)) as source:
            found = [
                item.score.raw for item in score_source(ours, source, lambda error: pytest.fail(str(error)))
            ]
    assert found == sorted(found) and len(set(found)) == 3


def test_torch_tensors_and_channels_last_arrays_score_as_frames_do(tiny_bundle: Path) -> None:
    torch = pytest.importorskip("torch")
    theirs = scorer.load(tiny_bundle)
    with open_context(tiny_bundle) as context:
        for fmt, channels in ((PixelFormat.RGB, 3), (PixelFormat.BGRA, 4)):
            frame = noise_frame(fmt, 40, 30, padding=12)
            rows = frame.planes[0]
            image = np.lib.stride_tricks.as_strided(
                rows, (30, 40, channels), (rows.strides[0], channels, 1), writeable=False
            )
            wanted = untimed(theirs.score(frame))
            for plane in (rows, image, torch.from_numpy(image.copy()), torch.from_numpy(rows.copy())):
                given = ArrayFrame((plane,), 40, 30, fmt, frame.range)
                assert untimed(context.score(given)) == wanted
        for fmt in (PixelFormat.NV12, PixelFormat.P010, PixelFormat.I420):
            frame = noise_frame(fmt, 41, 30, padding=6)
            wide = [
                np.pad(plane, ((0, 0), (0, 9)))[:, : plane.shape[1]] for plane in frame.planes
            ]  # a pitch of the tensor's own
            tensors = tuple(torch.from_numpy(plane) for plane in wide)
            assert not tensors[0].is_contiguous()
            given = ArrayFrame(
                tensors, 41, 30, fmt, frame.range, frame.matrix, source="t", index=4, time_s=0.5
            )
            score = context.score(given)
            assert (score.source, score.frame, score.time_s) == ("t", 4, 0.5)
            assert score.raw == theirs.score(frame).raw


def test_the_library_logs_through_logging(tiny_bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "leaf_edge.native")
    open_context(tiny_bundle, engines="tensorrt, cpu").close()
    levels = {record.levelno: record.getMessage() for record in caplog.records}
    assert "engine tensorrt is skipped: LEAF_E_" in levels[logging.WARNING]
    assert "tiny 1.0.0 on ONNX Runtime" in levels[logging.INFO]
    caplog.clear()
    own = logging.getLogger("a.program")
    own.setLevel(logging.INFO)
    open_context(tiny_bundle, logger=own).close()
    assert {record.name for record in caplog.records} == {"a.program"}


def test_native_scores_need_neither_onnxruntime_nor_torch_in_python(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from leaf_edge.runtime import native; from leaf_edge import Frame\n"
        "s = native.load('leaf-s'); print(s.score(Frame.from_array(np.zeros((8, 8, 3), np.uint8))).mos)\n"
        "assert not {'onnxruntime', 'torch'} & set(sys.modules), sys.modules\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert 1 <= float(done.stdout) <= 5
