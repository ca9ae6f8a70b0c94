"""`leaf-edge distill`: a student from a teacher's labels, points and pairs jointly.

The recipe is a YAML file: label stores, terms and their weights, schedule. Every key has a default but the
stores; `leaf-edge distill --defaults` prints them all. Under torchrun several processes share each batch.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog
from leaf_edge.extras import require

_EXAMPLES = """\
  leaf-edge distill --defaults > distill.yaml           every key with its default
  leaf-edge distill distill.yaml --output runs/student
  leaf-edge distill distill.yaml --output runs/student --set schedule.epochs=8 --set terms.pair=0.5
  torchrun --nproc-per-node 2 -m leaf_edge.cli.main distill distill.yaml --output runs/student

The same command on a run that was stopped goes on with it."""


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge distill`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "distill",
        help="a student from a teacher's labels",
        description=__doc__,
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", type=Path, nargs="?", help="YAML file")
    parser.add_argument("--output", type=Path, help="folder of the run")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another value for a key of the recipe, by its path; may be repeated",
    )
    parser.add_argument("--defaults", action="store_true", help="print the recipe's defaults and stop")
    parser.add_argument("--threads", type=int, help="of torch (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    """Distils, and prints the agreement with held-out labels."""
    torch = require("torch", "train")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from leaf_edge.recipes import dump_recipe, load_recipe
    from leaf_edge.student.group import Group
    from leaf_edge.student.joint_recipe import DistillRecipe
    from leaf_edge.student.joint_run import run_distillation
    from leaf_edge.student.run import Progress as Step

    if args.defaults:
        print(dump_recipe(DistillRecipe()), end="")
        return ExitCode.OK
    if args.recipe is None or args.output is None:
        raise UsageError(
            "expected a recipe and --output FOLDER (leaf-edge distill --defaults prints a recipe)"
        )
    recipe = load_recipe(args.recipe, DistillRecipe, args.set)
    if args.threads is not None:
        if args.threads < 1:
            raise UsageError(f"--threads is {args.threads}; expected 1 or more")
        torch.set_num_threads(args.threads)
    group = Group.from_environment()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    quiet = not (console.is_terminal and group.first)
    with Progress(*columns, console=console, disable=quiet) as bar:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of, note="")
            bar.update(tasks[what], completed=done)

        def on_step(step: Step) -> None:
            told("distillation", step.step, step.steps)
            srcc = f"{step.validation.srcc:.4f}" if step.validation else "-"
            note = f"epoch {step.epoch}  loss {step.loss:.3f}  SRCC with held-out labels {srcc}"
            bar.update(tasks["distillation"], note=note)

        best = run_distillation(recipe, args.output, on_step=on_step, told=told)
    checkpoint = args.output / "best.pt"
    if group.first:
        if args.json:
            json.dump({"checkpoint": str(checkpoint), "held_out": best._asdict()}, sys.stdout)
            print()
        else:
            print(
                f"{checkpoint}: with held-out teacher labels SRCC {best.srcc:.4f}, "
                f"PLCC {best.plcc:.4f}, N {best.pictures}"
            )
    group.close()
    return ExitCode.OK
