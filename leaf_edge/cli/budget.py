"""`leaf-edge budget`: what a teacher's labels and n ratings are worth, on data that has human MOS.

Distils a student from a simulated teacher in several ways, fine-tunes it with growing shares of the
ratings, with several seeds, and measures each on the validation side. The backbone stays frozen, so that a
student takes seconds. The table and the plot come from `leaf-edge evaluate --budget ROWS`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog
from leaf_edge.extras import require

_EXAMPLES = """\
  leaf-edge budget budget.yaml --output runs/budget
  leaf-edge evaluate --budget runs/budget/rows.jsonl --plot budget.png

  budget.yaml:
    data: biq2021/
    start: {imagenet: mobilenetv2.safetensors}
    teacher: {srcc: 0.8}

The same command on a folder that was stopped goes on with it."""


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge budget`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "budget",
        help="label-budget experiments",
        description=__doc__,
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", type=Path, help="YAML file")
    parser.add_argument(
        "--output", type=Path, required=True, help="folder of features, students and rows.jsonl"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key")
    parser.add_argument("--threads", type=int, help="of torch (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print each row as JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs what is missing of the experiment; prints a line for each student."""
    torch = require("torch", "train")
    from rich.console import Console
    from rich.progress import Progress

    from leaf_edge.experiments.budget import Experiment, Row
    from leaf_edge.experiments.budget_recipe import BudgetRecipe
    from leaf_edge.recipes import load_recipe

    recipe = load_recipe(args.recipe, BudgetRecipe, args.set)
    if args.threads is not None:
        if args.threads < 1:
            raise UsageError(f"--threads is {args.threads}; expected 1 or more")
        torch.set_num_threads(args.threads)

    def say(row: Row) -> None:
        words = f"{row['method']:<24} {row['budget']:>6.1%} seed {row['seed']}: SRCC {row['srcc']:.4f}"
        print(json.dumps(row) if args.json else words, flush=True)

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(tasks[what], completed=done)

        experiment = Experiment(recipe, args.output, say, told)
    experiment.run()
    return ExitCode.OK
