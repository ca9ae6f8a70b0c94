"""Two engines on the same frames: figures, limits, worst frames."""

from __future__ import annotations

import numpy as np
import pytest
from compare_inputs import picture

from leaf_edge.bundle import Curve, load_bundle, shipped
from leaf_edge.compare import KeptViews, Limits, Side, compare_frames, make_side, make_viewer, view_kernels
from leaf_edge.contract import FAULTS
from leaf_edge.frames import Frame
from leaf_edge.runtime.engine import RawOutputs
from leaf_edge.views import available_isas

FRAMES = [(f"picture {i}", Frame.from_array(picture(i))) for i in range(6)]
LINE = Curve((0.0, 1.0), (1.0, 5.0))
AUTO = (make_viewer("auto"), make_viewer("scalar"))


def linear(name, *, add=0.0, only_above=None, curve=LINE):
    """An engine whose raw quality is the mean byte, and `add` to it (where it is above `only_above`)."""

    def run(views):
        raw = views.mean((1, 2, 3, 4), dtype=np.float64) / 255
        moved = raw + (add if only_above is None or raw[0] > only_above else 0.0)
        faults = np.full((len(views), len(FAULTS)), 0.25)
        faults[:, 2] += add
        return RawOutputs(*(x.astype(np.float32) for x in (moved, np.full_like(raw, 0.1), faults)))

    return Side(name, run, curve, None)


@pytest.fixture(scope="module")
def leaf_s():
    return load_bundle(shipped("leaf-s"))


def test_an_engine_agrees_with_itself_to_the_last_bit(leaf_s):
    side = make_side("cpu", leaf_s)
    found = compare_frames(FRAMES, (side, side), AUTO)
    assert found.mos.max == found.outputs["faults"].max == found.flips_mean == found.views.frames == 0
    assert not found.failures and found.frames == 6


def test_the_two_encodings_of_the_shipped_model_agree_within_the_limits(leaf_s):
    found = compare_frames(FRAMES, (make_side("cpu", leaf_s), make_side("trt-onnx", leaf_s)), AUTO)
    assert not found.failures
    assert 0 < found.mos.mean <= found.mos.rms <= found.mos.max < 0.35
    assert set(found.outputs) == {"mos", "spread", "faults", *FAULTS}


def test_figures_follow_from_the_arithmetic_of_the_engines():
    found = compare_frames(FRAMES, (linear("a"), linear("b", add=0.02)), AUTO)
    assert found.mos.mean == pytest.approx(0.08, abs=1e-6) == found.bias  # 0.02 of a scale that spans 4
    assert found.outputs["mos"].max == pytest.approx(0.02, abs=1e-6)
    assert found.outputs["noise"].mean == pytest.approx(0.02, abs=1e-6)
    assert found.outputs["faults"].mean == pytest.approx(0.02 / 8, abs=1e-6)
    assert found.outputs["defocus"].max == 0
    assert [line for line in found.failures if "mean difference in MOS is 0.0800; at most 0.045" in line]


def test_the_frame_that_differs_is_named_first_and_its_views_are_kept():
    means = [AUTO[0][1](frame).mean() / 255 for _, frame in FRAMES]
    top = int(np.argmax(means))
    between = float(np.mean(sorted(means)[-2:]))
    keep = KeptViews(2)
    engines = (linear("a"), linear("b", add=-0.1, only_above=between))
    found = compare_frames(FRAMES, engines, AUTO, worst=1, keep=keep)
    (worst,) = found.worst
    assert (worst.name, worst.number) == (f"picture {top}", top)
    assert worst.change == pytest.approx(-0.4, abs=1e-5) and worst.fault == "noise"
    assert np.array_equal(keep.views[0], AUTO[0][1](FRAMES[top][1])) and keep.views.shape[0] == 2


def test_flips_are_counted_at_the_stated_thresholds():
    mos = sorted(1 + 4 * AUTO[0][1](frame).mean() / 255 for _, frame in FRAMES)
    gate = (mos[2] + mos[3]) / 2
    engines = (linear("a"), linear("b", add=(gate - mos[2]) / 4 + 1e-4))  # carries just the third over it
    passed = [m for m in mos if m < gate <= m + (gate - mos[2]) + 4e-4]
    found = compare_frames(FRAMES, engines, AUTO, thresholds=[gate])
    assert found.flips == (len(passed) / 6,) and found.judged
    assert any("gate decisions" in line for line in found.failures)


def test_a_few_frames_do_not_break_the_limit_on_flips_unless_that_is_asked_for():
    engines = (linear("a"), linear("b", add=-1e-4))
    assert not compare_frames(FRAMES, engines, AUTO).failures
    asked = compare_frames(FRAMES, engines, AUTO, judge_flips=True)
    assert asked.flips_mean > 0 and len(asked.failures) == 1
    assert Limits().least_frames == 34


def test_numbers_that_are_not_numbers_break_every_limit():
    found = compare_frames(FRAMES, (linear("a"), linear("b", add=float("nan"))), AUTO)
    assert len([line for line in found.failures if "nan" in line]) == 2


def test_a_side_without_a_curve_takes_the_others_and_two_are_refused():
    found = compare_frames(FRAMES, (linear("float", curve=None), linear("b")), AUTO)
    assert found.mos.max == 0 and found.limits == Limits.against_float()
    with pytest.raises(ValueError, match="no curve"):
        compare_frames(FRAMES, (linear("x", curve=None), linear("y", curve=None)), AUTO)
    with pytest.raises(ValueError, match="no frame"):
        compare_frames([], (linear("a"), linear("b")), AUTO)


def test_views_that_differ_by_one_byte_are_found_and_fail():
    def off_by_one(frame):
        views = AUTO[0][1](frame).copy()
        views[1, 2, 100, 100] ^= 1
        return views

    found = compare_frames(FRAMES[:2], (linear("a"), linear("b")), (AUTO[0], ("odd", off_by_one)))
    assert (found.views.frames, found.views.bytes, found.views.largest) == (2, 2, 1)
    assert found.views.first == "picture 0" and "the views differ in 2 of 2 frames" in found.failures[0]


@pytest.mark.parametrize("kernel", [*available_isas(), "reference"])
def test_every_kernel_gives_the_bytes_of_the_specification(kernel):
    found = compare_frames(
        FRAMES[:1], (linear("a"), linear("b")), (make_viewer(kernel), make_viewer("scalar"))
    )
    assert not found.views.frames and found.kernels == (kernel, "scalar") and kernel in view_kernels()


def test_limits_are_those_of_the_export():
    pytest.importorskip("onnx")
    pytest.importorskip("torch")
    from leaf_edge.export import Budgets

    stated = Budgets()
    assert Limits() == Limits(stated.pair_mean, stated.pair_max, stated.pair_flips)
    assert Limits.against_float() == Limits(stated.mos_mean, stated.mos_max, stated.flips)


def test_the_float_student_is_near_its_encodings(leaf_s):
    pytest.importorskip("onnx")
    pytest.importorskip("torch")
    checkpoint = shipped("leaf-s").with_name("leaf-s.pt")
    if not checkpoint.is_file():
        pytest.skip("the float checkpoint is not part of a wheel")
    engines = (make_side("float", leaf_s, checkpoint=checkpoint), make_side("cpu", leaf_s))
    found = compare_frames(FRAMES, engines, AUTO)
    assert 0 < found.mos.mean < 0.2 and found.outputs["faults"].mean < 0.05


def test_unknown_engines_and_a_float_without_checkpoint_are_refused(leaf_s):
    with pytest.raises(ValueError, match="cpu, trt-onnx"):
        make_side("gpu", leaf_s)
    with pytest.raises(ValueError, match="--checkpoint"):
        make_side("float", leaf_s)
