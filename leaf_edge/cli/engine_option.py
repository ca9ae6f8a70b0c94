"""The option that says what may run the network, the same for every verb that scores."""

from __future__ import annotations

import argparse
import sys

from leaf_edge.cli.exit_codes import UsageError


def add_engine_argument(parser: argparse._ActionsContainer) -> None:
    """Add --engine to `parser`."""
    parser.add_argument(
        "--engine",
        metavar="NAME[,NAME...]",
        help="what runs the network, the first of the list that can: tensorrt, rebuild, cuda, cpu "
        "(default: cpu); what is passed over is said, with why",
    )


def engine_names(args: argparse.Namespace) -> tuple[str, ...]:
    """The engines of --engine in their order. Raises `UsageError`."""
    from leaf_edge.runtime.engines import DEFAULT, parse_engines

    try:
        return DEFAULT if args.engine is None else parse_engines(args.engine)
    except ValueError as error:
        raise UsageError(f"--engine: {error}") from None


def say(line: str) -> None:
    """One line to standard error: what was passed over."""
    print(f"leaf-edge: {line}", file=sys.stderr)
