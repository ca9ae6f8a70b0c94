"""`leaf-edge suggest`: which frames to have rated next, and whether more ratings still pay."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog
from leaf_edge.cli.source_options import add_source_arguments, options_from_args

if TYPE_CHECKING:
    from leaf_edge.calibration.candidates import Candidates
    from leaf_edge.calibration.stop import StopAdvice
    from leaf_edge.calibration.suggest import Suggestion
    from leaf_edge.frames import Frame, SourceOptions

_EXAMPLES = """\
  leaf-edge suggest frames/ --count 50 --output next.csv          the first 50 to rate
  leaf-edge suggest frames/ --rated next.csv --output more.csv    with its mos filled in: 50 more, or stop
  leaf-edge suggest frames/ clip.mp4 --every 25 --model runs/leaf-m/best.pt
  leaf-edge score frames/ --output scores.csv && leaf-edge suggest --scores scores.csv"""

_COLUMNS = ("source", "frame", "mos", "raw", "difficulty", "distance", "reason")
_LISTED = 20


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "suggest",
        help="which frames to have rated next",
        description="Chooses frames that are hard for the model, unlike each other, and spread over the\n"
        "range of its scores; with ratings so far, says whether more of them still pay.",
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="images, folders, videos, or raw frames")
    parser.add_argument(
        "--model",
        default="leaf-s",
        metavar="NAME|PATH",
        help="leaf-s, leaf-m, a bundle, or a checkpoint (.pt, whose own features tell scenes apart best)",
    )
    parser.add_argument(
        "--scores", type=Path, metavar="CSV", help="scores of `leaf-edge score --output`, instead of SOURCE"
    )
    parser.add_argument("--count", default="50", metavar="N", help="frames to suggest (default: 50)")
    parser.add_argument(
        "--plain",
        metavar="SHARE",
        help="share of frames drawn by chance, 0 to 1: 1 where only a curve is to be fitted (default: 0.5)",
    )
    parser.add_argument(
        "--rated",
        type=Path,
        metavar="CSV",
        help="ratings so far, oldest first: source,mos and frame for clips; rows without mos are passed over",
    )
    parser.add_argument(
        "--tolerance",
        metavar="MOS",
        help="stop where twice the ratings would gain less than this (default: 0.02)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="the list as CSV, with an empty column mos to fill in"
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    add_source_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Choose, write, advise. SKIPPED where inputs were skipped, INPUT where none was left."""
    if bool(args.sources) == (args.scores is not None):
        raise UsageError("give SOURCE arguments, or --scores CSV, one of the two")
    count, tolerance = _count(args.count), _tolerance(args.tolerance)
    plain = _plain(args.plain)
    options = options_from_args(args)

    from leaf_edge.calibration.candidates import from_scores, matched, read_ratings
    from leaf_edge.calibration.errors import CalibrationError
    from leaf_edge.calibration.stop import stop_rule
    from leaf_edge.calibration.suggest import suggest

    problems: list[str] = []
    try:
        ratings = read_ratings(args.rated) if args.rated else []
        found = from_scores(args.scores) if args.scores else _scored(args, options, problems)
        rated, mos, absent = matched(found, ratings)
        chosen = suggest(
            found.features,
            found.raw,
            found.spread,
            count,
            rated=rated,
            disagreement=found.disagreement,
            plain=plain,
        )
        advice = stop_rule(found.raw[rated], mos, tolerance=tolerance) if rated else None
    except CalibrationError as error:
        _say(str(error))
        return ExitCode.INPUT
    finally:
        for problem in problems:
            _say(f"skipped {problem}")
    if absent:
        _say(f"{absent} of {len(ratings)} ratings are of frames that are not among those given")
    if args.output:
        _write(args.output, found, chosen)
    _report(args, found, chosen, advice, len(rated))
    return ExitCode.SKIPPED if problems else ExitCode.OK


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise UsageError(f"--count is {text!r}; expected a whole number from 1 on")
    return int(text)


def _plain(text: str | None) -> float:
    from leaf_edge.calibration.suggest import PLAIN

    try:
        value = PLAIN if text is None else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UsageError(f"--plain is {text!r}; expected a share, 0 to 1")
    return value


def _tolerance(text: str | None) -> float:
    from leaf_edge.calibration.stop import TOLERANCE

    try:
        value = TOLERANCE if text is None else float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 4:
        raise UsageError(f"--tolerance is {text!r}; expected MOS, above 0")
    return value


def _scored(args: argparse.Namespace, options: SourceOptions, problems: list[str]) -> Candidates:
    from leaf_edge.calibration.candidates import from_frames
    from leaf_edge.cli.score_table import progress

    with progress() as advance:
        current: list[tuple[str, int | None]] = [("", None)]
        frames = _frames(args.sources, options, problems, lambda *source: current.__setitem__(0, source))
        return from_frames(frames, args.model, lambda: advance(*current[0]))


def _frames(
    specs: list[str],
    options: SourceOptions,
    problems: list[str],
    opened: Callable[[str, int | None], None],
) -> Iterator[Frame]:
    from leaf_edge.frames import SourceError, open_source

    for spec in specs:
        try:
            with open_source(spec, options, notice=_say) as source:
                opened(source.name, source.length)
                yield from source
                problems += map(str, source.problems)
        except SourceError as error:
            if options.on_error == "fail":
                raise
            problems.append(str(error))


def _row(found: Candidates, item: Suggestion) -> dict[str, Any]:
    key = found.keys[item.index]
    return {
        "source": key.source,
        "frame": key.frame,
        "mos": None,
        "raw": round(float(found.raw[item.index]), 6),
        "difficulty": round(item.difficulty, 4),
        "distance": round(item.distance, 4),
        "reason": item.reason,
    }


def _write(name: str, found: Candidates, chosen: list[Suggestion]) -> None:
    from leaf_edge.cli.score_output import PartFile, output_errors

    target = PartFile(Path(name))
    try:
        with (
            output_errors(),
            target.part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            table = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(_row(found, item) for item in chosen)
        target.finish()
    finally:
        target.discard()


def _report(
    args: argparse.Namespace,
    found: Candidates,
    chosen: list[Suggestion],
    advice: StopAdvice | None,
    rated: int,
) -> None:
    rows = [_row(found, item) for item in chosen]
    if args.json:
        stop = None if advice is None else asdict(advice)
        for name, value in (stop or {}).items():
            if isinstance(value, float) and not math.isfinite(value):
                stop[name] = None  # type: ignore[index]
        result = {
            "frames": len(found.keys),
            "rated": rated,
            "features": found.basis,
            "stop": stop,
            "suggested": rows,
            "output": args.output,
        }
        json.dump(result, sys.stdout, indent=2, allow_nan=False)
        print()
        return
    for row in rows[:_LISTED]:
        print(f"{row['source']}#{row['frame']}  raw {row['raw']:.3f}  {row['reason']}")
    if len(rows) > _LISTED:
        print(f"... and {len(rows) - _LISTED} more{'' if args.output else ' (--output FILE has them all)'}")
    print(f"{len(rows)} of {len(found.keys)} frames to rate next, {rated} rated; told apart by {found.basis}")
    if advice is not None:
        print(advice.sentence)


def _say(text: str) -> None:
    print(f"leaf-edge: {text}", file=sys.stderr)
