"""From a trained student to a bundle: quantise, calibrate, accept or refuse, write."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Bundle
from leaf_edge.calibration.frames import FrameCode, FramesReport, inspect_views
from leaf_edge.calibration.likeness import MIN_FRAMES, Likeness, likeness
from leaf_edge.export import contents
from leaf_edge.export.accept import trt_opener
from leaf_edge.export.attempt import Attempt, Say, fails, reference_of
from leaf_edge.export.card import About
from leaf_edge.export.diagnose import causes
from leaf_edge.export.encoding import ENCODINGS, check_layers
from leaf_edge.export.mend import SENSITIVITY_FRAMES, measure, mend
from leaf_edge.export.net import from_student
from leaf_edge.export.observe import observe
from leaf_edge.export.options import BuildOptions, Rated
from leaf_edge.export.parity import Parity
from leaf_edge.export.report import INTERVAL, BuildReport, RefusedError
from leaf_edge.export.simulate import joint_features
from leaf_edge.export.to_onnx import float_model, verify
from leaf_edge.export.worst import worst_frames
from leaf_edge.student.network import Student

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


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

    calibration: views of the camera's frames for INT8, without labels (see `check_frames`).
    fit: frames that the student was not trained on, for curve and interval.
    validation: other such frames, for acceptance.
    say: called with a line at each step.
    Raises `RefusedError` where a budget does not hold, `FramesError` for unfit calibration views (both not
    with `options.accept_anyway`), `StudentError` for a student with a saturated head, `CalibrationError` for
    labels that give no curve, ValueError for other names of the folder or of layers, FileExistsError where
    the folder is there; by `options.accept_on` also `EngineRefusedError`, `DeviceError`, `MissingExtraError`.
    """
    folder, about, options = Path(folder), about or About(), options or BuildOptions()
    model_name = folder.name.removesuffix(".leaf")
    if not valid_name(folder.name):
        raise ValueError(f"{folder.name}: expected a name like leaf-s.leaf (lower case, digits, . _ -)")
    if folder.exists() and not options.overwrite:
        raise FileExistsError(17, "exists already", str(folder))
    frames = check_frames(student, calibration, validation.views, min_coverage=options.min_coverage)
    if not options.accept_anyway or len(calibration) < 2:
        frames.raise_first()
    for warning in frames.warnings:
        say(f"warning: {warning.message}")
    trt = trt_opener(options.accept_on, say)
    openers = {} if trt is None else {"trt": trt}
    net = from_student(student)
    check_layers(net, options.keep_float)
    model = float_model(net)
    say(f"float graph: differs from torch by {verify(student, model):.1e} at most")
    seen = observe(net, calibration)
    say(f"observed {len(seen.tensors)} activations on {seen.frames} frames")

    reference = reference_of(student, model, fit, validation, say)
    attempt = Attempt(net, calibration, reference, fit, validation, options, say, openers)
    for name in ENCODINGS:
        attempt.encodings[name] = attempt.encode(name, seen, options.keep_float)
        if options.sensitivity:
            measure(attempt, name, seen)
    parity = attempt.parity()
    for name in [e for e in ENCODINGS if fails(parity, e)]:
        parity = mend(attempt, name, seen, parity)
    report = _report(model_name, attempt, parity, frames)
    if report.failures and not options.accept_anyway:
        raise RefusedError(report)
    report = replace(report, anyway=bool(report.failures))
    bundle = contents.write(folder, student, about, attempt, report, overwrite=options.overwrite)
    say(f"wrote {folder}: {', '.join(f'{e} {b / 1e6:.2f} MB' for e, b in report.sizes.items())}")
    return bundle, report


def check_frames(
    student: Student,
    calibration: NDArray[np.uint8],
    validation: NDArray[np.uint8] | None = None,
    *,
    min_coverage: float | None = None,
) -> FramesReport:
    """All checks of calibration views [N, 2, 3, 224, 224], and how like the validation views they are in the
    student's joint features. Without 4 or more validation views that is left out, as it is where the frames
    are refused already: features of noise say nothing.

    Raises `FramesError` SHAPE for arrays that are no views.
    """
    report = inspect_views(calibration)
    like: Likeness | None = None
    if not report.refusals and validation is not None and len(validation) >= MIN_FRAMES:
        net = from_student(student)
        like = likeness(joint_features(net, calibration), joint_features(net, validation))
    if min_coverage is None:
        return inspect_views(calibration, like)
    return inspect_views(calibration, like, min_coverage=min_coverage)


def _report(name: str, attempt: Attempt, parity: Parity, frames: FramesReport) -> BuildReport:
    broken = [(str(c.code), c.message) for c in frames.refusals]
    broken += list(zip(parity.codes, parity.failures, strict=True))
    fit, validation = attempt.fit, attempt.validation
    for encoding, encoded in attempt.encodings.items():
        stated, held, _ = encoded.coverage
        # three standard errors of the share, both sets being samples
        slack = 3 * np.sqrt(stated * (1 - stated) * (1 / len(fit.mos) + 1 / len(validation.mos)))
        if held < stated - slack:
            broken.append(
                (
                    INTERVAL,
                    f"{encoding}: the {stated:.0%} interval holds {held:.1%} of the validation MOS; at least "
                    f"{stated - slack:.1%} (are fit and validation frames alike?)",
                )
            )
    if parity.failures and not any(c.code is FrameCode.RANDOM for c in frames.refusals):
        broken = [*causes(attempt.net, attempt.views[:SENSITIVITY_FRAMES]), *broken]
    encodings = attempt.encodings
    q = {n: e.quantized for n, e in encodings.items()}
    return BuildReport(
        name,
        parity,
        {n: x.rule for n, x in q.items()},
        {n: x.error for n, x in q.items()},
        {n: tuple(sorted(x.plan.keep_float)) for n, x in q.items()},
        {n: e.coverage for n, e in encodings.items()},
        {n: len(x.model.SerializeToString()) for n, x in q.items()},
        tuple(text for _, text in broken),
        tuple(code for code, _ in broken),
        frames=frames,
        engines={n: e.engine for n, e in encodings.items()},
        kept=attempt.kept,
        tuning=attempt.tuning,
        worst=worst_frames(attempt),
        sensitivity=attempt.costs,
    )
