"""`leaf-edge calibrate`: from raw quality to MOS with the human ratings at hand, from ten to thousands.

Three strategies: a monotone map of the score; the map after a fine-tune of the heads; the map after a
fine-tune of the whole network (--whole, from 100 ratings on). Which one n ratings carry is decided by
held-out error, and said. Writes OUTPUT/student.pt and OUTPUT/calibration.json (curve, interval, table,
options). Intervals are conformal.

Rate pictures that the student was not trained on: on others its errors look smaller than they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog
from leaf_edge.extras import require

if TYPE_CHECKING:
    from leaf_edge.calibration.select import CalibrateOptions, RatedPicture

_EXAMPLES = """\
  leaf-edge calibrate runs/distilled/best.pt --data ratings.csv --output runs/calibrated
  leaf-edge calibrate runs/distilled/best.pt --data biq2021/ --labels 500 --check 300 --output runs/c500
  leaf-edge calibrate runs/distilled/best.pt --data biq2021/ --labels 500 --whole --store labels.db \\
      --output runs/whole500

The same command on a run that was stopped goes on with it."""


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge calibrate`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "calibrate",
        help="from raw quality to MOS",
        description=__doc__,
        epilog=epilog(
            _EXAMPLES,
            (
                ExitCode.OK,
                ExitCode.INTERNAL,
                ExitCode.USAGE,
                ExitCode.INPUT,
                ExitCode.EXTRA,
                ExitCode.REFUSED,
                ExitCode.OUTPUT,
            ),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="checkpoint of a student (NAME.pt)")
    parser.add_argument("--data", type=Path, required=True, help="folder of a rated set, or a CSV file,mos")
    parser.add_argument("--set", default="auto", help="kind of the set (default: told by its files)")
    parser.add_argument(
        "--split", help="side that ratings come from (default: train where there is one, or all)"
    )
    parser.add_argument(
        "--labels", type=int, metavar="N", help="ratings to use, drawn by the seed (default: all)"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--check", type=int, default=0, metavar="N", help="report on N pictures of the val or test side too"
    )
    parser.add_argument(
        "--strategy",
        choices=("auto", "map", "head", "whole"),
        default="auto",
        help="only this one (default: %(default)s)",
    )
    parser.add_argument("--whole", action="store_true", help="try the whole fine-tune too (minutes to hours)")
    parser.add_argument(
        "--store", type=Path, help="label store: the teacher's labels anchor the whole fine-tune"
    )
    parser.add_argument(
        "--steps", type=int, help="of the whole fine-tune (default: by the ratings, 300 or more)"
    )
    parser.add_argument("--folds", type=int, default=5, help="of the cross-validation (default: %(default)s)")
    parser.add_argument("--coverage", type=float, default=0.9, help="of the interval (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="of torch (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print calibration.json")
    return parser


def run(args: argparse.Namespace) -> int:
    """Calibrates, writes the run and prints what was chosen and why."""
    import sys

    torch = require("torch", "train")
    from leaf_edge.calibration import CalibrationError
    from leaf_edge.calibration.finetune import features_of
    from leaf_edge.calibration.select import calibrate_student, check_on
    from leaf_edge.calibration.whole import StoreLabels
    from leaf_edge.cli.calibrate_table import print_report
    from leaf_edge.student.network import load_checkpoint, save_checkpoint

    options = _options(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        student = load_checkpoint(args.model)
        rated, check, what = _rated(args)
        labels = StoreLabels(args.store) if args.store else None
        try:
            args.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"--output {args.output}: {error.strerror}") from None
        with _Bar() as bar:
            result = calibrate_student(student, rated, args.output, options, labels, bar.told)
            report = result.to_json(options) | {"model": str(args.model), **what}
            if check:
                paths = [s.path for s in check]
                features = features_of(
                    result.student,
                    paths,
                    args.output / "features",
                    lambda done: bar.told("check", done, len(paths)),
                )
                agreement, rows = check_on(result, features, check)
                report["check"] = {"agreement": agreement, "coverage": [row.to_json() for row in rows]}
    except CalibrationError as error:
        print(f"refused: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except (ValueError, RuntimeError) as error:
        print(f"leaf-edge: {str(error).splitlines()[0]}", file=sys.stderr)
        return ExitCode.INPUT
    report["pictures"] = [str(s.path) for s in rated]
    save_checkpoint(
        args.output / "student.pt",
        result.student,
        calibrated={"strategy": result.strategy, "labels": result.labels, "from": str(args.model)},
    )
    _write_json(args.output / "calibration.json", report)
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(args.output, report)
    return ExitCode.OK


def _options(args: argparse.Namespace) -> CalibrateOptions:
    from leaf_edge.calibration.select import CalibrateOptions
    from leaf_edge.calibration.whole import WholeSettings

    strategies: tuple[str, ...] = (args.strategy,)
    if args.strategy == "auto":
        strategies = ("map", "head", "whole") if args.whole else ("map", "head")
    if "whole" not in strategies and (args.store or args.steps):
        raise UsageError("--store and --steps are for the whole fine-tune: give --whole too")
    if (args.labels is not None and args.labels < 1) or args.check < 0:
        raise UsageError("--labels and --check are counts")
    try:
        whole = WholeSettings(seed=args.seed)
        if args.steps is not None:
            whole = replace(whole, steps=args.steps)
        return CalibrateOptions(
            strategies, folds=args.folds, coverage=args.coverage, whole=whole, seed=args.seed
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _rated(args: argparse.Namespace) -> tuple[list[RatedPicture], list[RatedPicture], dict[str, Any]]:
    """Ratings to calibrate on, pictures to check on, and what to note of both."""
    import numpy as np

    from leaf_edge.datasets.rated import open_rated

    found = open_rated(args.data, args.set)
    sides = {s.split for s in found.samples}
    split = args.split or ("train" if "train" in sides else "all")
    rated = found.of_split(split)
    if args.labels is not None:
        if args.labels > len(rated):
            raise ValueError(
                f"--labels {args.labels}: {args.data} has {len(rated)} ratings on side {split!r}"
            )
        chosen = np.random.default_rng(args.seed).permutation(len(rated))[: args.labels]
        rated = [rated[i] for i in sorted(chosen.tolist())]
    check: Sequence[Any] = []
    if args.check:
        other = next((side for side in ("val", "test") if side in sides and side != split), None)
        if other is None or split == "all":
            raise ValueError(f"--check: {args.data} has no other side than the ratings' own ({split!r})")
        check = found.of_split(other)
        chosen = np.random.default_rng(args.seed).permutation(len(check))[: args.check]
        check = [check[i] for i in sorted(chosen.tolist())]
    return list(rated), list(check), {"data": found.name, "split": split, "licence": found.licence}


class _Bar:
    """A progress bar for each stage, on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def told(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)


def _write_json(path: Path, report: dict[str, Any]) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(report, indent=1) + "\n")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
