"""`leaf-edge label`: pictures and clips to a teacher's labels, in a label store.

SOURCE: images, folders, videos and y4m files, which are added to the store; without one, what is in it is
labelled. Each picture gets a point label (five levels), then some pairs of pictures that are worth asking get
a preference in both orders. Labels are stored batch by batch: a run that was stopped, by whatever, goes on
where it was, and the same command may run several times at once on one store.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog

if TYPE_CHECKING:
    from leaf_edge.teacher.ingest import Ingested
    from leaf_edge.teacher.interface import Teacher
    from leaf_edge.teacher.labelling import Labelled, LabelOptions

_EXAMPLES = """\
  leaf-edge label kodak/ --store labels.sqlite --teacher reference
  leaf-edge label photos/ drive.mp4 --every 25 --store labels.sqlite --teacher transformers \\
      --option model=models/InternVL3_5-8B
  leaf-edge label --store labels.sqlite --teacher openai --config teacher.yaml --pairs-per-picture 8
  leaf-edge label --store labels.sqlite --teacher openai --config teacher.yaml --retry-failed

teacher.yaml:
  teacher: openai
  options:
    model: InternVL3_5-8B
    ..."""

_LINE_S = 60.0
_SHOWN = 5  # failures that are printed; `leaf-edge labels stats` has them all


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge label`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "label",
        help="ask a teacher for labels",
        description=__doc__,
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="image, folder, video or y4m file")
    parser.add_argument("--store", type=Path, required=True, help="label store; made where there is none")
    parser.add_argument("--teacher", metavar="KIND", help="transformers, openai, reference or simulated")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the teacher; wins over --config; given again for a list",
    )
    parser.add_argument("--config", type=Path, help="YAML file with the teacher's kind and options")
    parser.add_argument("--every", type=int, default=1, help="frames 0, N, 2N, ... of clips (default: 1)")
    parser.add_argument("--root", type=Path, help="folder of relative paths (default: the current one)")
    parser.add_argument("--no-points", action="store_true", help="pairs only")
    parser.add_argument("--no-pairs", action="store_true", help="point labels only")
    parser.add_argument(
        "--pairs-per-picture",
        type=int,
        default=6,
        metavar="K",
        help="pairs that a picture is in (default: 6)",
    )
    parser.add_argument(
        "--versions", action="store_true", help="judge synthetic versions that another teacher added, too"
    )
    parser.add_argument("--seed", type=int, default=0, help="of synthetic versions and the choice of pairs")
    parser.add_argument("--retry-failed", action="store_true", help="try again what failed for good")
    parser.add_argument(
        "--attempts", type=int, default=3, help="of a judgment that fails for now, in one run (default: 3)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    """Ingests, labels, and says what was done."""
    from leaf_edge.teacher.ingest import ingest
    from leaf_edge.teacher.labelling import label
    from leaf_edge.teacher.store import LabelStore

    options = _options(args)
    teacher = _teacher(args)
    try:
        with LabelStore(args.store, create=bool(args.sources)) as store, _Bars() as bars:
            found = ingest(store, args.sources, every=args.every, root=args.root, on_file=bars.files)
            done = label(store, teacher, options, bars.step)
    finally:
        teacher.close()
    if args.json:
        json.dump(_report(teacher, found, done), sys.stdout, indent=1)
        print()
    else:
        _print(args.store, found, done)
    if not done.pictures:
        print(f"leaf-edge: {args.store} has no picture for this teacher to judge", file=sys.stderr)
        return ExitCode.INPUT
    return ExitCode.SKIPPED if found.problems or done.failed else ExitCode.OK


def _options(args: argparse.Namespace) -> LabelOptions:
    from leaf_edge.teacher.labelling import LabelOptions
    from leaf_edge.teacher.pair_plan import PairPlan
    from leaf_edge.teacher.work import Patience

    if args.every < 1:
        raise UsageError(f"--every is {args.every}; expected 1 or more")
    try:
        return LabelOptions(
            points=not args.no_points,
            pairs=not args.no_pairs,
            pair_plan=PairPlan(args.pairs_per_picture, args.seed, judged_only=not args.no_points),
            versions=args.versions,
            seed=args.seed,
            root=args.root,
            patience=Patience(args.attempts, retry_failed=args.retry_failed),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _teacher(args: argparse.Namespace) -> Teacher:
    from leaf_edge.teacher.options_text import parse_options, read_config
    from leaf_edge.teacher.registry import KINDS, make_teacher

    try:
        kind, options = read_config(args.config) if args.config else (None, {})
        kind = args.teacher or kind
        if kind is None:
            raise UsageError(f"no teacher: give --teacher, one of {', '.join(KINDS)}, or --config with one")
        return make_teacher(kind, options | parse_options(args.option))
    except ValueError as error:
        raise UsageError(str(error)) from None


class _Bars:
    """Progress on standard error: files, points, pairs, with rate and time left. Bars on a terminal;
    elsewhere, as in a job's log, a line a minute."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}
        self._rates: dict[str, Rate] = {}
        self._lines = not console.is_terminal
        self._said = time.monotonic()

    def __enter__(self) -> _Bars:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def files(self, done: int, total: int) -> None:
        """Files read."""
        self._show("files", done, total, 0)

    def step(self, kind: str, done: int, total: int, failed: int) -> None:
        """Judgments made."""
        self._show(f"{kind}s", done, total, failed)

    def _show(self, name: str, done: int, total: int, failed: int) -> None:
        now = time.monotonic()
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total, completed=done, rate="")
            self._rates[name] = Rate(now, done)
        text = self._rates[name].text(now, done, total) + (f", {failed} failed" if failed else "")
        self._bar.update(self._tasks[name], completed=done, total=total, rate=text)
        if self._lines and now - self._said >= _LINE_S:
            self._said = now
            print(f"leaf-edge: {name} {done}/{total} {text}", file=sys.stderr, flush=True)


class Rate(NamedTuple):
    """Progress since a beginning: what an earlier run did is none of this one's."""

    start_s: float
    start_done: int

    def text(self, now_s: float, done: int, total: int) -> str:
        """Rate and time left, as `12,000/hour, 1:20:05 left`; empty before anything is done."""
        made, seconds = done - self.start_done, now_s - self.start_s
        if made <= 0 or seconds <= 0:
            return ""
        left = timedelta(seconds=round((total - done) * seconds / made))
        return f"{3600 * made / seconds:,.0f}/hour, {left} left"


def _report(teacher: Teacher, found: Ingested, done: Labelled) -> dict[str, Any]:
    return {
        "teacher": teacher.name,
        "version": teacher.version,
        "files": found.files,
        "new_pictures": found.new,
        "versions": done.versions,
        "pictures": done.pictures,
        "points": done.points,
        "pairs": done.pairs,
        "points_s": round(done.points_s, 3),
        "pairs_s": round(done.pairs_s, 3),
        "skipped": found.problems,
        "failed": done.failed,
    }


def _print(store: Path, found: Ingested, done: Labelled) -> None:
    print(
        f"{store}: {found.new} new picture(s) from {found.files} file(s), "
        f"{done.versions} new synthetic version(s); {done.pictures} for this teacher"
    )
    for name, count, seconds in (("point", done.points, done.points_s), ("pair", done.pairs, done.pairs_s)):
        rate = f" in {seconds:.1f} s ({3600 * count / seconds:,.0f}/hour)" if count and seconds else ""
        print(f"{count} {name} label(s){rate}")
    for line in found.problems:
        print(f"skipped: {line}", file=sys.stderr)
    if done.failed:
        reasons = Counter(done.failed.values()).most_common(_SHOWN)
        print(f"{len(done.failed)} judgment(s) failed; the same command tries again, --retry-failed all:")
        for reason, count in reasons:
            print(f"  {count} x {reason}", file=sys.stderr)
