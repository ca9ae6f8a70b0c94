"""`leaf-edge score`: quality of every frame of images, folders, videos and raw streams."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.engine_option import add_engine_argument, engine_names, say
from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog
from leaf_edge.cli.key_option import add_key_argument, public_keys
from leaf_edge.cli.source_options import add_source_arguments, options_from_args

if TYPE_CHECKING:
    from leaf_edge.cli.score_inputs import Origin
    from leaf_edge.frames import Roi
    from leaf_edge.plot import Plot
    from leaf_edge.runtime.series import Series

_EXAMPLES = """\
  leaf-edge score clip.mp4                                  a summary of the clip
  leaf-edge score photos/ --output scores.csv               one row for each image
  leaf-edge score clip.mp4 --every 5 --plot clip.png        every fifth frame, and a picture
  leaf-edge score camera.nv12 --format nv12 --size 1920x1080 --matrix bt709 --range limited
  ffmpeg -i clip.mkv -f yuv4mpegpipe - | leaf-edge score - --output -"""

_CODES = (
    ExitCode.OK,
    ExitCode.INTERNAL,
    ExitCode.USAGE,
    ExitCode.SKIPPED,
    ExitCode.INPUT,
    ExitCode.BUNDLE,
    ExitCode.EXTRA,
    ExitCode.OUTPUT,
    ExitCode.DEVICE,
    ExitCode.INTERRUPTED,
    ExitCode.PIPE,
)


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "score",
        help="score images, folders, videos and raw streams",
        description="Scores frames: MOS from 1 (bad) to 5 (excellent) with an interval, the severity\n"
        "of eight camera faults, and the strongest one as the reason.",
        epilog=epilog(_EXAMPLES, _CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="image, folder, video, .y4m, raw frames, or - for a pipe"
    )
    parser.add_argument(
        "--model",
        default="leaf-s",
        metavar="NAME|PATH",
        help="leaf-s, leaf-m, or a NAME.leaf folder or its tar (default: leaf-s)",
    )
    add_key_argument(parser)
    add_engine_argument(parser)
    parser.add_argument("--roi", metavar="X,Y,W,H", help="score this region of every frame, in pixels")
    parser.add_argument(
        "--threads", metavar="N", help="frames scored at once, one thread each (default: all cores)"
    )
    add_source_arguments(parser)
    output = parser.add_argument_group("results")
    output.add_argument(
        "--output",
        metavar="FILE",
        help="scores of all frames, as .csv or .jsonl; - for standard output",
    )
    output.add_argument(
        "--output-format", choices=("csv", "jsonl"), help="of --output (default: by its name; csv for -)"
    )
    output.add_argument(
        "--plot",
        metavar="FILE",
        help="picture of MOS, faults, best and worst frames: .png, .svg or .pdf (needs leaf-edge[plot])",
    )
    output.add_argument("--json", action="store_true", help="the summary as one JSON object")
    return parser


def run(args: argparse.Namespace) -> int:
    """Score, write, summarise. SKIPPED where inputs were skipped, INPUT where none was left."""
    from leaf_edge.cli.score_output import STDOUT, format_of, output_errors, score_writer

    options, roi, workers = options_from_args(args), _roi(args.roi), _threads(args.threads)
    to_stdout = args.output == STDOUT
    kind = args.output_format or ("" if args.output is None else format_of(args.output))
    if args.output_format and args.output is None:
        raise UsageError("--output-format says how --output is written; give --output too")
    if args.json and to_stdout:
        raise UsageError("--json and --output - both want standard output; give --output a file")
    if args.sources.count("-") > 1:
        raise UsageError("- (standard input) can be read once only")

    import leaf_edge
    from leaf_edge.cli.score_inputs import Inputs
    from leaf_edge.cli.score_table import progress
    from leaf_edge.runtime.series import Series

    plot = None if args.plot is None else _plot(args.plot, roi)
    scorer = leaf_edge.load(args.model, key=public_keys(args.key), engines=engine_names(args), notice=say)
    inputs = Inputs(scorer, options, roi, workers)
    series: dict[Origin, Series] = {}
    with score_writer(args.output, kind) as (write, finish), progress() as advance:
        last = perf_counter()
        for origin, item in inputs.scored(args.sources):
            write(item.score)
            if plot is not None:
                plot.offer(item.frame, item.score, still=item.still)
            advance(origin.name, origin.total)
            entry = series.setdefault(origin, Series(origin.name, stills=origin.still))
            now = perf_counter()
            entry.add(item.score, now - last)
            last = now
        if series:
            finish()
    for problem in inputs.problems:
        _say(f"skipped {problem}")
    if not series:
        _say("no frame was left to score")
        return ExitCode.INPUT
    results = list(series.values())
    if plot is not None:
        with output_errors():
            plot.write(results, scorer.name)
    _report(args, scorer.name, results, inputs.problems, to_stdout)
    return ExitCode.SKIPPED if inputs.problems else ExitCode.OK


def _roi(text: str | None) -> Roi | None:
    from leaf_edge.frames.frame import Roi

    if text is None:
        return None
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*(,\s*[0-9]{1,9}\s*){3}", text):
        raise UsageError(f"--roi is {text!r}; expected X,Y,WIDTH,HEIGHT in whole pixels, as 0,0,640,360")
    return Roi(*(int(part) for part in text.split(",")))


def _threads(text: str | None) -> int:
    from leaf_edge.runtime.engine import MAX_THREADS
    from leaf_edge.runtime.stream import usable_cpus

    if text is None:
        return usable_cpus()
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_THREADS:
        raise UsageError(f"--threads is {text!r}; expected a whole number, 1 to {MAX_THREADS}")
    return int(text)


def _plot(name: str, roi: Roi | None) -> Plot:
    from leaf_edge.plot import Plot

    try:
        plot = Plot(Path(name), roi)
    except ValueError as error:
        raise UsageError(f"--plot {error}") from None
    # Known now, not after an hour of scoring.
    folder = plot.path.parent
    if not folder.is_dir():
        raise OutputError(f"{name}: cannot be written: there is no folder {folder}")
    if plot.path.is_dir():
        raise OutputError(f"{name}: cannot be written: it is a folder")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{name}: cannot be written: no permission for the folder {folder}")
    return plot


def _report(
    args: argparse.Namespace, model: str, series: list[Series], problems: list[str], to_stdout: bool
) -> None:
    if args.json:
        from leaf_edge.runtime.series import summarise

        summary = {
            "model": model,
            "sources": [{"source": item.name, **summarise([item])} for item in series],
            "total": summarise(series),
            "output": args.output,
            "plot": args.plot,
            "skipped": problems,
        }
        print(json.dumps(summary, indent=2, allow_nan=False))
        return
    from rich.console import Console

    from leaf_edge.cli.score_table import print_scores, print_summary

    console = Console(stderr=to_stdout, highlight=False)
    print_scores(console, series)
    print_summary(console, series)
    if args.output is not None and not to_stdout:
        console.print(f"scores in {args.output}", markup=False, soft_wrap=True)
    if args.plot is not None:
        console.print(f"plot in {args.plot}", markup=False, soft_wrap=True)


def _say(text: str) -> None:
    print(f"leaf-edge: {text}", file=sys.stderr)
