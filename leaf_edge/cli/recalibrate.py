"""`leaf-edge recalibrate`: a bundle's curve and intervals for one camera, from 20 to 50 ratings.

The pictures are scored with the bundle's own INT8 networks, and a new bundle is written in which only the
calibration differs: no export, no torch, no GPU. The old curve is kept, moved, stretched or (from 40 ratings
on) fitted anew, whichever a cross-validation on the ratings can tell to be better.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog

if TYPE_CHECKING:
    from leaf_edge.bundle import Bundle
    from leaf_edge.calibration.recalibrate import Recalibration

_EXAMPLES = """\
  leaf-edge recalibrate leaf-s --data ratings.csv --output door-camera.leaf
  leaf-edge recalibrate leaf-m --data ratings.csv --root frames/ --output cam7.leaf --json

ratings.csv has the columns file,mos (and, if you like, subset); file is relative to the list, MOS is 1 to
5."""


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge recalibrate`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "recalibrate",
        help="fit a bundle's curve and intervals to one camera",
        description=__doc__,
        epilog=epilog(
            _EXAMPLES,
            (
                ExitCode.OK,
                ExitCode.INTERNAL,
                ExitCode.USAGE,
                ExitCode.INPUT,
                ExitCode.BUNDLE,
                ExitCode.REFUSED,
                ExitCode.OUTPUT,
            ),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", help="leaf-s, leaf-m, or the path of a bundle")
    parser.add_argument("--data", type=Path, required=True, metavar="CSV", help="ratings: file,mos")
    parser.add_argument(
        "--root", type=Path, help="folder that the file names start from (default: the list's)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="NAME.leaf", help="bundle to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing bundle")
    parser.add_argument("--name", help="of the new bundle (default: the folder's)")
    parser.add_argument("--version", help="of the new bundle (default: the old one's with +cal. and a hash)")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    """Recalibrates, and prints what was chosen and why."""
    import sys

    from rich.console import Console
    from rich.progress import Progress

    from leaf_edge.calibration import CalibrationError
    from leaf_edge.calibration.camera import CameraOptions, recalibrate_bundle
    from leaf_edge.calibration.ratings import read_ratings

    if not args.output.name.endswith(".leaf"):
        raise UsageError(f"--output is {args.output}; expected NAME.leaf, such as door-camera.leaf")
    if not args.output.parent.is_dir():
        raise OutputError(f"--output {args.output}: there is no folder {args.output.parent}; make it first")
    if args.output.exists() and not args.overwrite:
        raise OutputError(f"{args.output} is there already; --overwrite replaces it")
    if not 1 <= args.threads <= 256:
        raise UsageError(f"--threads is {args.threads}; expected 1 to 256")
    options = CameraOptions(args.name, args.version, args.threads, args.overwrite)
    console = Console(stderr=True)
    try:
        ratings = read_ratings(args.data, args.root)
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("rated pictures", total=len(ratings.rows))
            bundle, result = recalibrate_bundle(
                args.bundle,
                ratings,
                args.output,
                options,
                lambda done: bar.update(task, completed=done),
            )
    except CalibrationError as error:
        print(f"refused: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except ValueError as error:
        print(f"leaf-edge: {error}", file=sys.stderr)
        return ExitCode.INPUT
    if args.json:
        print(json.dumps(_to_json(bundle, result), indent=1))
    else:
        _print(bundle, result)
    return ExitCode.OK


def _to_json(bundle: Bundle, result: Recalibration) -> dict[str, Any]:
    return {
        "bundle": str(bundle.path),
        "name": bundle.name,
        "version": bundle.manifest.version,
        "ratings": result.ratings,
        "change": result.change,
        "why": result.why,
        "table": [vars(row) for row in result.table],
        "encodings": {
            name: {
                "interval": calibrated.interval.to_json(),
                "coverage": [row.to_json() for row in result.coverage.get(name, ())],
            }
            for name, calibrated in result.encodings.items()
        },
    }


def _print(bundle: Bundle, result: Recalibration) -> None:
    from rich.console import Console
    from rich.table import Table

    print(f"{bundle.path}: {bundle.name} {bundle.manifest.version}")
    print(result.why)
    table = Table(
        "encoding", "subset", "stated", "held out", "so many frames allow", "width in MOS", "ratings"
    )
    for name, rows in result.coverage.items():
        stated = result.encodings[name].interval.coverage
        for row in rows:
            allowed = f"{row.low:.1%} to {row.high:.1%}"
            table.add_row(
                name,
                row.subset,
                f"{stated:.0%}",
                f"{row.share:.1%}",
                allowed,
                f"{row.width:.2f}",
                str(row.frames),
            )
    if table.rows:
        Console().print(table)
