"""`leaf-edge gate`: which frames of a stream are good enough to use."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog
from leaf_edge.cli.source_options import add_source_arguments, options_from_args
from leaf_edge.runtime.gate import GATE_MAX_WINDOW, GateConfig, GateError, Missing, Pool, State

if TYPE_CHECKING:
    from leaf_edge.frames.source import Source, SourceOptions
    from leaf_edge.runtime.gate_streams import Scored
    from leaf_edge.runtime.gate_summary import GateSummary
    from leaf_edge.runtime.scorer import Scorer

Item = TypeVar("Item")

_DEFAULTS = GateConfig()
_BAND = round(_DEFAULTS.accept - _DEFAULTS.reject, 6)
_SOURCE_OPTIONS = ("format", "size", "pitch", "fps", "matrix", "range", "every", "on_error")

_EXAMPLES = """\
  leaf-edge gate clip.mp4                                      stretches that pass, and why others do not
  leaf-edge gate clip.mp4 --accept 3.4 --reject 3.0 --keep good/ --keep-format jpeg
  leaf-edge gate clip.mp4 --window 25 --best --keep best/      the best accepted frame of every 25
  leaf-edge gate photos/ --accept 3.5 --decisions photos.jsonl one verdict for each photograph
  leaf-edge gate clip.mp4 --pool low --percentile 20           bad moments weigh more than good ones
  leaf-edge gate --replay scores.csv --accept 3.2              other thresholds on scores already made
  camera | leaf-edge gate - --format nv12 --size 1920x1080 --fps 30 --decisions -"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "gate",
        help="accept or reject the frames of a stream by their quality",
        description="Scores frames and gates them: two thresholds with hysteresis on a pooled score, and a "
        "least time in each state. Every video and raw stream has a gate of its own; an image is judged "
        "alone (no pooling, no dwell). docs/gate.md has the state machine.",
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources", nargs="*", metavar="SOURCE", help="image, folder, video, .y4m, raw frames, or - for a pipe"
    )
    parser.add_argument(
        "--replay", metavar="LOG", help="gate the scores of LOG (.csv, .jsonl, or -) instead; needs no model"
    )
    parser.add_argument("--model", metavar="NAME|PATH", help="leaf-s, leaf-m or a bundle; default: leaf-s")
    _add_gate_arguments(parser)
    _add_output_arguments(parser)
    add_source_arguments(parser)
    return parser


def _add_gate_arguments(parser: argparse.ArgumentParser) -> None:
    gate = parser.add_argument_group("the gate")
    gate.add_argument(
        "--accept",
        type=float,
        default=_DEFAULTS.accept,
        metavar="MOS",
        help="accept at or above this; default: %(default)s",
    )
    gate.add_argument(
        "--reject", type=float, metavar="MOS", help=f"reject below this; default: {_BAND:g} below --accept"
    )
    gate.add_argument(
        "--pool",
        choices=[str(pool) for pool in Pool],
        default=str(_DEFAULTS.pool),
        help="what of the window meets the thresholds; default: %(default)s",
    )
    gate.add_argument(
        "--window",
        type=int,
        default=_DEFAULTS.window,
        metavar="N",
        help=f"scores pooled, 1 to {GATE_MAX_WINDOW}; default: %(default)s",
    )
    gate.add_argument(
        "--percentile",
        type=int,
        default=_DEFAULTS.percentile,
        metavar="P",
        help="of --pool low, 0 to 100; default: %(default)s",
    )
    gate.add_argument(
        "--dwell",
        type=int,
        default=_DEFAULTS.dwell,
        metavar="N",
        help="frames that a verdict holds at least; default: %(default)s",
    )
    gate.add_argument(
        "--initial",
        choices=[str(state) for state in tuple(State)[1:]],
        default=str(_DEFAULTS.initial),
        help="verdict before the first decision; default: %(default)s",
    )
    gate.add_argument(
        "--missing",
        choices=[str(policy) for policy in Missing],
        default=str(_DEFAULTS.missing),
        help="verdict on a frame without a score (in a log); default: %(default)s",
    )
    gate.add_argument(
        "--best", action="store_true", help="name, and keep, only the best accepted frame of every --window"
    )


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("results")
    output.add_argument(
        "--decisions",
        "--output",
        dest="decisions",
        metavar="FILE.jsonl|-",
        help="one JSON object for each frame; - for standard output, as they are made",
    )
    output.add_argument("--keep", type=Path, metavar="DIR", help="write accepted frames to this folder")
    output.add_argument(
        "--keep-format", choices=("png", "jpeg"), default="png", help="of --keep; default: %(default)s"
    )
    output.add_argument("--json", action="store_true", help="the summary as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Gate, then print the summary. SKIPPED where inputs were skipped, INPUT where none was left."""
    config = _config(args)
    _check_combination(args)
    problems: list[str] = []
    scores = _replayed(args.replay) if args.replay is not None else _scored_live(args, problems)
    summary, kept = _gate(args, config, scores)
    for problem in problems:
        _say(f"skipped {problem}")
    if not summary.frames:
        _say("no frame was left to gate")
        return ExitCode.INPUT
    _report(args, config, summary, kept, problems)
    return ExitCode.SKIPPED if problems else ExitCode.OK


def _config(args: argparse.Namespace) -> GateConfig:
    try:
        return GateConfig(
            accept=args.accept,
            reject=args.accept - _BAND if args.reject is None else args.reject,
            pool=Pool(args.pool),
            window=args.window,
            percentile=args.percentile,
            dwell=args.dwell,
            initial=State(args.initial),
            missing=Missing(args.missing),
            best_window=args.window if args.best else 0,
        )
    except GateError as error:
        raise UsageError(f"the gate's {error}") from None


def _check_combination(args: argparse.Namespace) -> None:
    if args.replay is None and not args.sources:
        raise UsageError("name a SOURCE to gate, or a score log with --replay")
    if args.replay is not None:
        if args.sources:
            raise UsageError("--replay gates a score log; leave the SOURCEs out")
        if args.keep is not None:
            raise UsageError("--keep needs the frames themselves; name the SOURCEs instead of --replay")
        plain = argparse.ArgumentParser()
        add_source_arguments(plain)
        unset = plain.parse_args([])
        given = [name for name in _SOURCE_OPTIONS if getattr(args, name) != getattr(unset, name)]
        given += ["model"] if args.model is not None else []
        if given:
            options = ", ".join("--" + name.replace("_", "-") for name in given)
            raise UsageError(f"{options}: of no use with --replay, which reads no frames")
    if args.sources.count("-") > 1:
        raise UsageError("- (standard input) can be read once only")
    if args.json and args.decisions == "-":
        raise UsageError("--json and --decisions - both want standard output; give --decisions a file")


def _replayed(log: str) -> list[Scored]:
    from leaf_edge.runtime.gate_log import read_log

    data = sys.stdin.buffer.read() if log == "-" else Path(log).read_bytes()
    return read_log(data, "standard input" if log == "-" else log)


def _scored_live(args: argparse.Namespace, problems: list[str]) -> Iterator[Scored]:
    import leaf_edge

    options = options_from_args(args)
    # The model is loaded here, not with the first frame: a wrong one ends the run before files are made.
    scorer = leaf_edge.load(args.model or "leaf-s")
    return _scored_sources(args.sources, options, scorer, problems)


def _scored_sources(
    specs: list[str], options: SourceOptions, scorer: Scorer, problems: list[str]
) -> Iterator[Scored]:
    from leaf_edge.frames import SourceError, open_source

    for spec in specs:
        try:
            source = open_source(spec, options, notice=_say)
        except SourceError as error:
            if options.on_error == "fail":
                raise
            problems.append(str(error))
            continue
        with source:
            yield from _scored_source(source, scorer)
            problems.extend(str(problem) for problem in source.problems)


def _scored_source(source: Source, scorer: Scorer) -> Iterator[Scored]:
    from leaf_edge.frames import kind_of
    from leaf_edge.runtime.gate_streams import Scored
    from leaf_edge.runtime.stream import score_stream, usable_cpus

    # One worker keeps the delay of a live stream short; stills have no delay to keep.
    workers = usable_cpus() if source.kind == "folder" else 1
    for frame, score in score_stream(scorer, source, workers=workers):
        still = source.kind == "image" or (
            source.kind == "folder" and kind_of(PurePath(frame.source)) == "image"
        )
        yield Scored.live(frame, score, still=still)


def _gate(args: argparse.Namespace, config: GateConfig, scores: Any) -> tuple[GateSummary, int]:
    """Run the gate over `scores`; writes what was asked for. Returns the summary and files kept."""
    from leaf_edge.runtime.gate_streams import Gated, gate_scores
    from leaf_edge.runtime.gate_summary import GateSummary
    from leaf_edge.runtime.kept_frames import KeptFrames

    summary = GateSummary()
    with ExitStack() as stack:
        with _output_errors():
            log = None if args.decisions is None else stack.enter_context(_decision_log(args.decisions))
            keeper = None
            if args.keep is not None:
                if args.keep.is_dir() and any(args.keep.iterdir()):
                    _say(f"{args.keep} holds files already; those of the same name are replaced")
                keeper = KeptFrames(args.keep, args.keep_format, best=args.best)
        advance = stack.enter_context(_progress(shown=args.decisions != "-"))
        for item in _as_input(gate_scores(scores, config)):
            summary.add(item)
            advance(int(isinstance(item, Gated)))
            with _output_errors():
                path = None if keeper is None else keeper.take(item)
                if log is not None and isinstance(item, Gated):
                    row = item.to_dict()
                    if keeper is not None:
                        row["kept"] = None if path is None else str(path)
                    log.write(json.dumps(row, allow_nan=False) + "\n")
                    if args.decisions == "-":
                        log.flush()
    return summary, 0 if keeper is None else keeper.count


@contextmanager
def _decision_log(name: str) -> Iterator[Any]:
    """A text file to write; it appears under its name when all is written."""
    if name == "-":
        yield sys.stdout
        return
    path = Path(name)
    part = path.with_name(path.name + ".part")
    file = part.open("w", encoding="utf-8")
    try:
        yield file
        with _output_errors():
            file.close()
            part.replace(path)
    finally:
        with suppress(OSError):  # the first close has told of it
            file.close()
        part.unlink(missing_ok=True)


@contextmanager
def _progress(shown: bool) -> Iterator[Callable[[int], None]]:
    """Counts frames on a terminal's standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("gating"), BarColumn(), TextColumn("{task.completed} frames"), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not (shown and console.is_terminal)
    ) as bar:
        task = bar.add_task("gating", total=None)
        yield lambda frames: bar.advance(task, frames)


def _as_input(items: Iterator[Item]) -> Iterator[Item]:
    """A score that the gate refuses, or rows out of order, are the input's fault."""
    from leaf_edge.frames.frame import FrameError

    try:
        yield from items
    except GateError as error:
        raise FrameError(str(error)) from None


@contextmanager
def _output_errors() -> Iterator[None]:
    """Failures to write are the output's, not the input's."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        raise OutputError(f"{where}cannot be written: {error.strerror or error}") from None


def _report(
    args: argparse.Namespace, config: GateConfig, summary: GateSummary, kept: int, problems: list[str]
) -> None:
    if args.json:
        settings = {"model": None if args.replay else args.model or "leaf-s", **config.to_dict()}
        print(
            json.dumps(
                {"settings": settings, **summary.to_dict(), "kept": kept, "skipped": problems}, indent=2
            )
        )
        return
    from rich.console import Console

    from leaf_edge.cli.gate_table import print_summary

    console = Console(stderr=args.decisions == "-", highlight=False)
    print_summary(console, summary)
    if args.keep is not None:
        console.print(f"{kept} frames kept in {args.keep}", markup=False, soft_wrap=True)
    if args.decisions not in (None, "-"):
        console.print(f"decisions in {args.decisions}", markup=False, soft_wrap=True)


def _say(text: str) -> None:
    print(f"leaf-edge: {text}", file=sys.stderr)
