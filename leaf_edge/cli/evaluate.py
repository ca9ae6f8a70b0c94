"""`leaf-edge evaluate`: agreement with people, response to known faults, label-budget curves.

With --data: agreement with the ratings of an image set, as a whole and per subset, with intervals. With
--clean: on clean pictures with synthetic faults, how often MOS falls as the fault grows and the fault is
named rightly; common degradations against the clean picture; and the same picture in several formats.
With --budget (and no model): the runs of a label-budget experiment as a table and a plot.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.evaluate_table import print_budget, print_report
from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog
from leaf_edge.datasets.rated import READERS

if TYPE_CHECKING:
    from leaf_edge.evaluation.model import Model

_EXAMPLES = """\
  leaf-edge evaluate leaf-m --data biq2021/
  leaf-edge evaluate leaf-m --data koniq10k/ --split test --csv predictions.csv
  leaf-edge evaluate leaf-s --data kadid10k/ --bootstrap 0
  leaf-edge evaluate leaf-s --clean kodak/ --gate
  leaf-edge evaluate runs/leaf-m/best.pt leaf-m --data biq2021/ --clean kodak/ --json
  leaf-edge evaluate --budget runs.jsonl --plot budget.png --against joint"""

FALLING_LEAST, PAIRS_LEAST, NAMED_LEAST, FORMAT_MOST = 0.95, 0.95, 0.80, 0.05
"""What --gate asks: shares of falling steps (each fault), of pairs in order, of degraded pictures
named rightly (all together), and the mean change in MOS between formats."""
_MOST_RESAMPLES = 100_000


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
        "models", nargs="*", metavar="MODEL", help="leaf-s, leaf-m, a bundle, or a checkpoint (NAME.pt)"
    )
    parser.add_argument("--data", type=Path, help="folder of a rated image set, or a CSV (file,mos,...)")
    parser.add_argument(
        "--set", choices=("auto", *READERS), default="auto", help="which set it is (default: by its files)"
    )
    parser.add_argument(
        "--split",
        help="train, val, test, or all (default: val for BIQ2021 as listed by the project; else the official "
        "test side, or val; all where there is none)",
    )
    parser.add_argument(
        "--bootstrap", type=int, metavar="N", help="resamples for the 95 %% intervals; 0 for none (1000)"
    )
    parser.add_argument(
        "--fit", type=int, choices=(4, 5), help="parameters of the logistic map before PLCC and RMSE (4)"
    )
    parser.add_argument("--seed", type=int, help="of the resamples (0)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the prediction for each picture")
    parser.add_argument("--clean", type=Path, help="folder of clean pictures")
    parser.add_argument("--gate", action="store_true", help="exit with 7 where a response is below its bound")
    parser.add_argument(
        "--budget", type=Path, metavar="ROWS", help="runs as JSON Lines: method,budget,seed,srcc,..."
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="with --budget: picture (.png, .svg, .pdf)")
    parser.add_argument(
        "--against", metavar="METHOD", help="with --budget: differences from it, paired by seed"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON: a list with an object for each model"
    )
    return parser


_NEEDS_DATA = ("split", "bootstrap", "fit", "seed", "csv")


def run(args: argparse.Namespace) -> int:
    """Evaluates, prints, and with --gate decides."""
    _check(args)
    if args.budget is not None:
        return _budget(args)
    from leaf_edge.evaluation.model import open_model

    models = [open_model(model) for model in args.models]
    reports: list[dict[str, Any]] = [{"model": model.name} for model in models]
    missed = False
    if args.data is not None:
        for report, found in zip(reports, _agreement(models, args), strict=True):
            report.update(found)
    if args.clean is not None:
        for report, response in zip(reports, _response(models, args.clean), strict=True):
            report["response"] = response
            response["missed"] = _missed(response)
            missed = missed or bool(response["missed"])
    if args.json:
        print(json.dumps(reports, indent=1))
    else:
        for report in reports:
            print_report(report)
    return ExitCode.REFUSED if args.gate and missed else ExitCode.OK


def _check(args: argparse.Namespace) -> None:
    """Raise UsageError for options that do not go together."""
    if args.budget is not None:
        given = [name for name in ("data", "clean", *_NEEDS_DATA) if getattr(args, name) is not None]
        if args.models or args.gate or given:
            other = "a model" if args.models else f"--{given[0]}" if given else "--gate"
            raise UsageError(f"--budget reads runs that are done; it does not go with {other}")
        return
    for name in ("plot", "against"):
        if getattr(args, name) is not None:
            raise UsageError(f"--{name} belongs to --budget ROWS")
    if not args.models:
        raise UsageError("no model to evaluate: name one or more, or give --budget ROWS")
    if args.data is None and args.clean is None:
        raise UsageError("nothing to evaluate on: give --data, --clean or both")
    if args.gate and args.clean is None:
        raise UsageError("--gate judges the response to faults: give --clean too")
    if args.data is None:
        given = [name for name in _NEEDS_DATA if getattr(args, name) is not None]
        if given:
            raise UsageError(f"--{given[0]} belongs to --data")
    if args.bootstrap is not None and not 0 <= args.bootstrap <= _MOST_RESAMPLES:
        raise UsageError(f"--bootstrap is {args.bootstrap}; expected 0 to {_MOST_RESAMPLES}")
    if args.seed is not None and args.seed < 0:
        raise UsageError(f"--seed is {args.seed}; expected 0 or more")


def _budget(args: argparse.Namespace) -> int:
    from leaf_edge.evaluation import budget_report

    if args.plot is not None:
        from leaf_edge.plot.budget import write_budget_plot
        from leaf_edge.plot.plot import SUFFIXES

        if args.plot.suffix.lower() not in SUFFIXES:
            raise UsageError(f"--plot {args.plot}: expected a name that ends in {', '.join(SUFFIXES)}")
    runs = budget_report.read_runs(args.budget)
    curves = budget_report.curves(runs)
    compared = [] if args.against is None else budget_report.differences(runs, args.against)
    if args.plot is not None:
        try:
            write_budget_plot(args.plot, curves)
        except OSError as error:
            raise OutputError(f"{args.plot}: {error.strerror or error}") from None
    if args.json:
        print(json.dumps(budget_report.as_json(curves, compared), indent=1))
    else:
        print_budget(curves, compared)
    return ExitCode.OK


def _agreement(models: Sequence[Model], args: argparse.Namespace) -> list[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import Progress

    from leaf_edge.datasets.rated import open_rated
    from leaf_edge.evaluation import rated_report

    rated = open_rated(args.data, args.set)
    split = args.split or rated.default_split
    samples = rated.of_split(split)
    given = {"parameters": args.fit, "resamples": args.bootstrap, "seed": args.seed}
    settings = rated_report.Settings(**{name: value for name, value in given.items() if value is not None})
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("rated pictures", total=len(samples))
        qualities = rated_report.predict(
            models, samples, on_picture=lambda done: bar.update(task, completed=done)
        )
        bar.update(task, description="intervals", total=None)
        found = [rated_report.compare(quality, samples, settings) for quality in qualities]
    if args.csv is not None:
        try:
            rated_report.write_predictions(args.csv, [m.name for m in models], qualities, samples)
        except OSError as error:
            raise OutputError(f"{args.csv}: {error.strerror or error}") from None
    data = {
        **{"set": rated.name, "split": split, "pictures": len(samples)},
        **{"groups": len({s.group for s in samples}), "licence": rated.licence, "note": rated.note},
    }
    return [
        {
            "data": data,
            "coverage": quality.coverage,
            "mos": {name: rated_report.as_json(row) for name, row in rows.items()},
        }
        for quality, rows in zip(qualities, found, strict=True)
    ]


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
