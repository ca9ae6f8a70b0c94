"""Quantisation-aware fine-tuning, where post-training quantisation does not pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from export_inputs import rated, rescaled, scenes, tiny_student

from leaf_edge.export import CPU, Budgets, BuildOptions, RefusedError, build_bundle, observe
from leaf_edge.export.encoding import make_plan
from leaf_edge.export.net import from_student
from leaf_edge.export.tune import TuneOptions, tune

LOOSE = Budgets(*[5.0] * 8)
IN_INT8 = ("blocks.14", "blocks.15", "blocks.16", "head", "pool", "joint")


def test_fine_tuning_helps_where_post_training_quantisation_fails(tmp_path: Path) -> None:
    """Channels of unlike ranges in the last blocks. The layers before stay in float: through the whole of a
    random network a rounding error grows beyond what any gradient tells."""
    student = tiny_student()
    inputs = {
        "calibration": scenes(20, seed=1),
        "fit": rated(student, 30, seed=2),
        "validation": rated(student, 30, seed=3),
    }
    broken = rescaled(student, octaves=6)
    keep = tuple(x for x in from_student(broken).quantizable() if not x.startswith(IN_INT8))
    options = BuildOptions(budgets=replace(LOOSE, mos_max=0.26), keep_float=keep, most_float=0)
    with pytest.raises(RefusedError) as caught:
        build_bundle(broken, tmp_path / "tiny.leaf", **inputs, options=options)
    assert caught.value.report.codes == ("LEAF_E_EXPORT_MOS_MAX",)
    bundle, report = build_bundle(broken, tmp_path / "tiny.leaf", **inputs, options=replace(options, qat=24))
    assert report.failures == () and bundle.manifest.acceptance is not None
    assert bundle.manifest.acceptance.accepted
    assert list(report.tuning) == ["cpu"] and report.tuning["cpu"].used
    assert report.tuning["cpu"].after < report.tuning["cpu"].before
    told = bundle.manifest.training.figures["export"]["encodings"]
    assert told["cpu"]["tuning"]["steps"] == 24 and told["trt"]["tuning"] is None


def test_fine_tuning_is_a_function_of_its_inputs_and_leaves_the_student_alone() -> None:
    net, views = from_student(tiny_student()), scenes(8)
    plan = make_plan(net, CPU, observe(net, views).ranges("minmax", CPU))
    before = net["head"].parameters[0].copy()
    first, second = (tune(net, plan, views, TuneOptions(4, batch=2)) for _ in range(2))
    assert (net["head"].parameters[0] == before).all()
    assert first.before == second.before and first.after == second.after <= first.before
    assert (first.net["head"].parameters[0] == second.net["head"].parameters[0]).all()
    with pytest.raises(ValueError, match="3 views; expected 8 or more"):
        tune(net, plan, views[:3], TuneOptions(4))
    with pytest.raises(ValueError, match="above 0"):
        TuneOptions(0)
