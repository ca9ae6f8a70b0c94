"""`leaf-edge evaluate`: agreement with people, and response to known faults.

With --data: correlation with MOS on the validation side of BIQ2021, per subset. With --clean: on
clean pictures with synthetic faults, how often MOS falls as the fault grows and the fault is named
rightly; common degradations against the clean picture; and the same picture in several formats.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, UsageError, epilog

if TYPE_CHECKING:
    from leaf_edge.evaluation.model import Model

_EXAMPLES = """\
  leaf-edge evaluate leaf-m --data biq2021/
  leaf-edge evaluate leaf-s --clean kodak/ --gate
  leaf-edge evaluate runs/leaf-m/best.pt leaf-m --data biq2021/ --clean kodak/ --json"""

FALLING_LEAST, PAIRS_LEAST, NAMED_LEAST, FORMAT_MOST = 0.95, 0.95, 0.80, 0.05
"""What --gate asks: shares of falling steps (each fault), of pairs in order, of degraded pictures
named rightly (all together), and the mean change in MOS between formats."""


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge evaluate`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "evaluate",
        help="agreement with MOS, response to known faults",
        description=__doc__,
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="leaf-s, leaf-m, a bundle, or a checkpoint (NAME.pt)"
    )
    parser.add_argument("--data", type=Path, help="folder with mos.csv and images/ (BIQ2021)")
    parser.add_argument("--clean", type=Path, help="folder of clean pictures")
    parser.add_argument("--gate", action="store_true", help="exit with 7 where a response is below its bound")
    parser.add_argument("--json", action="store_true", help="print a JSON list, an object for each model")
    return parser


def run(args: argparse.Namespace) -> int:
    """Evaluates, prints, and with --gate decides."""
    from leaf_edge.evaluation.model import open_model

    if args.data is None and args.clean is None:
        raise UsageError("nothing to evaluate on: give --data, --clean or both")
    if args.gate and args.clean is None:
        raise UsageError("--gate judges the response to faults: give --clean too")
    models = [open_model(model) for model in args.models]
    reports: list[dict[str, Any]] = [{"model": model.name} for model in models]
    missed = False
    if args.data is not None:
        for report, rows in zip(reports, _agreement(models, args.data), strict=True):
            report["mos"] = rows
    if args.clean is not None:
        for report, response in zip(reports, _response(models, args.clean), strict=True):
            report["response"] = response
            response["missed"] = _missed(response)
            missed = missed or bool(response["missed"])
    if args.json:
        print(json.dumps(reports, indent=1))
    else:
        for report in reports:
            _print(report)
    return ExitCode.REFUSED if args.gate and missed else ExitCode.OK


def _agreement(models: Sequence[Model], folder: Path) -> list[dict[str, Any]]:
    import numpy as np

    from leaf_edge.datasets import biq2021
    from leaf_edge.evaluation.metrics import agreement
    from leaf_edge.frames import read_image
    from leaf_edge.views import make_views

    samples = [s for s in biq2021.load(folder) if s.split == "val"]
    mos = np.array([s.mos for s in samples])
    subset = np.array([s.subset for s in samples])
    views = np.stack([make_views(read_image(s.path)) for s in samples])
    reports = []
    for model in models:
        predicted = model(views).mos
        rows = {"all": agreement(predicted, mos)._asdict()}
        for name in sorted(set(subset)):
            rows[name] = agreement(predicted[subset == name], mos[subset == name])._asdict()
        reports.append(rows)
    return reports


def _response(models: Sequence[Model], folder: Path) -> list[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import Progress

    from leaf_edge.evaluation import response
    from leaf_edge.frames import FolderSource, SourceOptions, open_source
    from leaf_edge.frames.rgb import to_rgb

    with open_source(folder, SourceOptions(on_error="fail")) as source:
        if not isinstance(source, FolderSource):
            raise UsageError(f"--clean takes a folder of pictures; {folder} is not one")
        pictures = [to_rgb(frame) for frame in source]
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("synthetic faults", total=len(pictures))
        results = response.fault_response(
            models, pictures, on_picture=lambda done: bar.update(task, completed=done)
        )
    return [
        {
            "pictures": len(pictures),
            "falling": result.falling,
            "named": result.named,
            "ordered": dict(zip(map(str, response.SEVERITIES[1:]), result.ordered, strict=True)),
            "degraded": {
                kind: {"pairs": pairs, "named": named}
                for kind, (pairs, named) in response.degraded_pairs(model, pictures).items()
            },
            "formats": response.format_difference(model, pictures),
        }
        for model, result in zip(models, results, strict=True)
    ]


def _missed(response: dict[str, Any]) -> list[str]:
    """Bounds that a response misses, as sentences."""
    missed = [
        f"MOS falls with {fault} in {share:.1%} of steps; expected {FALLING_LEAST:.0%}"
        for fault, share in response["falling"].items()
        if share < FALLING_LEAST
    ]
    degraded = response["degraded"].values()
    pairs = sum(d["pairs"] for d in degraded) / len(degraded)
    named = sum(d["named"] for d in degraded) / len(degraded)
    if pairs < PAIRS_LEAST:
        missed.append(
            f"{pairs:.1%} of degraded pictures score below the clean one; expected {PAIRS_LEAST:.0%}"
        )
    if named < NAMED_LEAST:
        missed.append(f"{named:.1%} of degraded pictures are named rightly; expected {NAMED_LEAST:.0%}")
    missed += [
        f"MOS changes by {change:.3f} as {name}; expected at most {FORMAT_MOST}"
        for name, change in response["formats"].items()
        if change > FORMAT_MOST
    ]
    return missed


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if "mos" in report:
        table = Table("subset", "SRCC", "PLCC", "KRCC", "RMSE", "pictures", title=f"{report['model']}: MOS")
        for name, row in report["mos"].items():
            numbers = (f"{row[key]:.4f}" for key in ("srcc", "plcc", "krcc", "rmse"))
            table.add_row(name, *numbers, str(row["pictures"]))
        console.print(table)
    if "response" in report:
        response = report["response"]
        title = f"{report['model']}: synthetic faults on {response['pictures']} clean pictures"
        table = Table("fault", "MOS falls with severity", "named rightly", title=title)
        for fault, share in response["falling"].items():
            table.add_row(fault, f"{share:.1%}", f"{response['named'][fault]:.1%}")
        console.print(table)
        ordered = ", ".join(f"{share:.1%} at {level}" for level, share in response["ordered"].items())
        console.print(f"below the clean picture, all faults: {ordered}")
        table = Table("degraded version", "scores below the clean one", "named rightly")
        for kind, row in response["degraded"].items():
            table.add_row(kind, f"{row['pairs']:.1%}", f"{row['named']:.1%}")
        console.print(table)
        table = Table("instead of RGB", "mean change in MOS")
        for name, change in response["formats"].items():
            table.add_row(name, f"{change:.3f}")
        console.print(table)
        for sentence in response["missed"]:
            console.print(f"missed: {sentence}")
