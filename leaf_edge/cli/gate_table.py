"""The summary of `leaf-edge gate` as tables for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from leaf_edge.runtime.gate_summary import GateSummary, StreamSummary, Stretch

if TYPE_CHECKING:
    from rich.console import Console

MAX_ROWS = 40
"""Rows of a table before the rest is only counted."""


def print_summary(console: Console, summary: GateSummary) -> None:
    """Stretches of each stream, images, and a line of totals."""
    stills = [stream for stream in summary.streams if stream.still]
    for stream in summary.streams:
        if not stream.still:
            _print_stream(console, stream)
    if stills:
        _print_stills(console, stills)
    line = f"{summary.frames} frames, {summary.accepted} accepted ({summary.accepted_percent:.1f} %)"
    if len(stills) < len(summary.streams):
        line += f", {summary.switches} switches"
    console.print(line)


def _print_stream(console: Console, stream: StreamSummary) -> None:
    table = Table(title=_printable(stream.source), title_justify="left")
    timed = all(s.start_s is not None and s.end_s is not None for s in stream.stretches)
    table.add_column("seconds" if timed else "frames", justify="right")
    table.add_column("verdict")
    table.add_column("frames", justify="right")
    table.add_column("MOS", justify="right")
    table.add_column("reason")
    for stretch in stream.stretches[:MAX_ROWS]:
        span = (
            f"{stretch.start_s:.2f} - {stretch.end_s:.2f}"
            if timed
            else f"{stretch.first_frame} - {stretch.last_frame}"
        )
        table.add_row(
            span,
            _verdict(stretch.accepted),
            str(stretch.frames),
            _mos(stretch.mos),
            escape(_why(stretch)),
        )
    console.print(table)
    if len(stream.stretches) > MAX_ROWS:
        console.print(f"and {len(stream.stretches) - MAX_ROWS} more stretches (--decisions has every frame)")
    if stream.best:
        frames = ", ".join(f"{best.frame} ({best.score:.2f})" for best in stream.best[:MAX_ROWS])
        more = f" and {len(stream.best) - MAX_ROWS} more" if len(stream.best) > MAX_ROWS else ""
        console.print(f"best frames (MOS): {frames}{more}")


def _print_stills(console: Console, stills: list[StreamSummary]) -> None:
    table = Table(title="images", title_justify="left")
    table.add_column("image", overflow="fold")
    table.add_column("verdict")
    table.add_column("MOS", justify="right")
    table.add_column("reason")
    for still in stills[:MAX_ROWS]:
        stretch = still.stretches[0]
        table.add_row(
            _printable(still.source),
            _verdict(stretch.accepted),
            _mos(stretch.mos),
            escape("" if stretch.accepted else stretch.reason),
        )
    console.print(table)
    if len(stills) > MAX_ROWS:
        console.print(f"and {len(stills) - MAX_ROWS} more images (--decisions has every one)")
    rejected = Counter(still.stretches[0].reason for still in stills if not still.accepted)
    if rejected:
        counts = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
        console.print(
            "rejected: " + ", ".join(f"{count} {name or 'without a reason'}" for name, count in counts)
        )


def _verdict(accepted: bool) -> str:
    return "[green]accept[/]" if accepted else "[red]reject[/]"


def _mos(mos: float | None) -> str:
    return "-" if mos is None else f"{mos:.2f}"


def _why(stretch: Stretch) -> str:
    if stretch.missing == stretch.frames:
        return "no score"
    if stretch.initial:
        return "nothing decided yet"
    return "" if stretch.accepted else stretch.reason


def _printable(name: str) -> str:
    """A file name for a terminal: its bytes need not be UTF-8."""
    return escape(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
