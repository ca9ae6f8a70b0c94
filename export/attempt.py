"""Both encodings of one student: quantised, calibrated, run on their engines, compared with float."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from leaf_edge.bundle import Curve, Interval
from leaf_edge.calibration import (
    CalibrationError,
    choose_shape,
    covered,
    fit_curve,
    fit_interval,
    held_out_mos,
)
from leaf_edge.contract import OUTPUT_NAMES
from leaf_edge.export.diagnose import check_heads
from leaf_edge.export.encoding import ENCODINGS
from leaf_edge.export.engines import Opener, acceptance_engine
from leaf_edge.export.net import Net
from leaf_edge.export.observe import Observation
from leaf_edge.export.options import BuildOptions, Rated
from leaf_edge.export.parity import FLOAT, Outputs, Parity, compare
from leaf_edge.export.quantize import Quantized, quantize
from leaf_edge.export.report import Tuning
from leaf_edge.export.sensitivity import Kept, NetCost
from leaf_edge.export.to_onnx import run_model
from leaf_edge.student.network import Student

Say = Callable[[str], None]


@dataclass(frozen=True)
class Reference:
    """Of the float network: outputs on the validation set, those of torch, curve and its shape."""

    validation: Outputs
    torch: Outputs
    curve: Curve
    shape: Any


def reference_of(
    student: Student, model: onnx.ModelProto, fit: Rated, validation: Rated, say: Say
) -> Reference:
    """Runs the float network and fits its curve.

    Raises `StudentError` where a head is saturated, `CalibrationError` for unfit labels.
    """
    on_validation = run_model(model, validation.views)
    check_heads(on_validation)
    on_fit = run_model(model, fit.views)["mos"]
    shape = choose_shape(on_fit, fit.mos)
    say(f"curve: {shape}, from {len(fit.mos)} labels")
    outputs: list[tuple[torch.Tensor, ...]] = []
    with torch.no_grad():
        for i in range(0, len(validation.views), 8):
            outputs.append(student.eval()(torch.from_numpy(validation.views[i : i + 8])))
    by_torch = {n: torch.cat([o[k] for o in outputs]).numpy() for k, n in enumerate(OUTPUT_NAMES)}
    return Reference(on_validation, by_torch, fit_curve(on_fit, fit.mos, shape), shape)


@dataclass(frozen=True)
class Encoded:
    """One encoding: its graph, its calibration on the fit set, its outputs on the validation set, and the
    engine that gave both. net, seen: what it was quantised from."""

    quantized: Quantized
    net: Net
    seen: Observation
    curve: Curve
    interval: Interval
    outputs: Outputs
    coverage: tuple[float, float, float]
    engine: str


@dataclass
class Attempt:
    """The encodings as they stand, by name, and what was done for those that failed at first. openers: of the
    engines that encodings are accepted on, where that is not ONNX Runtime's CPU."""

    net: Net
    views: NDArray[np.uint8]
    reference: Reference
    fit: Rated
    validation: Rated
    options: BuildOptions
    say: Say
    openers: Mapping[str, Opener] = field(default_factory=dict)
    encodings: dict[str, Encoded] = field(default_factory=dict)
    kept: dict[str, tuple[Kept, ...]] = field(default_factory=dict)
    tuning: dict[str, Tuning] = field(default_factory=dict)
    costs: dict[str, NetCost] = field(default_factory=dict)

    def encode(
        self, name: str, seen: Observation, keep: tuple[str, ...], tuned: Net | None = None
    ) -> Encoded:
        """Quantises and calibrates. keep: layers in float. tuned: fine-tuned layers in place of the
        student's; `seen` is then of them."""
        net = tuned or self.net
        q = quantize(
            net,
            ENCODINGS[name],
            seen,
            self.views,
            keep_float=keep,
            reference=self.net if tuned else None,
        )
        errors = ", ".join(f"{rule} {error:.4f}" for rule, error in q.error.items())
        self.say(
            f"{name}: ranges by {q.rule} (change of raw quality: {errors})"
            + (f"; float: {', '.join(keep)}" if keep else "")
        )
        engine = acceptance_engine(name, q.model, self.openers.get(name))
        out = engine.run(self.fit.views)
        curve, unseen = self._curve(out)
        interval = fit_interval(unseen, out["spread"], self.fit.mos, self.options.coverage)
        out = engine.run(self.validation.views)
        share, width = covered(interval, curve(out["mos"]), out["spread"], self.validation.mos)
        coverage = (self.options.coverage, share, width)
        return Encoded(q, net, seen, curve, interval, out, coverage, engine.name)

    def _curve(self, out: Outputs) -> tuple[Curve, NDArray[np.float64]]:
        """Curve of an encoding on its own outputs (its shape is the float one's), and the MOS of labels that
        the curve has not seen, as conformal prediction needs."""
        shape, mos = self.reference.shape, self.fit.mos
        try:
            return fit_curve(out["mos"], mos, shape), held_out_mos(out["mos"], mos, shape)
        except CalibrationError:
            # float had a curve, so the labels are fit: INT8 broke the scores, and by that curve they fail
            return self.reference.curve, self.reference.curve(out["mos"])

    def parity(self, **changed: Encoded) -> Parity:
        """Of the encodings as they stand, or with some `changed`."""
        encodings = {**self.encodings, **changed}
        return compare(
            {
                "torch": self.reference.torch,
                FLOAT: self.reference.validation,
                **{n: e.outputs for n, e in encodings.items()},
            },
            {FLOAT: self.reference.curve, **{n: e.curve for n, e in encodings.items()}},
            self.validation.mos,
            threshold=self.options.threshold,
            budgets=self.options.budgets,
        )


def fails(parity: Parity, encoding: str) -> bool:
    """Whether a budget of `encoding` itself, not of the pair, is exceeded."""
    return any(text.startswith(f"{encoding}:") for text in parity.failures)
