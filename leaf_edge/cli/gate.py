"""`leaf-edge gate`: which frames of a stream are good enough to use."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from leaf_edge.cli.engine_option import add_engine_argument, engine_names, say
from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog
from leaf_edge.cli.key_option import add_key_argument, public_keys
from leaf_edge.cli.score_output import PartFile, output_errors
from leaf_edge.cli.source_options import add_source_arguments, options_from_args
from leaf_edge.runtime.gate import GATE_MAX_WINDOW, GateConfig, GateError, Missing, Pool, State

if TYPE_CHECKING:
    from leaf_edge.cli.score_inputs import Origin
    from leaf_edge.runtime.gate_streams import GateInput
    from leaf_edge.runtime.gate_summary import GateSummary
    from leaf_edge.runtime.kept_frames import KeptFrames
    from leaf_edge.runtime.score_source import Scored

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

_CODES = (
    ExitCode.OK,
    ExitCode.INTERNAL,
    ExitCode.USAGE,
    ExitCode.SKIPPED,
    ExitCode.INPUT,
    ExitCode.BUNDLE,
    ExitCode.OUTPUT,
    ExitCode.DEVICE,
    ExitCode.INTERRUPTED,
    ExitCode.PIPE,
)


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "gate",
        help="accept or reject the frames of a stream by their quality",
        description="Scores frames and gates them: two thresholds with hysteresis on a pooled score, and a "
        "least time in each state. Every video and raw stream has a gate of its own; an image is judged "
        "alone (no pooling, no dwell). docs/gate.md has the state machine.",
        epilog=epilog(_EXAMPLES, _CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources", nargs="*", metavar="SOURCE", help="image, folder, video, .y4m, raw frames, or - for a pipe"
    )
    parser.add_argument(
        "--replay", metavar="LOG", help="gate the scores of LOG (.csv, .jsonl, or -) instead; needs no model"
    )
    parser.add_argument("--model", metavar="NAME|PATH", help="leaf-s, leaf-m or a bundle; default: leaf-s")
    add_key_argument(parser)
    add_engine_argument(parser)
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
    scores = _replayed(args.replay) if args.replay is not None else _scored(args, problems)
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
        given += [name for name in ("model", "key") if getattr(args, name) is not None]
        if given:
            options = ", ".join("--" + name.replace("_", "-") for name in given)
            raise UsageError(f"{options}: of no use with --replay, which reads no frames")
    if args.sources.count("-") > 1:
        raise UsageError("- (standard input) can be read once only")
    if args.json and args.decisions == "-":
        raise UsageError("--json and --decisions - both want standard output; give --decisions a file")


def _replayed(log: str) -> Iterator[GateInput]:
    from leaf_edge.runtime.gate_log import read_log

    data = sys.stdin.buffer.read() if log == "-" else Path(log).read_bytes()
    return iter(read_log(data, "standard input" if log == "-" else log))


def _scored(args: argparse.Namespace, problems: list[str]) -> Iterator[GateInput]:
    import leaf_edge
    from leaf_edge.cli.score_inputs import Inputs
    from leaf_edge.runtime.stream import usable_cpus

    # Frames that are scored at once come out later: not for a live stream.
    workers = 1 if "-" in args.sources else usable_cpus()
    # The model is loaded here, not with the first frame: a wrong one ends the run before files are made.
    scorer = leaf_edge.load(
        args.model or "leaf-s", key=public_keys(args.key), engines=engine_names(args), notice=say
    )
    inputs = Inputs(scorer, options_from_args(args), None, workers)
    inputs.problems = problems
    return _shown(inputs.scored(args.sources), shown=args.decisions != "-")


def _shown(scored: Iterator[tuple[Origin, Scored]], shown: bool) -> Iterator[GateInput]:
    """The scores as the gate takes them, with a bar on standard error."""
    from leaf_edge.cli.score_table import progress
    from leaf_edge.runtime.gate_streams import GateInput

    with progress() if shown else nullcontext(lambda name, total: None) as advance:
        for origin, item in scored:
            yield GateInput.of(item)
            advance(origin.name, origin.total)


def _gate(
    args: argparse.Namespace, config: GateConfig, scores: Iterator[GateInput]
) -> tuple[GateSummary, int]:
    """Run the gate over `scores`; writes what was asked for. Returns the summary and files kept."""
    from leaf_edge.runtime.gate_streams import Gated, gate_scores
    from leaf_edge.runtime.gate_summary import GateSummary

    summary = GateSummary()
    keeper = _keeper(args)
    with _decision_log(args.decisions) as (write, finish):
        for item in _as_input(gate_scores(scores, config)):
            summary.add(item)
            path = None
            if keeper is not None:
                with output_errors():
                    path = keeper.take(item)
            if isinstance(item, Gated):
                row = item.to_dict()
                if keeper is not None:
                    row["kept"] = None if path is None else str(path)
                write(row)
        if summary.frames:
            finish()
    return summary, 0 if keeper is None else keeper.count


def _keeper(args: argparse.Namespace) -> KeptFrames | None:
    if args.keep is None:
        return None
    from leaf_edge.runtime.kept_frames import KeptFrames

    with output_errors():
        if args.keep.is_dir() and any(args.keep.iterdir()):
            _say(f"{args.keep} holds files already; those of the same name are replaced")
        return KeptFrames(args.keep, args.keep_format, best=args.best)


@contextmanager
def _decision_log(name: str | None) -> Iterator[tuple[Callable[[dict[str, Any]], None], Callable[[], None]]]:
    """(write, finish) for `--decisions name`; without `finish` nothing is left under the name."""
    if name is None:
        yield lambda row: None, lambda: None
        return
    target = None if name == "-" else PartFile(Path(name))
    with output_errors():
        file = sys.stdout if target is None else target.part.open("w", encoding="utf-8")

    def write(row: dict[str, Any]) -> None:
        with output_errors():
            file.write(json.dumps(row, allow_nan=False) + "\n")
            file.flush()

    def finish() -> None:
        if target is not None:
            with output_errors():
                file.close()
            target.finish()

    try:
        yield write, finish
    finally:
        if target is not None:
            with suppress(OSError):
                file.close()
            target.discard()


def _as_input(items: Iterator[Item]) -> Iterator[Item]:
    """A score that the gate refuses, or rows out of order, are the input's fault."""
    from leaf_edge.frames.frame import FrameError

    try:
        yield from items
    except GateError as error:
        raise FrameError(str(error)) from None


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
