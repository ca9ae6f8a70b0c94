"""`leaf-edge bench`: time per stage of scoring a frame."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from typing import Any

from leaf_edge.cli.engine_option import add_engine_argument, engine_names, say
from leaf_edge.cli.exit_codes import UsageError, epilog
from leaf_edge.cli.key_option import add_key_argument, public_keys
from leaf_edge.cli.source_options import add_source_arguments, options_from_args

_EXAMPLES = """\
  leaf-edge bench                                     1080p NV12 made in memory
  leaf-edge bench --format yuyv --size 1280x720       another camera's frames
  leaf-edge bench clip.mp4 --model leaf-m             decoding counted as "acquire"
  leaf-edge bench --threads 2 --json > bench.json     for a script"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bench",
        help="time per stage of scoring a frame",
        description="Times each stage from frame to score, one frame after another.",
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", nargs="?", metavar="SOURCE", help="frames to score; made in memory if absent"
    )
    parser.add_argument("--model", default="leaf-s", metavar="NAME|PATH", help="default: leaf-s")
    add_key_argument(parser)
    add_engine_argument(parser)
    parser.add_argument(
        "--threads", type=_positive, default=1, metavar="N", help="of the network; default: 1"
    )
    parser.add_argument(
        "--frames", type=_positive, default=200, metavar="N", help="frames timed; default: 200"
    )
    parser.add_argument(
        "--warmup", type=_not_negative, default=20, metavar="N", help="frames left out first; default: 20"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    add_source_arguments(parser)
    return parser


def _positive(text: str) -> int:
    return _at_least(text, 1)


def _not_negative(text: str) -> int:
    return _at_least(text, 0)


def _at_least(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}; found {text!r}")
    return value


def run(args: argparse.Namespace) -> int:
    """Time, then print the report."""
    from rich.console import Console

    import leaf_edge
    from leaf_edge.bench.machine import machine_facts
    from leaf_edge.bench.report import print_report
    from leaf_edge.bench.stages import time_stages
    from leaf_edge.bench.synthetic import endless, synthetic_frames
    from leaf_edge.frames import open_source

    if args.source is None:
        if args.pitch or args.matrix or args.range or args.every != "1":
            raise UsageError(
                "--pitch, --matrix, --range and --every describe a SOURCE; name one or leave them out"
            )
        args.format, args.size = args.format or "nv12", args.size or "1920x1080"
    options = options_from_args(args)
    scorer = leaf_edge.load(
        args.model,
        threads=args.threads,
        key=public_keys(args.key),
        engines=engine_names(args),
        notice=say,
    )
    settings: dict[str, Any] = {"model": args.model, "threads": scorer.threads, "engine": scorer.engine}
    if args.source is None:
        assert options.format is not None and options.size is not None
        settings |= {"source": "synthetic", "format": args.format.lower(), "size": args.size}
        frames = endless(synthetic_frames(options.format, *options.size))
        report = time_stages(scorer, frames, args.frames, args.warmup)
    else:
        settings["source"] = args.source
        notice = functools.partial(print, "leaf-edge:", file=sys.stderr)
        with open_source(args.source, options, notice=notice) as source:
            report = time_stages(scorer, source, args.frames, args.warmup)
    facts = machine_facts()
    if args.json:
        print(json.dumps({"settings": settings, "machine": facts, **report.to_dict()}, indent=2))
    else:
        print_report(Console(), settings, facts, report)
    return 0
