"""The bench's figures for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leaf_edge.bench.stages import METRICS, STAGES, StageReport
from leaf_edge.bench.statistics import Summary

COLUMNS = ("mean", "p50", "p90", "p99", "max")


def print_report(
    console: Console, settings: dict[str, Any], facts: dict[str, Any], report: StageReport
) -> None:
    """Settings and machine, the table of stages, and what each word means."""
    print_facts(console, {**settings, **facts})
    table = Table(title=f"milliseconds a frame, {report.frames} frames after {report.warmup} of warm-up")
    table.add_column("stage")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for name in STAGES:
        if name == "total":
            table.add_section()
        table.add_row(name, *cells(report.stages[name]))
    console.print(table)
    console.print(
        f"{report.frames_per_second:.1f} frames a second, one at a time; "
        f"peak memory {report.peak_memory_mib:.0f} MiB",
        highlight=False,
    )
    console.print()
    console.print(_two_columns(STAGES | METRICS), style="dim")


def print_facts(console: Console, facts: dict[str, Any]) -> None:
    """One line for each name and its value."""
    console.print(_two_columns(facts), highlight=False)


def _two_columns(pairs: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in pairs.items():
        table.add_row(f"  {name}", escape(str(value)))
    return table


def cells(summary: Summary) -> list[str]:
    """One for each of `COLUMNS`."""
    return [f"{getattr(summary, column):.3f}" for column in COLUMNS]
