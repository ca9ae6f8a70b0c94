"""What `leaf-edge evaluate` prints for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaf_edge.evaluation.budget_report import Curves, Difference


def print_report(report: Mapping[str, Any]) -> None:
    """One model: agreement with MOS, response to faults, whichever there is."""
    if "mos" in report:
        _print_mos(report)
    if "response" in report:
        _print_response(report)


def _print_mos(report: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    rows: Mapping[str, Mapping[str, Any]] = report["mos"]
    table = Table("subset", "SRCC", "PLCC", "KRCC", "RMSE", "pictures", title=f"{report['model']}: MOS")
    for name, row in rows.items():
        numbers = (_number(row[key]) for key in ("srcc", "plcc", "krcc", "rmse"))
        table.add_row(name, *numbers, str(row["pictures"]))
    console.print(table)
    covered = any("coverage" in row for row in rows.values())
    title, columns = "After the fit", ["subset", "PLCC", "RMSE", "outliers", "fit"]
    if covered:
        title += f" (inside: MOS in the {report['coverage']:.0%} interval)"
        columns += ["inside", "width"]
    table = Table(*columns, title=title)
    for name, row in rows.items():
        cells = [*(_number(row[key]) for key in ("plcc_fitted", "rmse_fitted", "outlier_ratio")), row["fit"]]
        if covered:
            cells += [_number(row["coverage"], 3), _number(row["interval_width"], 2)]
        table.add_row(name, *cells)
    console.print(table)
    if any(row["intervals"] for row in rows.values()):
        names = {"srcc": "SRCC", "plcc": "PLCC", "plcc_fitted": "PLCC fit", "krcc": "KRCC", "rmse": "RMSE"}
        table = Table("subset", title="95 % intervals: lower and upper end")
        for words in names.values():
            table.add_column(words, no_wrap=True)
        for name, row in rows.items():
            table.add_row(name, *(_ends(row["intervals"].get(key)) for key in names))
        console.print(table)
    data = report["data"]
    console.print(
        f"{data['set']}, split {data['split']}: {data['pictures']} pictures, {data['groups']} scenes"
    )
    if data["note"]:
        console.print(f"note: {data['note']}")
    for note in dict.fromkeys(note for row in rows.values() for note in row["notes"]):
        where = [name for name, row in rows.items() if note in row["notes"]]
        console.print(f"note ({'every row' if len(where) == len(rows) else ', '.join(where)}): {note}")


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _ends(ends: Sequence[float | None] | None) -> str:
    return "-" if ends is None else f"{_number(ends[0], 3)} {_number(ends[1], 3)}"


def _print_response(report: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
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


def print_budget(curves: Curves, compared: Sequence[Difference]) -> None:
    """Label-budget curves: a row a method and budget; then the paired differences, if asked for."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    seeds = {point.seeds for point in curves.points}
    title = "Mean over seeds" if len(seeds) > 1 else f"Mean over {seeds.copy().pop()} seeds"
    table = Table("method", "budget", title=title)
    columns = ("labels", "SRCC", "95 % interval", "of its full", "PLCC")
    for words in columns if len(seeds) == 1 else ("seeds", *columns):
        table.add_column(words, no_wrap=True)
    before = None
    for point in curves.points:
        if before not in (None, point.method):
            table.add_section()
        cells = [
            "-" if point.labels is None else str(point.labels),
            _number(point.srcc.value),
            _interval(point.srcc.low, point.srcc.high),
            "-" if point.of_full is None else f"{point.of_full:.1%}",
            "-" if point.plcc is None else _number(point.plcc.value),
        ]
        if len(seeds) > 1:
            cells.insert(0, str(point.seeds))
        name = point.method if point.method != before else ""
        table.add_row(name, curves.budget_words(point.budget), *cells)
        before = point.method
    console.print(table)
    if compared:
        title = f"SRCC less that of {compared[0].against}, paired by seed"
        table = Table("method", "budget", "seeds", "difference", "95 % interval", title=title)
        for item in compared:
            budget = curves.budget_words(item.budget)
            ends = _interval(item.srcc.low, item.srcc.high, signed=True)
            table.add_row(item.method, budget, str(item.seeds), f"{item.srcc.value:+.4f}", ends)
        console.print(table)
    for note in curves.notes:
        console.print(f"note: {note}")


def _interval(low: float, high: float, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{low:{sign}.3f} {high:{sign}.3f}" if math.isfinite(low) else "-"
