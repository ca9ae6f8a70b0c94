"""`leaf-edge tune-teacher`: instruction tuning of a vision-language checkpoint with LoRA.

Questions are those that `leaf-edge label --teacher transformers` asks; answers come from rated pictures
(--data) or from a label store (--store). The result is a checkpoint that labels through the same path.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog
from leaf_edge.extras import require

if TYPE_CHECKING:
    from leaf_edge.teacher.tuning_config import TuneConfig
    from leaf_edge.teacher.tuning_data import Material

_EXAMPLES = """\
  leaf-edge tune-teacher models/InternVL3_5-8B-HF --data ratings.csv --output runs/tuned
  leaf-edge tune-teacher Qwen/Qwen2.5-VL-7B-Instruct --data koniq/ --gradient-checkpointing --output runs/qwen
  leaf-edge tune-teacher models/SmolVLM --store labels.sqlite --min-reliability 0.5 --output runs/smol
  leaf-edge label photos/ --store labels.sqlite --teacher transformers --option model=runs/tuned/merged

The same command on a run that was stopped goes on with it."""

_HELP = {
    "epochs": "passes over the questions",
    "lr": "peak learning rate",
    "warmup": "steps to the peak",
    "batch": "questions in a forward pass",
    "accumulate": "forward passes in a step",
    "rank": "of LoRA",
    "alpha": "of LoRA",
    "dropout": "of LoRA",
    "weight_decay": "AdamW's",
    "clip": "greatest norm of the gradient",
    "precision": "bf16 or fp32, of the base's weights",
    "wordings": "of each question, in turn",
    "max_pixels": "of a picture; larger ones are made smaller",
    "device_map": "auto (all GPUs, or the CPU) or a torch device",
    "save_every": "steps between states to go on from",
    "seed": "of everything random",
}


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge tune-teacher`; the defaults of the training are those of `TuneConfig`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "tune-teacher",
        help="tune a vision-language teacher",
        description=__doc__,
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder or hub id of a checkpoint")
    material = parser.add_mutually_exclusive_group(required=True)
    material.add_argument("--data", type=Path, help="rated pictures: a CSV (file,mos) or the folder of a set")
    material.add_argument("--store", type=Path, help="label store")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--set", default="auto", help="kind of the rated set (default: by its files)")
    parser.add_argument("--split", help="side of the rated set (default: train where there is one, else all)")
    parser.add_argument(
        "--pairs-per-picture", type=int, default=1, metavar="K", help="of rated pictures (default: 1)"
    )
    parser.add_argument(
        "--gap", type=float, default=0.5, help="least difference of MOS in a pair (default: 0.5)"
    )
    parser.add_argument("--root", type=Path, help="folder of the store's relative paths")
    parser.add_argument("--teacher", help="whose labels of the store (default: all)")
    parser.add_argument(
        "--min-reliability", type=float, default=0.3, help="of the store's labels, 0 to 1 (default: 0.3)"
    )
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    for name, text in _HELP.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, help=text)
    return parser


def run(args: argparse.Namespace) -> int:
    """Tunes, and says where the result is."""
    require("torch", "train")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from leaf_edge.teacher.tuning import tune
    from leaf_edge.teacher.tuning_config import TuneStep

    config, material = _config(args), _material(args)
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, epoch=1, loss=0.0)

        def on_step(step: TuneStep) -> None:
            bar.update(task, completed=step.step, total=step.steps, epoch=step.epoch, loss=step.loss)

        result = tune(args.model, material, args.output, config, on_step)
    first, last = result.losses[0], result.losses[-1]
    if args.json:
        report = {
            "adapter": str(result.adapter),
            "merged": str(result.merged),
            "questions": len(material.facts),
            "steps": len(result.losses),
            "first_loss": first,
            "last_loss": last,
            "skipped": list(material.problems),
        }
        json.dump(report, sys.stdout)
        print()
    else:
        print(f"{len(material.facts)} questions, {len(result.losses)} steps: loss {first:.3f} to {last:.3f}")
        print(f"label with it: --teacher transformers --option model={result.merged}")
    for line in material.problems:
        print(f"skipped: {line}", file=sys.stderr)
    return ExitCode.SKIPPED if material.problems else ExitCode.OK


def _config(args: argparse.Namespace) -> TuneConfig:
    from leaf_edge.teacher.tuning_config import TuneConfig

    given: dict[str, Any] = {"gradient_checkpointing": args.gradient_checkpointing}
    for field in fields(TuneConfig):
        if field.name in _HELP and hasattr(args, field.name):
            text, kind = getattr(args, field.name), type(field.default)
            try:
                given[field.name] = kind(text)  # type: ignore[misc]
            except ValueError:
                expected = "a whole number" if kind is int else "a number"
                option = field.name.replace("_", "-")
                raise UsageError(f"--{option} is {text!r}; expected {expected}") from None
    try:
        return TuneConfig(**given)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _material(args: argparse.Namespace) -> Material:
    from leaf_edge.datasets.rated import open_rated
    from leaf_edge.teacher.tuning_data import from_ratings, from_store

    if args.pairs_per_picture < 0 or args.gap <= 0:
        raise UsageError("expected --pairs-per-picture of 0 or more and --gap above 0")
    if not 0 <= args.min_reliability <= 1:
        raise UsageError(f"--min-reliability is {args.min_reliability}; expected 0 to 1")
    try:
        if args.store is not None:
            return from_store(args.store, args.root, args.teacher, args.min_reliability)
        rated = open_rated(args.data, args.set)
        split = args.split or ("train" if any(s.split == "train" for s in rated.samples) else "all")
        return from_ratings(rated.of_split(split), args.pairs_per_picture, args.gap)
    except OSError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from None
