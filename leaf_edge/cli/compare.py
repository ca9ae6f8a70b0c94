"""`leaf-edge compare`: the same frames through two engines of a bundle."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog
from leaf_edge.cli.key_option import add_key_argument, public_keys
from leaf_edge.cli.source_options import add_source_arguments, options_from_args

if TYPE_CHECKING:
    from leaf_edge.compare import Limits, Side
    from leaf_edge.frames import Frame, SourceOptions

_EXAMPLES = """\
  leaf-edge compare leaf-m photos/                              both encodings on ONNX Runtime
  leaf-edge compare cam.leaf clip.mp4 --every 10 --layers       and the layer at which they part
  leaf-edge compare cam.leaf photos/ --engines float,cpu --checkpoint runs/cam/best.pt
  leaf-edge compare leaf-s cam.nv12 --format nv12 --size 1920x1080 --views avx2,reference
  leaf-edge compare cam.leaf photos/ --threshold 3.2 --max-flips 0.01 --json > parity.json"""
_CODES = (
    ExitCode.OK,
    ExitCode.INTERNAL,
    ExitCode.USAGE,
    ExitCode.SKIPPED,
    ExitCode.INPUT,
    ExitCode.BUNDLE,
    ExitCode.EXTRA,
    ExitCode.REFUSED,
    ExitCode.DEVICE,
)


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "compare",
        help="the same frames through two engines: how far apart are they",
        description="Scores frames with two engines of one bundle. Fails where the views differ by a byte or "
        "the scores by more than the limits, which are those of `leaf-edge export`.",
        epilog=epilog(_EXAMPLES, _CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="leaf-s, leaf-m, or a NAME.leaf folder or its tar")
    parser.add_argument("source", nargs="+", metavar="SOURCE", help="images, folders, videos, raw frames")
    parser.add_argument(
        "--engines",
        type=partial(_pair, "engines"),
        default=("cpu", "trt-onnx"),
        metavar="A,B",
        help="two of cpu, trt-onnx, float, cuda, tensorrt (default: cpu,trt-onnx)",
    )
    parser.add_argument(
        "--views",
        type=partial(_pair, "kernels"),
        default=("auto", "scalar"),
        metavar="A,B",
        help="who makes the views of each: auto, scalar, avx2, avx512, neon, or reference, which is slow "
        "(default: auto,scalar)",
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="the student for engine float (extra train)"
    )
    add_key_argument(parser)
    parser.add_argument(
        "--threads", type=partial(_count, 1), default=1, metavar="N", help="CPU threads; default: 1"
    )
    parser.add_argument("--frames", type=partial(_count, 1), metavar="N", help="stop after N frames")
    judge = parser.add_argument_group("limits")
    judge.add_argument("--max-mos-mean", type=_limit, metavar="X", help="mean difference in MOS")
    judge.add_argument("--max-mos-max", type=_limit, metavar="X", help="largest difference in MOS")
    judge.add_argument(
        "--max-flips",
        type=_limit,
        metavar="X",
        help="share of gate decisions that differ, 0..1; without --threshold or this option it is judged "
        "only where the frames are enough for it",
    )
    judge.add_argument(
        "--threshold",
        type=float,
        action="append",
        default=[],
        metavar="MOS",
        help="of a gate, may be repeated (default: nine, 30th to 70th percentile of the scores)",
    )
    look = parser.add_argument_group("report")
    look.add_argument(
        "--worst", type=partial(_count, 0), default=5, metavar="N", help="frames to name; default: 5"
    )
    look.add_argument("--layers", action="store_true", help="compare layer by layer too (extra train)")
    look.add_argument(
        "--layer-frames",
        type=partial(_count, 1),
        default=4,
        metavar="N",
        help="for --layers: frames, those that differ most; default: 4",
    )
    look.add_argument(
        "--layer-threshold",
        type=_limit,
        default=0.1,
        metavar="X",
        help="for --layers: of a layer by itself; default: 0.1",
    )
    look.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    add_source_arguments(parser)
    return parser


def _pair(what: str, text: str) -> tuple[str, str]:
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 2 or not all(names):
        raise argparse.ArgumentTypeError(f"expected two {what} with a comma between; found {text!r}")
    return names[0], names[1]


def _count(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}; found {text!r}")
    return int(text)


def _limit(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"expected a number of 0 or more; found {text!r}")
    return value


def run(args: argparse.Namespace) -> int:
    """Compare, print, and say by the exit code whether the two agree."""
    from rich.console import Console

    from leaf_edge.cli.compare_table import print_comparison
    from leaf_edge.compare import KeptViews, compare_frames, make_viewer
    from leaf_edge.extras import require
    from leaf_edge.frames import SourceError

    options = options_from_args(args)
    if args.layers:
        require("onnx", "train")
    sides = _sides(args)
    try:
        viewers = (make_viewer(args.views[0]), make_viewer(args.views[1]))
    except ValueError as error:
        raise UsageError(f"--views: {error}") from None
    keep = KeptViews(args.layer_frames) if args.layers else None
    problems: list[str] = []
    try:
        found = compare_frames(
            islice(_frames(args.source, options, problems), args.frames),
            sides,
            viewers,
            limits=_limits(args),
            thresholds=args.threshold,
            judge_flips=True if args.max_flips is not None else None,
            worst=args.worst,
            keep=keep,
        )
    except SourceError:
        raise
    except ValueError as error:
        for line in problems:
            print(f"leaf-edge: skipped {line}", file=sys.stderr)
        raise SourceError(args.source[0], str(error)) from None
    if keep is not None:
        from leaf_edge.compare.layers import compare_layers

        a, b = (side.model for side in sides)
        assert a is not None and b is not None  # _sides has seen to it
        found = replace(found, layers=compare_layers(a, b, keep.views, threshold=args.layer_threshold))
    found = replace(found, skipped=tuple(problems))
    if args.json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        print_comparison(Console(), found)
    if found.failures:
        return ExitCode.REFUSED
    return ExitCode.SKIPPED if problems else ExitCode.OK


def _sides(args: argparse.Namespace) -> tuple[Side, Side]:
    from leaf_edge.bundle import load_bundle, locate
    from leaf_edge.compare import make_side
    from leaf_edge.frames import SourceError

    bundle = load_bundle(locate(args.bundle), key=public_keys(args.key))
    names = args.engines
    if names == ("float", "float"):
        raise UsageError("--engines float,float: float has no curve; compare it with an engine of the bundle")
    try:
        a, b = (make_side(n, bundle, checkpoint=args.checkpoint, threads=args.threads) for n in names)
    except SourceError:
        raise  # the checkpoint, which is an input
    except ValueError as error:
        raise UsageError(f"--engines: {error}") from None
    if args.layers:
        for side in (a, b):
            if side.model is None:
                raise UsageError(f"--layers: the layers of {side.name} cannot be seen; compare trt-onnx")
    return a, b


def _limits(args: argparse.Namespace) -> Limits:
    from leaf_edge.compare import Limits

    default = Limits.against_float() if "float" in args.engines else Limits()
    given = {"mos_mean": args.max_mos_mean, "mos_max": args.max_mos_max, "flips": args.max_flips}
    return replace(default, **{name: value for name, value in given.items() if value is not None})


def _frames(specs: Sequence[str], options: SourceOptions, problems: list[str]) -> Iterator[tuple[str, Frame]]:
    """Name and frame of all sources, with a bar on a terminal; what is skipped goes into `problems`."""
    from rich.console import Console
    from rich.progress import track

    from leaf_edge.frames import SourceError, open_source

    console = Console(stderr=True)
    for spec in specs:
        try:
            source = open_source(
                spec, options, notice=lambda line: print("leaf-edge:", line, file=sys.stderr)
            )
        except SourceError as error:
            if options.on_error == "fail":
                raise
            problems.append(str(error))
            continue
        with source:
            for frame in track(
                source,
                spec,
                total=source.length,
                console=console,
                disable=not console.is_terminal,
                transient=True,
            ):
                still = source.kind in ("image", "folder")
                yield frame.source if still else f"{frame.source} frame {frame.index}", frame
            problems += [str(error) for error in source.problems]
