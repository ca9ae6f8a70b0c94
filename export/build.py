"""From a trained student to a bundle: quantise, calibrate, accept or refuse, write."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from leaf_edge.bundle import (
    Bundle,
    Curve,
    GoldenFrame,
    GoldenScore,
    Interval,
    Manifest,
    Tolerance,
    Training,
    write_bundle,
)
from leaf_edge.bundle import Encoding as BundleEncoding
from leaf_edge.calibration import (
    CalibrationError,
    check_views,
    choose_shape,
    covered,
    fit_curve,
    fit_interval,
    held_out_mos,
)
from leaf_edge.contract import OUTPUT_NAMES
from leaf_edge.export.card import About, card
from leaf_edge.export.encoding import ENCODINGS, check_layers
from leaf_edge.export.golden import frame_bytes, golden_frames
from leaf_edge.export.net import Net, from_student
from leaf_edge.export.observe import Observation, observe
from leaf_edge.export.parity import FLOAT, Budgets, Outputs, Parity, compare
from leaf_edge.export.quantize import Quantized, quantize
from leaf_edge.export.report import BuildReport, RefusedError
from leaf_edge.export.sensitivity import sensitivity
from leaf_edge.export.to_onnx import float_model, run_model, verify
from leaf_edge.student.network import Student
from leaf_edge.views import make_views

Say = Callable[[str], None]
_SENSITIVITY_FRAMES = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class Rated:
    """views: uint8 [N, 2, 3, 224, 224]. mos: human MOS [N], 1..5."""

    views: NDArray[np.uint8]
    mos: NDArray[np.float64]


@dataclass(frozen=True)
class BuildOptions:
    """threshold: MOS at which flips are counted, by default several (`compare`). coverage: of the interval.
    keep_float: layers that stay in float in both encodings. most_float: how many more an encoding
    that fails may keep, by measured sensitivity; 0 refuses at once. overwrite: an existing bundle."""

    budgets: Budgets = field(default_factory=Budgets)
    threshold: float | None = None
    coverage: float = 0.9
    keep_float: tuple[str, ...] = ()
    most_float: int = 4
    overwrite: bool = False


@dataclass
class _Attempt:
    """Both encodings, their calibration on the fit set, and their outputs on the validation set."""

    encodings: dict[str, Quantized]
    curves: dict[str, Curve] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    outputs: dict[str, Outputs] = field(default_factory=dict)
    coverage: dict[str, tuple[float, float, float]] = field(default_factory=dict)


def valid_name(folder: str) -> bool:
    """Whether a bundle's folder may be called so."""
    return folder.endswith(".leaf") and _NAME.fullmatch(folder.removesuffix(".leaf")) is not None


def build_bundle(
    student: Student,
    folder: str | Path,
    *,
    calibration: NDArray[np.uint8],
    fit: Rated,
    validation: Rated,
    about: About | None = None,
    options: BuildOptions | None = None,
    say: Say = lambda text: None,
) -> tuple[Bundle, BuildReport]:
    """Writes the bundle `folder` (NAME.leaf), or refuses and writes nothing.

    calibration: views of training frames for INT8, without labels (see `check_views`).
    fit: frames that the student was not trained on, for curve and interval.
    validation: other such frames, for acceptance.
    say: called with a line at each step.
    Raises `RefusedError` where a budget does not hold, `CalibrationError` for unfit calibration views or
    labels, ValueError for other names of the folder or of layers, FileExistsError where the folder is there.
    """
    folder, about, options = Path(folder), about or About(), options or BuildOptions()
    model_name = folder.name.removesuffix(".leaf")
    if not valid_name(folder.name):
        raise ValueError(f"{folder.name}: expected a name like leaf-s.leaf (lower case, digits, . _ -)")
    if folder.exists() and not options.overwrite:
        raise FileExistsError(17, "exists already", str(folder))
    check_views(calibration)
    net = from_student(student)
    check_layers(net, options.keep_float)
    model = float_model(net)
    say(f"float graph: differs from torch by {verify(student, model):.1e} at most")
    seen = observe(net, calibration)
    say(f"observed {len(seen.tensors)} activations on {seen.frames} frames")

    reference = _reference(student, model, fit, validation, say)
    attempt = _Attempt({})
    for encoding in ENCODINGS.values():
        attempt.encodings[encoding.name] = _quantized(
            net, encoding.name, seen, calibration, options.keep_float, say
        )
        _calibrate(attempt, encoding.name, reference, fit, validation, options)
    parity = _parity(attempt, reference, validation, options)
    for encoding_name in [e for e in ENCODINGS if options.most_float and _fails(parity, e)]:
        say(f"{encoding_name} breaks its budgets; measuring which layers to keep in float")
        worst = sensitivity(net, ENCODINGS[encoding_name], seen, calibration[:_SENSITIVITY_FRAMES])
        for count in _counts(options.most_float):
            keep = (*options.keep_float, *(layer for layer, _ in worst[:count]))
            attempt.encodings[encoding_name] = _quantized(net, encoding_name, seen, calibration, keep, say)
            _calibrate(attempt, encoding_name, reference, fit, validation, options)
            parity = _parity(attempt, reference, validation, options)
            if not _fails(parity, encoding_name):
                break
    report = _report(model_name, attempt, parity, fit, validation)
    if report.failures:
        raise RefusedError(report)
    bundle = _write(folder, student, about, attempt, report, options)
    say(f"wrote {folder}: {', '.join(f'{e} {b / 1e6:.2f} MB' for e, b in report.sizes.items())}")
    return bundle, report


@dataclass(frozen=True)
class _Reference:
    """Of the float network: outputs on both sets, those of torch, curve and its shape."""

    validation: Outputs
    torch: Outputs
    curve: Curve
    shape: Any


def _reference(
    student: Student, model: onnx.ModelProto, fit: Rated, validation: Rated, say: Say
) -> _Reference:
    on_fit = run_model(model, fit.views)["mos"]
    shape = choose_shape(on_fit, fit.mos)
    say(f"curve: {shape}, from {len(fit.mos)} labels")
    outputs: list[tuple[torch.Tensor, ...]] = []
    with torch.no_grad():
        for i in range(0, len(validation.views), 8):
            outputs.append(student.eval()(torch.from_numpy(validation.views[i : i + 8])))
    by_torch = {n: torch.cat([o[k] for o in outputs]).numpy() for k, n in enumerate(OUTPUT_NAMES)}
    curve = fit_curve(on_fit, fit.mos, shape)
    return _Reference(run_model(model, validation.views), by_torch, curve, shape)


def _quantized(
    net: Net, name: str, seen: Observation, views: NDArray[np.uint8], keep: tuple[str, ...], say: Say
) -> Quantized:
    q = quantize(net, ENCODINGS[name], seen, views, keep_float=keep)
    errors = ", ".join(f"{rule} {error:.4f}" for rule, error in q.error.items())
    say(
        f"{name}: ranges by {q.rule} (change of raw quality: {errors})"
        + (f"; float: {', '.join(keep)}" if keep else "")
    )
    return q


def _calibrate(
    attempt: _Attempt, name: str, reference: _Reference, fit: Rated, validation: Rated, options: BuildOptions
) -> None:
    """Curve and interval of an encoding, on its own outputs; the curve's shape is the float one's."""
    model = attempt.encodings[name].model
    out = run_model(model, fit.views)
    try:
        curve = fit_curve(out["mos"], fit.mos, reference.shape)
        # residuals of labels that the curve has not seen, as conformal prediction needs
        unseen = held_out_mos(out["mos"], fit.mos, reference.shape)
    except CalibrationError:
        # float had a curve, so the labels are fit: INT8 broke the scores, and by that curve they fail
        curve = reference.curve
        unseen = curve(out["mos"])
    attempt.curves[name] = curve
    interval = fit_interval(unseen, out["spread"], fit.mos, options.coverage)
    attempt.intervals[name] = interval
    attempt.outputs[name] = out = run_model(model, validation.views)
    share, width = covered(interval, curve(out["mos"]), out["spread"], validation.mos)
    attempt.coverage[name] = (options.coverage, share, width)


def _parity(attempt: _Attempt, reference: _Reference, validation: Rated, options: BuildOptions) -> Parity:
    return compare(
        {"torch": reference.torch, FLOAT: reference.validation, **attempt.outputs},
        {FLOAT: reference.curve, **attempt.curves},
        validation.mos,
        threshold=options.threshold,
        budgets=options.budgets,
    )


def _counts(most: int) -> list[int]:
    """1, 2, 4 and so on, and `most` itself."""
    return [*(1 << k for k in range(most.bit_length()) if 1 << k < most), most]


def _fails(parity: Parity, encoding: str) -> bool:
    return any(text.startswith(f"{encoding}:") for text in parity.failures)


def _report(name: str, attempt: _Attempt, parity: Parity, fit: Rated, validation: Rated) -> BuildReport:
    failures = list(parity.failures)
    for encoding, (stated, held, _) in attempt.coverage.items():
        # three standard errors of the share, both sets being samples
        slack = 3 * np.sqrt(stated * (1 - stated) * (1 / len(fit.mos) + 1 / len(validation.mos)))
        if held < stated - slack:
            failures.append(
                f"{encoding}: the {stated:.0%} interval holds {held:.1%} of the validation MOS; at least "
                f"{stated - slack:.1%} (are fit and validation frames alike?)"
            )
    q = attempt.encodings
    return BuildReport(
        name,
        parity,
        {n: x.rule for n, x in q.items()},
        {n: x.error for n, x in q.items()},
        {n: tuple(sorted(x.plan.keep_float)) for n, x in q.items()},
        attempt.coverage,
        {n: len(x.model.SerializeToString()) for n, x in q.items()},
        tuple(failures),
    )


def _write(
    folder: Path,
    student: Student,
    about: About,
    attempt: _Attempt,
    report: BuildReport,
    options: BuildOptions,
) -> Bundle:
    contents: dict[str, bytes | Path] = {}
    encodings = {}
    for name, q in attempt.encodings.items():
        file = f"model.{name}.onnx"
        contents[file] = q.model.SerializeToString()
        encodings[name] = BundleEncoding(
            file, ENCODINGS[name].quantisation, attempt.curves[name], attempt.intervals[name]
        )
    golden = []
    for file, frame in golden_frames().items():
        contents[file] = frame_bytes(frame)
        scores = {}
        for name, q in attempt.encodings.items():
            out = run_model(q.model, make_views(frame)[None])
            raw = float(out["mos"][0])
            scores[name] = GoldenScore(attempt.curves[name](raw), raw, tuple(map(float, out["faults"][0])))
        golden.append(
            GoldenFrame(file, frame.format, frame.width, frame.height, frame.range, frame.matrix, scores)
        )
    size = (
        f"MobileNetV2-class student, {student.multiply_adds() / 1e6:.0f} million multiply-adds a view, "
        f"{sum(p.numel() for p in student.parameters()) / 1e6:.2f} million weights, INT8."
    )
    contents["card.md"] = card(about, report, size).encode()
    figures = {**about.figures, "export": report.to_dict()}
    manifest = Manifest(
        name=report.name,
        version=about.version,
        encodings=encodings,
        golden=tuple(golden),
        golden_tolerance=Tolerance(mos=0.1, faults=0.1),
        training=Training(about.data, about.commit, figures),
        licences=about.licences,
    )
    return write_bundle(folder, manifest, contents, overwrite=options.overwrite)
