"""`leaf-edge export`: a trained student as an INT8 bundle, or a refusal with the reasons."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog
from leaf_edge.extras import require

if TYPE_CHECKING:
    from leaf_edge.datasets.biq2021 import Sample
    from leaf_edge.export import About, Budgets, Rated
    from leaf_edge.student.network import Student

_EXAMPLES = """\
  leaf-edge export runs/leaf-m/best.pt --data biq2021/ --output leaf-m.leaf
  leaf-edge export runs/leaf-s/best.pt --data biq2021/ --output leaf-s.leaf --json report.json
  leaf-edge export best.pt --data biq2021/ --output cam.leaf --max-mos-mean 0.02 --threshold 3.2"""
_BUDGETS = {
    "srcc_loss": "loss of SRCC on the validation photographs",
    "mos_mean": "mean change in MOS",
    "mos_max": "largest change in MOS",
    "fault_mean": "mean change of the fault severities",
    "flips": "share of gate decisions that change",
    "pair_mean": "mean difference in MOS of the two encodings",
    "pair_max": "largest difference in MOS of the two encodings",
    "pair_flips": "share of gate decisions in which the two encodings differ",
}
_DATA = (
    "BIQ2021 (N. Ahmed, S. Asif, arXiv 2202.03879): photographs of 512x512 with human MOS, a part of its "
    "training split",
    "synthetic camera faults on clean photographs of the same set",
)
_LICENCES = (
    ("training photographs and MOS (BIQ2021)", "none stated; weights trained on them are for research use"),
    ("initial weights (MobileNetV2, trained on ImageNet)", "Apache-2.0"),
)
_GOLDEN = ("golden frames (drawn by this project)", "Apache-2.0")


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge export`; budgets default to those of `Budgets`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export",
        help="quantise a student and write its bundle",
        description=__doc__,
        epilog=epilog(
            _EXAMPLES,
            (
                ExitCode.OK,
                ExitCode.INTERNAL,
                ExitCode.USAGE,
                ExitCode.INPUT,
                ExitCode.EXTRA,
                ExitCode.REFUSED,
                ExitCode.OUTPUT,
            ),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="best.pt of `leaf-edge train`")
    parser.add_argument("--data", type=Path, required=True, help="folder with mos.csv and images/ (BIQ2021)")
    parser.add_argument("--output", type=Path, required=True, metavar="NAME.leaf", help="bundle to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing bundle")
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="also write the float32 graph")
    parser.add_argument("--json", type=Path, metavar="FILE", help="report as JSON, of a refusal too")
    parser.add_argument("--version", default="1.0.0", help="of the bundle (default: %(default)s)")
    parser.add_argument(
        "--trained-on",
        action="append",
        metavar="TEXT",
        help="data set for the card, may be repeated (default: BIQ2021 and synthetic faults)",
    )
    parser.add_argument(
        "--licence",
        action="append",
        nargs=2,
        metavar=("WHAT", "LICENCE"),
        help="for the card, may be repeated (default: those of BIQ2021 and the ImageNet weights)",
    )
    parser.add_argument("--commit", default="", help="of the code that trained the student")
    parser.add_argument(
        "--calibration-frames",
        type=int,
        default=128,
        help="training photographs for INT8 (default: %(default)s)",
    )
    parser.add_argument(
        "--validation-frames", type=int, metavar="N", help="at most N photographs for each of fit and check"
    )
    parser.add_argument("--coverage", type=float, default=0.9, help="of the interval (default: %(default)s)")
    parser.add_argument(
        "--threshold",
        type=float,
        help="gate threshold in MOS for flips (default: nine, 30th to 70th percentile of the scores)",
    )
    parser.add_argument("--keep-float", action="append", default=[], metavar="LAYER", help="may be repeated")
    parser.add_argument(
        "--most-float",
        type=int,
        default=4,
        help="layers that may stay in float by sensitivity where a budget breaks (default: %(default)s)",
    )
    for name, text in _BUDGETS.items():
        parser.add_argument(
            f"--max-{name.replace('_', '-')}", type=float, metavar="X", help=f"budget: {text}"
        )
    return parser


def run(args: argparse.Namespace) -> int:
    """Exports, prints the table of parity, and says what was refused."""
    require("torch", "train")
    require("onnx", "train")
    from leaf_edge.calibration import CalibrationError
    from leaf_edge.export import BuildOptions, ExportError, RefusedError, build_bundle, to_onnx

    _check(args)
    try:
        student, samples = _read(args)
    except _InputError as error:
        print(f"leaf-edge: {error}", file=sys.stderr)
        return ExitCode.INPUT
    calibration, fit, check = _sets(samples, args.calibration_frames, args.validation_frames)
    options = BuildOptions(
        budgets=_budgets(args),
        threshold=args.threshold,
        coverage=args.coverage,
        keep_float=tuple(args.keep_float),
        most_float=args.most_float,
        overwrite=args.overwrite,
    )
    try:
        _, report = build_bundle(
            student,
            args.output,
            calibration=calibration,
            fit=fit,
            validation=check,
            about=_about(args),
            options=options,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
        if args.onnx:
            to_onnx(student, args.onnx)
    except RefusedError as error:
        _write_json(args.json, error.report.to_dict())
        print(error.report.parity.to_text())
        for failure in error.report.failures:
            print(f"refused: {failure}", file=sys.stderr)
        return ExitCode.REFUSED
    except (CalibrationError, ExportError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except FileExistsError as error:
        raise OutputError(f"{error.filename} is there already; --overwrite replaces it") from None
    _write_json(args.json, report.to_dict())
    print(report.parity.to_text())
    return ExitCode.OK


class _InputError(Exception):
    """Checkpoint or data that cannot be used."""


def _read(args: argparse.Namespace) -> tuple[Student, list[Sample]]:
    from leaf_edge.datasets import biq2021
    from leaf_edge.export.encoding import check_layers
    from leaf_edge.export.net import from_student
    from leaf_edge.student.network import load_checkpoint

    try:
        student = load_checkpoint(args.checkpoint)
    except OSError:
        raise
    except Exception as error:  # torch's errors for a broken file have no common base
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise _InputError(f"{args.checkpoint} is not a checkpoint of `leaf-edge train`: {text[0]}") from None
    try:
        check_layers(from_student(student), args.keep_float)
    except ValueError as error:
        raise UsageError(f"--keep-float: {error}") from None
    try:
        return student, biq2021.load(args.data)
    except ValueError as error:
        raise _InputError(str(error)) from None


def _check(args: argparse.Namespace) -> None:
    from leaf_edge.export import valid_name

    if not valid_name(args.output.name):
        raise UsageError(
            f"--output is {args.output}; expected NAME.leaf, such as leaf-s.leaf (lower case, digits, . _ -)"
        )
    if args.output.exists() and not args.overwrite:
        raise OutputError(f"{args.output} is there already; --overwrite replaces it")
    for option, path in (("--output", args.output), ("--onnx", args.onnx), ("--json", args.json)):
        if path is not None and not path.parent.is_dir():
            raise OutputError(f"{option} {path}: there is no folder {path.parent}; make it first")
    if not 0 < args.coverage < 1:
        raise UsageError(f"--coverage is {args.coverage:g}; expected a share between 0 and 1")
    if args.most_float < 0 or args.calibration_frames < 1 or (args.validation_frames or 1) < 1:
        raise UsageError("--most-float, --calibration-frames and --validation-frames are counts")
    for name in _BUDGETS:
        if not (getattr(args, f"max_{name}") or 0.0) >= 0.0:
            raise UsageError(f"--max-{name.replace('_', '-')} must be 0 or more")


def _sets(samples: list[Sample], frames: int, most: int | None) -> tuple[Any, Rated, Rated]:
    """Calibration views of training photographs; the validation side in two halves by scene group."""
    import numpy as np

    from leaf_edge.calibration.frames import choose
    from leaf_edge.export import Rated

    train = [s for s in samples if s.split == "train"]
    held_out = [s for s in samples if s.split == "val"]
    half = {g: i % 2 for i, g in enumerate(sorted({s.group for s in held_out}))}
    sides = [[s for s in held_out if half[s.group] == side] for side in (0, 1)]
    if most:
        sides = [[side[i] for i in choose(len(side), most)] for side in sides]
    calibration = _views([train[i] for i in choose(len(train), frames)], "calibration")
    fit, check = (
        Rated(_views(side, what), np.array([s.mos for s in side]))
        for side, what in zip(sides, ("fit", "validation"), strict=True)
    )
    return calibration, fit, check


def _views(samples: list[Sample], what: str) -> Any:
    """Views of photographs, uint8 [N, 2, 3, 224, 224], with a progress bar."""
    import numpy as np
    from rich.console import Console
    from rich.progress import track

    from leaf_edge.frames import read_image
    from leaf_edge.views import make_views
    from leaf_edge.views.native import SHAPE

    console = Console(stderr=True)
    out = np.empty((len(samples), *SHAPE), np.uint8)
    for i, sample in enumerate(
        track(samples, f"views: {what}", console=console, disable=not console.is_terminal)
    ):
        make_views(read_image(sample.path), out=out[i])
    return out


def _budgets(args: argparse.Namespace) -> Budgets:
    from leaf_edge.export import Budgets

    given = {f.name: getattr(args, f"max_{f.name}") for f in fields(Budgets)}
    return Budgets(**{name: value for name, value in given.items() if value is not None})


def _figures(checkpoint: Path) -> dict[str, Any]:
    """What training stored beside the weights: validation agreement and settings."""
    torch = require("torch", "train")
    data = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return {key: data[key] for key in ("validation", "epoch", "train") if key in data}


def _about(args: argparse.Namespace) -> About:
    from leaf_edge.bundle import Licence
    from leaf_edge.export import About

    return About(
        args.version,
        tuple(args.trained_on or _DATA),
        args.commit,
        _figures(args.checkpoint),
        tuple(Licence(what, licence) for what, licence in (*(args.licence or _LICENCES), _GOLDEN)),
    )


def _write_json(path: Path | None, report: dict[str, Any]) -> None:
    if path is None:
        return
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(report, indent=2) + "\n")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
