"""What `leaf-edge score` shows on a terminal: progress, scores of images, the summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from leaf_edge.runtime.series import Series, fault_words, main_fault, summarise

MAX_LISTED = 40
"""Most images whose scores are listed one by one; more of them want --output."""

_MIN_NAME = 12
_GAP = 2
"""Spaces between two columns."""


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} frames/s")


@contextmanager
def progress() -> Iterator[Callable[[str, int | None], None]]:
    """A bar on standard error, only on a terminal: call with the source's name for each frame.

    The second argument is how many frames the source will give, None where unknown.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Speed())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("scoring", total=None)
        current = ""

        def advance(name: str, total: int | None) -> None:
            nonlocal current
            if name != current:
                current = name
                bar.reset(task, description=_short(name, 32), total=total)
            bar.advance(task)

        yield advance


def print_scores(console: Console, series: Sequence[Series]) -> None:
    """Scores of the images one by one, where they are few."""
    stills = [item for item in series if item.stills]
    if not 0 < sum(map(len, stills)) <= MAX_LISTED:
        return
    rows = [
        (_below(name, item.name), f"{mos:.2f}", f"{low:.2f} to {high:.2f}", _faults(faults))
        for item in stills
        for name, mos, low, high, faults in zip(
            item.names, item.mos, *item.interval, item.faults, strict=True
        )
    ]
    headings = ("image", "MOS", "interval", "faults")
    _print_table(console, headings, rows, right=headings[1:3])


def print_summary(console: Console, series: Sequence[Series]) -> None:
    """A row for each source, and a total where there are several; nothing for one frame."""
    if sum(map(len, series)) == 1 and series[0].stills:
        return
    rows = [(item.name, *_cells(summarise([item]))) for item in series]
    total = ("total", *_cells(summarise(series))) if len(series) > 1 else None
    headings = ("source", "frames", "MOS", "min", "p10", "max", "main fault", "fps")
    right = [heading for heading in headings[1:] if heading != "main fault"]
    _print_table(console, headings, rows, right=right, total=total)


def _print_table(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str],
    total: Sequence[str] | None = None,
) -> None:
    """Print a table whose first column, names, gets what room the others leave; no figure is cut."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=True)
    cells = [headings, *rows, *([total] if total else [])]
    others = sum(_GAP + max(len(row[column]) for row in cells) for column in range(1, len(headings)))
    names = max(_MIN_NAME, console.width - others)
    for name, *figures in rows:
        table.add_row(Text(_short(name, names)), *figures)
    if total is not None:
        table.add_section()
        table.add_row(*total, style="bold")
    if names + others > console.width:
        table.width = names + others  # too narrow for the figures alone: lines run on, as the terminal likes
    console.print(table, "", crop=False)


def _below(name: str, folder: str) -> str:
    """A file's name without the folder that the user named."""
    path = PurePath(name)
    return str(path.relative_to(folder)) if path != PurePath(folder) and path.is_relative_to(folder) else name


def _cells(figures: dict[str, Any]) -> list[str]:
    speed = figures["frames_per_second"]
    return [
        str(figures["frames"]),
        *(f"{figures[name]:.2f}" for name in ("mos_mean", "mos_min", "mos_p10", "mos_max")),
        main_fault(figures),
        "" if speed is None else f"{speed:.0f}" if speed >= 100 else f"{speed:.1f}",
    ]


def _faults(severities: Any) -> str:
    """The strongest two faults that are worth a word."""
    from leaf_edge.contract import FAULTS

    ranked = sorted(zip(severities.tolist(), FAULTS, strict=True), reverse=True)[:2]
    named = [f"{fault_words(name)} {severity:.2f}" for severity, name in ranked if severity >= 0.1]
    return ", ".join(named) or "none"


def _short(name: str, width: int) -> str:
    """`name` in at most `width` printable characters; the end of a path tells more than its middle."""
    name = printable(name)
    if len(name) <= width:
        return name
    last = PurePath(name).name
    if len(last) <= width:
        return f".../{last}" if len(last) + 4 <= width else last
    return "..." + name[3 - width :]


def printable(text: str) -> str:
    """`text` with what a terminal cannot show, or should not obey, as escapes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
