"""The report of `leaf-edge doctor` for people."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaf_edge.doctor import NEEDS, Check, Report, Status
from leaf_edge.doctor.check import CPU, GIVEN

_STYLE = {
    Status.OK: "green",
    Status.MISSING: "yellow",
    Status.WRONG: "bold red",
    Status.NOT_APPLICABLE: "dim",
}
_WORD = {**{status: status.value for status in Status}, Status.NOT_APPLICABLE: "n/a"}


_WORDS = {CPU: "scoring on the CPU", GIVEN: "the bundles that were given", **NEEDS}


def print_report(console: Console, report: Report) -> None:
    """One table in groups, and a last line that says what works."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("", min_width=_widest(report))
    table.add_column("status", min_width=len(Status.MISSING))
    table.add_column("found", overflow="fold")
    for number, (topic, checks) in enumerate(report.groups.items()):
        if number:
            table.add_row()
        table.add_row(Text(topic, style="bold"))
        for check in checks:
            table.add_row(*_cells(check, check.fails(report.wanted)))
    console.print(table)
    console.print()
    console.print(summary(report), style="green" if not report.failures else "bold red", highlight=False)


def _widest(report: Report) -> int:
    return max(len(check.name) + 2 for check in report.checks if len(check.name) < 24)


def _cells(check: Check, failing: bool) -> tuple[Text, Text, Text]:
    required = check.status is not Status.OK and failing
    style = "bold red" if required else _STYLE[check.status]
    found = Text(check.found, style="dim" if check.status is Status.NOT_APPLICABLE and not required else "")
    if check.mend:
        found.append(f"\n> {check.mend}", style="cyan")
    return Text(f"  {check.name}"), Text(_WORD[check.status], style=style), found


def summary(report: Report) -> str:
    """What works, or what does not and because of what, in one line."""
    wanted = sorted(report.wanted - {CPU})
    if not report.failures:
        return ", ".join(["scoring on the CPU works", *(f"{name} too" for name in wanted)])
    names = ", ".join(check.name.strip() for check in report.failures)
    lost = [name for name in (CPU, *wanted) if any(name in check.needs for check in report.failures)]
    words = [_WORDS[name] for name in lost]
    return f"not possible here: {'; '.join(words)} (see: {names})"
