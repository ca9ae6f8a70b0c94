"""Acceptance: marks that stay, engines that plug in, frames that are shown, layers that are chosen."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from export_inputs import rated, scenes, tiny_student

import leaf_edge
from leaf_edge.bundle import load_bundle, write_bundle
from leaf_edge.bundle.revise import recalibrated
from leaf_edge.export import (
    CPU,
    AcceptanceEngine,
    Budgets,
    BuildOptions,
    RefusedError,
    build_bundle,
    contact_sheet,
    layer_costs,
    plug_in,
)
from leaf_edge.export.report import WorstFrame
from leaf_edge.export.sensitivity import next_float
from leaf_edge.export.to_onnx import run_model
from leaf_edge.runtime.scorer import NotAcceptedWarning

NEVER = Budgets(mos_mean=0.0)


@pytest.fixture(scope="module")
def sets():
    student = tiny_student()
    return student, {
        "calibration": scenes(20, seed=1),
        "fit": rated(student, 30, seed=2),
        "validation": rated(student, 30, seed=3),
    }


def test_a_bundle_that_was_accepted_anyway_says_so_for_ever(sets, tmp_path: Path) -> None:
    student, inputs = sets
    folder = tmp_path / "tiny.leaf"
    options = BuildOptions(budgets=NEVER, most_float=0, accept_anyway=True)
    bundle, report = build_bundle(student, folder, **inputs, options=options)
    assert report.anyway and report.failures and "LEAF_E_EXPORT_MOS_MEAN" in report.codes
    acceptance = load_bundle(folder).manifest.acceptance
    assert acceptance is not None and acceptance.anyway and not acceptance.accepted
    assert acceptance.failures == report.failures
    assert "**Not accepted.**" in bundle.contents["card.md"].decode()
    assert bundle.manifest.training.figures["export"]["anyway"] is True
    with pytest.warns(NotAcceptedWarning, match="failed its acceptance"):
        leaf_edge.load(folder)
    calibration = {n: (e.curve, e.interval) for n, e in bundle.manifest.encodings.items()}
    again = recalibrated(bundle, calibration, {}, name="tiny", version="1.0.1")
    write_bundle(tmp_path / "again.leaf", again.manifest, again.contents)
    assert load_bundle(tmp_path / "again.leaf").manifest.acceptance == acceptance


def test_another_export_is_another_bundle_with_an_acceptance_of_its_own(sets, tmp_path: Path) -> None:
    student, inputs = sets
    marked = BuildOptions(budgets=NEVER, most_float=0, accept_anyway=True)
    build_bundle(student, tmp_path / "tiny.leaf", **inputs, options=marked)
    loose = BuildOptions(budgets=Budgets(*[5.0] * 8), overwrite=True)
    bundle, _ = build_bundle(student, tmp_path / "tiny.leaf", **inputs, options=loose)
    acceptance, stated = bundle.manifest.acceptance, bundle.manifest.training.figures["export"]
    assert acceptance is not None and acceptance.accepted
    assert stated["parity"]["budgets"]["mos_mean"] == 5.0  # what it was accepted by, where all can read it
    with pytest.raises(RefusedError):
        build_bundle(
            student,
            tmp_path / "tiny.leaf",
            **inputs,
            options=replace(marked, accept_anyway=False, overwrite=True),
        )
    assert load_bundle(tmp_path / "tiny.leaf").manifest == bundle.manifest


def test_an_accepted_bundle_is_loaded_without_a_word(sets, tmp_path: Path) -> None:
    student, inputs = sets
    loose = Budgets(*[5.0] * 8)
    bundle, report = build_bundle(
        student, tmp_path / "tiny.leaf", **inputs, options=BuildOptions(budgets=loose, accept_anyway=True)
    )
    assert bundle.manifest.acceptance is not None and bundle.manifest.acceptance.accepted
    assert not report.anyway and "Not accepted" not in bundle.contents["card.md"].decode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        leaf_edge.load(tmp_path / "tiny.leaf")


def test_an_encoding_is_accepted_on_the_engine_that_is_plugged_in(sets, tmp_path: Path) -> None:
    """An engine that computes something else is noticed by it, and by it alone."""
    student, inputs = sets

    def wrong(model):
        def run(views):
            out = run_model(model, views)
            return {**out, "faults": 1 - out["faults"]}

        return AcceptanceEngine("an engine with a bug", run)

    loose = replace(Budgets(*[5.0] * 8), fault_mean=0.1)
    taken_out = [
        plug_in("trt", wrong),
        plug_in("trt", lambda model: None),
    ]  # the latter is not on this machine
    try:
        with pytest.raises(RefusedError) as caught:
            build_bundle(
                student, tmp_path / "t.leaf", **inputs, options=BuildOptions(budgets=loose, most_float=0)
            )
    finally:
        for take_out in taken_out:
            take_out()
    report = caught.value.report
    assert report.codes == ("LEAF_E_EXPORT_FAULT_MEAN",) and report.failures[0].startswith("trt:")
    assert report.engines["trt"] == "an engine with a bug" and "ONNX Runtime" in report.engines["cpu"]
    worst = report.worst
    assert [abs(w.change) for w in worst] == sorted((abs(w.change) for w in worst), reverse=True)
    assert len({w.index for w in worst}) == len(worst) == 12


def test_the_contact_sheet_has_a_picture_for_each_frame(tmp_path: Path) -> None:
    views = np.zeros((6, 2, 3, 224, 224), np.uint8)
    for i in range(6):
        views[i, 0, 0] = 40 * i + 15  # a red of its own
    worst = [WorstFrame(i, f"frames/{i}.png", "cpu", 3.2, 3.2 - 0.1 * i) for i in (5, 3, 1, 0, 2)]
    contact_sheet(tmp_path / "worst.png", worst, views, "tiny: refused")
    sheet = cv2.imread(str(tmp_path / "worst.png"))
    for i in (5, 3, 1, 0, 2):
        # anti-aliased resampling may be a code off; another frame's red is 40 away
        same = (np.abs(sheet.astype(int) - (0, 0, 40 * i + 15)) <= 2).all(axis=2).sum()
        assert same > 40_000, i
    assert (
        not (np.abs(sheet.astype(int) - (0, 0, 175)) <= 2).all(axis=2).sum() > 1000
    )  # the fifth is not shown
    assert [p.name for p in tmp_path.iterdir()] == ["worst.png"]


def test_the_layer_that_gains_most_stays_in_float(observed) -> None:
    """Found by trying each; the shortlist holds them all."""
    views = observed.views[:4]
    costs = layer_costs(observed.net, CPU, observed.seen, views)
    by_gain = {c.layer: c.gain for c in costs.layers}
    assert sorted(by_gain) == sorted(observed.net.quantizable()) and costs.frames == 4
    few = list(by_gain)[:5]
    best = next_float(observed.net, CPU, observed.seen, views, (), few)
    assert best is not None and best.layer == max(few, key=by_gain.__getitem__)
    assert best.before == costs.loss and best.after == pytest.approx(costs.loss - by_gain[best.layer])
    assert next_float(observed.net, CPU, observed.seen, views, few, few) is None
