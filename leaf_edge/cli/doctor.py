"""`leaf-edge doctor`: what this machine can run, and why not the rest."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from leaf_edge.cli.exit_codes import ExitCode, epilog
from leaf_edge.cli.key_option import add_key_argument, public_keys

_EXAMPLES = """\
  leaf-edge doctor                               can this machine score?
  leaf-edge doctor camera.leaf --key maker.pub   and is this bundle whole, and of that maker?
  leaf-edge doctor --need tensorrt --need train  exit status 7 or 9 where one of these is not possible
  leaf-edge doctor --json                        the same for a program"""
_CODES = (ExitCode.OK, ExitCode.INTERNAL, ExitCode.USAGE, ExitCode.REFUSED, ExitCode.DEVICE)


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    from leaf_edge.doctor.check import NEEDS

    needs = "; ".join(f"{name}: {what}" for name, what in NEEDS.items())
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "doctor",
        help="what this machine can run, and why not the rest",
        description="Looks at everything that leaf-edge runs on, says what is there, what is not, and how to "
        "mend it. Succeeds where scoring on the CPU works and all that --need names.",
        epilog=epilog(_EXAMPLES, _CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "bundle", nargs="*", metavar="BUNDLE", help="bundles to check beside the shipped ones"
    )
    parser.add_argument(
        "--need",
        action="append",
        default=[],
        choices=sorted(NEEDS),
        metavar="WHAT",
        help=f"what must work too, may be repeated ({needs})",
    )
    add_key_argument(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    return parser


def run(args: argparse.Namespace) -> int:
    """Look, print, and say by the exit code whether what is needed works."""
    from rich.console import Console

    from leaf_edge.cli.doctor_table import print_report
    from leaf_edge.doctor import examine

    report = examine(wanted=args.need, bundles=args.bundle, key=public_keys(args.key))
    if args.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        print_report(Console(), report)
    if report.driver_lacks:
        driver = next(check for check in report.failures if check.key == "driver")
        print(f"leaf-edge: no CUDA driver that works: {driver.found}", file=sys.stderr)
        return ExitCode.DEVICE
    return ExitCode.REFUSED if report.failures else ExitCode.OK
