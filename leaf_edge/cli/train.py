"""`leaf-edge train`: a student from photographs with MOS and synthetic camera faults."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog
from leaf_edge.extras import require

_EXAMPLES = """\
  leaf-edge train --data biq2021/ --imagenet mobilenetv2.safetensors --output runs/leaf-m
  leaf-edge train --size leaf-s --data biq2021/ --teacher runs/leaf-m/best.pt --unlabelled 4 \\
      --frozen-blocks 1 --lr 2.5e-4 --head-lr 5e-4 --warmup 60 --epochs 6 --output runs/leaf-s
  leaf-edge train --data biq2021/ --start runs/leaf-m/best.pt \\
      --teacher runs/leaf-m/best.pt runs/leaf-l/best.pt --unlabelled 16 --pool frames/ \\
      --output runs/more     # frames/: nobody rated them
  leaf-edge train --views fragments --epochs 6 --data biq2021/ --imagenet mobilenetv2.safetensors \\
      --output runs/fragments

The same command on a run that was stopped goes on with it."""

_HELP = {
    "size": "leaf-m or leaf-s",
    "views": "both, global or fragments (ablations)",
    "epochs": "passes over the rated photographs; 0: none, the mean of --start is measured and kept",
    "rated": "rated photographs in a batch",
    "chains": "synthetic chains of 4 pictures in a batch",
    "unlabelled": "pictures in a batch that only the teacher judges: windows, faults, blends",
    "emphasis": "faults, between commas, that get more chains than the rest; one may be named twice",
    "lr": "peak learning rate of the backbone",
    "head_lr": "peak learning rate of the heads",
    "weight_decay": "AdamW's",
    "warmup": "steps to the peak",
    "ema": "decay of the averaged weights",
    "frozen_blocks": "blocks that keep their initial weights, with the stem; 0 trains all",
    "patience": "epochs without a better validation SRCC before it stops",
    "seed": "of everything random",
}


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge train`; the defaults are those of `TrainConfig`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "train",
        help="train a student",
        description=__doc__,
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with mos.csv and images/ (BIQ2021)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--imagenet", type=Path, help="safetensors with MobileNetV2's weights to start from")
    parser.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        help="checkpoints of students as large or larger, to distil (their mean); without --imagenet the run "
        "starts from the first one's channels",
    )
    parser.add_argument(
        "--start",
        type=Path,
        nargs="+",
        default=[],
        help="checkpoint to begin from, of this size or larger (a larger one is cut); of several the mean of "
        "their weights",
    )
    parser.add_argument(
        "--pool",
        type=Path,
        nargs="+",
        default=[],
        help="folders of pictures without ratings, for --unlabelled (default: the rated ones again)",
    )
    parser.add_argument("--threads", type=int, help="of torch (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    for name, text in _HELP.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, help=text)
    return parser


def run(args: argparse.Namespace) -> int:
    """Trains, and prints the best validation agreement."""
    torch = require("torch", "train")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from leaf_edge.datasets import biq2021
    from leaf_edge.student.data import pictures_in
    from leaf_edge.student.network import CheckpointError
    from leaf_edge.student.run import Progress as Step
    from leaf_edge.student.train import TrainConfig, run_training

    if not (args.imagenet or args.teacher or args.start):
        raise UsageError("no initial weights: give --imagenet FILE, --start or --teacher CHECKPOINT")
    if args.imagenet and args.start:
        raise UsageError("--imagenet and --start both say where to begin: give one")
    given: dict[str, Any] = {}
    try:
        for field in fields(TrainConfig):
            if hasattr(args, field.name):
                given[field.name] = type(field.default)(getattr(args, field.name))  # type: ignore[misc]
        config = TrainConfig(**given)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if config.unlabelled and not args.teacher:
        raise UsageError("--unlabelled needs a --teacher to judge those pictures")
    if args.pool and not config.unlabelled:
        raise UsageError("--pool gives pictures that no batch takes: say how many with --unlabelled")
    if not config.epochs and not args.start:
        raise UsageError(
            "--epochs 0 keeps the mean of --start as it is, and there is no student to start from"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    samples = biq2021.load(args.data)
    try:
        pool = pictures_in(args.pool)
    except ValueError as error:
        print(f"leaf-edge: {error}", file=sys.stderr)
        return ExitCode.INPUT
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}  val SRCC {task.fields[srcc]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, epoch=1, loss=0.0, srcc="-")

        def on_step(step: Step) -> None:
            srcc = f"{step.validation.srcc:.4f}" if step.validation else "-"
            bar.update(
                task, completed=step.step, total=step.steps, epoch=step.epoch, loss=step.loss, srcc=srcc
            )

        try:
            best = run_training(
                config,
                samples,
                args.output,
                imagenet=args.imagenet,
                teachers=args.teacher,
                start=args.start,
                pool=pool,
                on_step=on_step,
            )
        except CheckpointError as error:
            print(f"leaf-edge: {error}", file=sys.stderr)
            return ExitCode.INPUT
    checkpoint = args.output / "best.pt"
    if args.json:
        json.dump({"checkpoint": str(checkpoint), "validation": best._asdict()}, sys.stdout)
        print()
    else:
        print(f"{checkpoint}: validation SRCC {best.srcc:.4f}, PLCC {best.plcc:.4f}, N {best.pictures}")
    return ExitCode.OK
