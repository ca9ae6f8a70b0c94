"""`leaf-edge pipeline`: from unlabelled frames and a few ratings to a bundle, in one command.

Stages: label, distill, calibrate, evaluate, export. Each is skipped when its inputs did not change; a run
that was stopped anywhere goes on when it is started again. docs/pipeline.md explains the recipe, a YAML file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, epilog
from leaf_edge.extras import require

if TYPE_CHECKING:
    from leaf_edge.pipeline.stage import Done

_EXAMPLES = """\
  leaf-edge pipeline camera.yaml --output runs/camera
  leaf-edge pipeline camera.yaml --output runs/camera --until distill
  leaf-edge pipeline camera.yaml --output runs/camera --set distill.schedule.epochs=8

  camera.yaml:
    name: my-camera
    frames: [frames/, drive.mp4]
    every: 25
    teacher: {kind: reference}
    distill: {size: leaf-s, start: {student: leaf-m.pt}}
    ratings: {data: rated/}"""


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge pipeline`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "pipeline",
        help="label, distill, calibrate, evaluate, export",
        description=__doc__,
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", type=Path, help="YAML file")
    parser.add_argument("--output", type=Path, required=True, help="folder of the stages and the bundle")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key")
    parser.add_argument(
        "--until",
        choices=("label", "distill", "calibrate", "evaluate", "export"),
        default="export",
        help="last stage to run (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, help="of torch (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print the stages as JSON Lines")
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the stages and prints a line for each."""
    torch = require("torch", "train")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from leaf_edge.calibration import CalibrationError
    from leaf_edge.export import ExportError, RefusedError
    from leaf_edge.pipeline.recipe import PipelineRecipe
    from leaf_edge.pipeline.run import run_pipeline
    from leaf_edge.recipes import load_recipe

    recipe = load_recipe(args.recipe, PipelineRecipe, args.set)
    if args.threads:
        torch.set_num_threads(args.threads)
    args.output.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
            tasks: dict[str, Any] = {}

            def told(what: str, done: int, of: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=of)
                bar.update(tasks[what], completed=done, total=of)

            for done in run_pipeline(recipe, args.output, told):
                _print(done, args.json)
                for task in tasks.values():
                    bar.remove_task(task)
                tasks.clear()
                if done.name == args.until:
                    break
    except RefusedError as error:
        print(error.report.parity.to_text())
        for failure in error.report.failures:
            print(f"refused: {failure}", file=sys.stderr)
        return ExitCode.REFUSED
    except (CalibrationError, ExportError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    return ExitCode.OK


def _print(done: Done, as_json: bool) -> None:
    if as_json:
        entry = {"stage": done.name, "skipped": done.skipped, "seconds": done.seconds}
        print(json.dumps(entry | {"folder": str(done.folder), "result": done.result}), flush=True)
        return
    state = "unchanged" if done.skipped else f"{done.seconds:.0f} s"
    print(f"{done.name:<10} {state:>10}   {_summary(done)}", flush=True)


def _summary(done: Done) -> str:
    r = done.result
    if done.name == "label":
        failed = f", {r['failed']} failed" if r["failed"] else ""
        return f"{r['pictures']} pictures, {r['points']} point and {r['pairs']} pair labels{failed}"
    if done.name == "distill":
        return f"SRCC {r['held_out_srcc']:.3f} with {r['held_out_pictures']} held-out labels of the teacher"
    if done.name == "calibrate":
        of = "ratings" if r["human"] else "judgments of the teacher (no ratings given)"
        return f"{r['strategy']}, on {r['labels']} {of}"
    if done.name == "evaluate":
        a = r["agreement"]
        of = "human MOS" if r["human"] else "the teacher"
        faults = f"; falls with faults in {_mean(r['falling']):.0%} of steps" if "falling" in r else ""
        return f"SRCC {a['srcc']:.3f}, RMSE {a['rmse']:.2f} with {of} on {a['pictures']} pictures{faults}"
    return str(r["bundle"])


def _mean(shares: dict[str, float]) -> float:
    return sum(shares.values()) / len(shares)
