"""`leaf-edge export`: a trained student as an INT8 bundle, or a refusal with the reasons."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog
from leaf_edge.cli.export_options import BUDGETS, add_arguments
from leaf_edge.cli.source_options import options_from_args
from leaf_edge.contract import MOS_MAX, MOS_MIN
from leaf_edge.extras import require

if TYPE_CHECKING:
    from leaf_edge.cli.export_inputs import Inputs
    from leaf_edge.export import About, BuildOptions, BuildReport

_EXAMPLES = """\
  leaf-edge export runs/leaf-m/best.pt --data biq2021/ --output leaf-m.leaf
  leaf-edge export best.pt --frames yard.mp4 photos/ --every 10 --data biq2021/ --output cam.leaf
  leaf-edge export best.pt --frames yard.mp4 --data biq2021/ --check-frames
  leaf-edge export best.pt --data biq2021/ --output cam.leaf --max-mos-mean 0.02 --threshold 3.2
  leaf-edge export best.pt --data biq2021/ --output cam.leaf --qat 200 --refused-to refused/
  leaf-edge export best.pt --data biq2021/ --output cam.leaf --sensitivity layers.json"""
_CODES = (
    ExitCode.OK,
    ExitCode.INTERNAL,
    ExitCode.USAGE,
    ExitCode.SKIPPED,
    ExitCode.INPUT,
    ExitCode.EXTRA,
    ExitCode.REFUSED,
    ExitCode.OUTPUT,
    ExitCode.DEVICE,
)
_DATA = (
    "BIQ2021 (N. Ahmed, S. Asif, arXiv 2202.03879): photographs of 512x512 with human MOS, a part of its "
    "training split",
    "synthetic camera faults on clean photographs of the same set",
)
_LICENCES = (
    ("training photographs and MOS (BIQ2021)", "none stated; weights trained on them are for research use"),
    ("initial weights (MobileNetV2, trained on ImageNet)", "Apache-2.0"),
)
_NAMED = 4
"""Frames that are named where none is drawn."""
_GOLDEN = ("golden frames (drawn by this project)", "Apache-2.0")


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge export`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export",
        help="quantise a student and write its bundle",
        description=__doc__,
        epilog=epilog(_EXAMPLES, _CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Exports, prints the table of parity, and says what was refused."""
    require("torch", "train")
    require("onnx", "train")
    from leaf_edge.cli.export_inputs import InputError, read_inputs
    from leaf_edge.cli.export_table import report_text, sensitivity_text

    _check(args)
    source_options = options_from_args(args)
    try:
        inputs = read_inputs(args, source_options)
    except InputError as error:
        _say(str(error))
        return ExitCode.INPUT
    for problem in inputs.problems:
        _say(f"skipped {problem}")
    done = ExitCode.SKIPPED if inputs.problems else ExitCode.OK
    if args.check_frames:
        return _check_frames(args, inputs) or done
    try:
        report = _build(args, inputs)
    except _RefusedError as refused:
        return refused.status
    _write_json(args.json, report.to_dict())
    if report.sensitivity:
        _write_json(args.sensitivity, {n: asdict(c) for n, c in report.sensitivity.items()})
        print(sensitivity_text(report.sensitivity))
    print(report_text(report))
    for code, failure in zip(report.codes, report.failures, strict=True):
        print(f"accepted anyway: {code}: {failure}", file=sys.stderr)
    return done


class _RefusedError(Exception):
    """There is no bundle, and why was said. status: to exit with."""

    def __init__(self, status: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__()
        self.status = status


def _build(args: argparse.Namespace, inputs: Inputs) -> BuildReport:
    from leaf_edge.calibration import CalibrationError
    from leaf_edge.export import ExportError, RefusedError, build_bundle, to_onnx
    from leaf_edge.export.engine_options import DeviceError

    assert inputs.fit is not None and inputs.check is not None
    try:
        _, report = build_bundle(
            inputs.student,
            args.output,
            calibration=inputs.calibration,
            fit=inputs.fit,
            validation=inputs.check,
            about=_about(args),
            options=_options(args),
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
        if args.onnx:
            to_onnx(inputs.student, args.onnx)
    except RefusedError as error:
        _refuse(args, inputs, error.report)
        raise _RefusedError from None
    except (CalibrationError, ExportError) as error:
        code = str(getattr(error, "code", "LEAF_E_EXPORT_REFUSED"))
        print(f"refused: {code}: {error}", file=sys.stderr)
        refusal = {"accepted": False, "anyway": False, "failures": [str(error)], "codes": [code]}
        _write_json(args.json, refusal)
        if args.refused_to:
            _write_json(_folder(args.refused_to) / "report.json", refusal)
        raise _RefusedError from None
    except DeviceError as error:
        _say(f"--accept-on tensorrt: {error}")
        raise _RefusedError(ExitCode.DEVICE) from None
    except FileExistsError as error:
        raise OutputError(f"{error.filename} is there already; --overwrite replaces it") from None
    return report


def _refuse(args: argparse.Namespace, inputs: Inputs, report: BuildReport) -> None:
    """Says why, and leaves the report and the worst frames where they were asked for."""
    from leaf_edge.cli.export_table import report_text, sensitivity_text, worst_text
    from leaf_edge.export import contact_sheet

    text = report_text(report)
    failures = [f"refused: {c}: {f}" for c, f in zip(report.codes, report.failures, strict=True)]
    _write_json(args.json, report.to_dict())
    if report.sensitivity:
        _write_json(args.sensitivity, {n: asdict(c) for n, c in report.sensitivity.items()})
        print(sensitivity_text(report.sensitivity))
    print(text)
    for failure in failures:
        print(failure, file=sys.stderr)
    pictures = [args.json.with_suffix(".worst.png")] if args.json else []
    if args.refused_to:
        folder = _folder(args.refused_to)
        _write_json(folder / "report.json", report.to_dict())
        _write(folder / "table.txt", "\n".join([text, *failures]) + "\n")
        pictures.append(folder / "worst.png")
    if not pictures:
        print(
            f"frames that changed most (--refused-to FOLDER draws them):\n{worst_text(report.worst[:_NAMED])}"
        )
    assert inputs.check is not None
    for picture in pictures:
        try:
            title = f"{report.name}: refused; frames that INT8 changed most"
            contact_sheet(picture, report.worst, inputs.check.views, title)
        except OSError as error:
            raise OutputError(f"{picture}: {error.strerror}") from None
        print(f"worst frames in {picture}", file=sys.stderr)


def _check_frames(args: argparse.Namespace, inputs: Inputs) -> int:
    from leaf_edge.calibration.frames import FramesError
    from leaf_edge.cli.export_table import frames_text
    from leaf_edge.export import check_frames

    validation = None if inputs.check is None else inputs.check.views
    try:
        report = check_frames(inputs.student, inputs.calibration, validation, min_coverage=args.min_coverage)
    except FramesError as error:
        print(f"refused: {error.code}: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    _write_json(args.json, report.to_dict())
    print(frames_text(report))
    if validation is None:
        _say("without --data there are no validation frames to compare with: coverage was not checked")
    return ExitCode.REFUSED if report.refusals else ExitCode.OK


def _check(args: argparse.Namespace) -> None:
    from leaf_edge.export import valid_name

    if args.data is None and not (args.check_frames and args.frames):
        raise UsageError("--data is needed: rated photographs for the curve and the acceptance")
    if args.output is None and not args.check_frames:
        raise UsageError("--output NAME.leaf is needed (or --check-frames, which writes no bundle)")
    if args.output is not None and not valid_name(args.output.name):
        raise UsageError(
            f"--output is {args.output}; expected NAME.leaf, such as leaf-s.leaf (lower case, digits, . _ -)"
        )
    if args.output is not None and args.output.exists() and not (args.overwrite or args.check_frames):
        raise OutputError(f"{args.output} is there already; --overwrite replaces it")
    files = ("output", "onnx", "json", "sensitivity", "refused_to")
    for option, path in ((name.replace("_", "-"), getattr(args, name)) for name in files):
        if path is not None and not path.parent.is_dir():
            raise OutputError(f"--{option} {path}: there is no folder {path.parent}; make it first")
    for option, share in (("coverage", args.coverage), ("min-coverage", args.min_coverage)):
        if share is not None and not 0 < share < 1 and not (option == "min-coverage" and share in (0, 1)):
            raise UsageError(f"--{option} is {share:g}; expected a share between 0 and 1")
    if args.threshold is not None and not MOS_MIN <= args.threshold <= MOS_MAX:
        raise UsageError(
            f"--threshold is {args.threshold:g}; expected a MOS, {MOS_MIN:g} to {MOS_MAX:g}, "
            "as no decision flips elsewhere"
        )
    if args.most_float < 0 or args.calibration_frames < 1 or (args.validation_frames or 1) < 1:
        raise UsageError("--most-float, --calibration-frames and --validation-frames are counts")
    if args.qat < 0:
        raise UsageError(f"--qat is {args.qat}; expected a number of steps, 0 or more")
    for name in BUDGETS:
        if not (getattr(args, f"max_{name}") or 0.0) >= 0.0:
            raise UsageError(f"--max-{name.replace('_', '-')} must be 0 or more")


def _options(args: argparse.Namespace) -> BuildOptions:
    from leaf_edge.export import Budgets, BuildOptions

    given = {f.name: getattr(args, f"max_{f.name}") for f in fields(Budgets)}
    more = {} if args.min_coverage is None else {"min_coverage": args.min_coverage}
    return BuildOptions(
        budgets=Budgets(**{name: value for name, value in given.items() if value is not None}),
        threshold=args.threshold,
        coverage=args.coverage,
        keep_float=tuple(args.keep_float),
        most_float=args.most_float,
        qat=args.qat,
        accept_anyway=args.accept_anyway,
        accept_on=args.accept_on,
        sensitivity=args.sensitivity is not None,
        overwrite=args.overwrite,
        **more,
    )


def _figures(checkpoint: Path) -> dict[str, Any]:
    """What training stored beside the weights: validation agreement and settings."""
    torch = require("torch", "train")
    data = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return {key: data[key] for key in ("validation", "epoch", "train") if key in data}


def _about(args: argparse.Namespace) -> About:
    from leaf_edge.bundle import Licence
    from leaf_edge.export import About

    figures = _figures(args.checkpoint)
    pool = figures.get("train", {}).get("pool")
    unrated = (f"pictures without ratings, judged by a teacher: {pool}",) if pool else ()
    return About(
        args.version,
        tuple(args.trained_on or (*_DATA, *unrated)),
        args.commit,
        figures,
        tuple(Licence(what, licence) for what, licence in (*(args.licence or _LICENCES), _GOLDEN)),
    )


def _folder(path: Path) -> Path:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None
    return path


def _write_json(path: Path | None, report: dict[str, Any]) -> None:
    if path is not None:
        _write(path, json.dumps(report, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _say(text: str) -> None:
    print(f"leaf-edge: {text}", file=sys.stderr)
