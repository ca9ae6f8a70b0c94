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

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog
from leaf_edge.extras import require

if TYPE_CHECKING:
    from leaf_edge.pipeline.bundle import ExportRefusedError
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
    if args.threads is not None and args.threads < 1:
        raise UsageError(f"--threads is {args.threads}; expected 1 or more")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from leaf_edge.calibration import CalibrationError
    from leaf_edge.export import ExportError
    from leaf_edge.export.engine_options import DeviceError
    from leaf_edge.pipeline.bundle import ExportRefusedError
    from leaf_edge.pipeline.recipe import PipelineRecipe
    from leaf_edge.pipeline.run import run_pipeline
    from leaf_edge.recipes import load_recipe

    recipe = load_recipe(args.recipe, PipelineRecipe, args.set)
    if args.threads:
        torch.set_num_threads(args.threads)
    bundle = args.output / f"{recipe.name}.leaf"
    left_out = False
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    try:
        with Progress(
            *columns,
            console=console,
            disable=not console.is_terminal,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # else what is piped on would go to the terminal
        ) as bar:
            tasks: dict[str, Any] = {}

            def told(what: str, done: int, of: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=of)
                bar.update(tasks[what], completed=done, total=of)

            for done in run_pipeline(recipe, args.output, told):
                _print(done, args.json)
                left_out = left_out or _left_out(done)
                for task in tasks.values():
                    bar.remove_task(task)
                tasks.clear()
                if done.name == args.until:
                    break
    except ExportRefusedError as error:
        _print_refusal(error)
        _warn_of_old(bundle)
        return ExitCode.REFUSED
    except (CalibrationError, ExportError) as error:
        code = getattr(error, "code", None)
        print(f"refused: {f'{code}: ' if code else ''}{error}", file=sys.stderr)
        _warn_of_old(bundle)
        return ExitCode.REFUSED
    except DeviceError as error:
        print(f"leaf-edge: export.accept_on is tensorrt: {error}", file=sys.stderr)
        return ExitCode.DEVICE
    return ExitCode.SKIPPED if left_out else ExitCode.OK


def _print_refusal(error: ExportRefusedError) -> None:
    from leaf_edge.cli.export_table import report_text
    from leaf_edge.pipeline.bundle import REFUSAL

    print(report_text(error.report))
    for code, failure in zip(error.report.codes, error.report.failures, strict=True):
        print(f"refused: {code}: {failure}", file=sys.stderr)
    report, picture = (error.folder / name for name in REFUSAL)
    print(f"worst frames in {picture}, all figures in {report}", file=sys.stderr)


def _warn_of_old(bundle: Path) -> None:
    if bundle.exists():
        print(f"{bundle} is of an earlier run, with other inputs", file=sys.stderr)


def _left_out(done: Done) -> bool:
    """Says which frames have no label, or only some."""
    if done.name != "label" or not (done.result["skipped"] or done.result["failed"]):
        return False
    for reason in done.result["reasons"]:
        print(f"left out: {reason}", file=sys.stderr)
    more = done.result["skipped"] + done.result["failed"] - len(done.result["reasons"])
    if more > 0:
        print(f"left out: {more} more", file=sys.stderr)
    return True


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
        skipped = f", {r['skipped']} files not read" if r["skipped"] else ""
        return f"{r['pictures']} pictures, {r['points']} point and {r['pairs']} pair labels{failed}{skipped}"
    if done.name == "distill":
        return f"SRCC {r['held_out_srcc']:.3f} with {r['held_out_pictures']} held-out labels of the teacher"
    if done.name == "calibrate":
        of = "ratings" if r["human"] else "judgments of the teacher (no ratings given)"
        return f"{r['strategy']}, on {r['labels']} {of}"
    if done.name == "evaluate":
        a = r["agreement"]
        of = "human MOS" if r["human"] else "the teacher"
        faults = f"; falls with faults in {_mean(r['falling']):.0%} of steps" if "falling" in r else ""
        seen = f" ({r['among_frames']} rated pictures are among the frames)" if r["among_frames"] else ""
        figures = f"SRCC {a['srcc']:.3f}, RMSE {a['rmse']:.2f}"
        return f"{figures} with {of} on {a['pictures']} pictures{seen}{faults}"
    engines = ", ".join(f"{encoding} on {engine}" for encoding, engine in r.get("engines", {}).items())
    return f"{r['bundle']}{f'; accepted: {engines}' if engines else ''}"


def _mean(shares: dict[str, float]) -> float:
    return sum(shares.values()) / len(shares)
