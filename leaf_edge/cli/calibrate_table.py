"""What `leaf-edge calibrate` prints for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def print_report(output: Path, report: dict[str, Any]) -> None:
    """The choice and why, the tables, and the agreement on the check pictures where there are some."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    print(f"{output / 'student.pt'}: {report['strategy']}, {report['labels']} ratings")
    print(report["why"])
    table = Table("strategy", "held-out RMSE", "gap", "standard error", "curve", title="cross-validation")
    for row in [
        *report["table"],
        *({**r, "strategy": f"{r['strategy']} (one fold)"} for r in report["whole"]),
    ]:
        if "rmse" in row:
            numbers = (f"{row['rmse']:.3f}", f"{row['gap']:.4f}", f"{row['standard_error']:.4f}")
            table.add_row(row["strategy"], *numbers, row["shape"])
        else:
            table.add_row(row["strategy"], row["note"])
    console.print(table)
    stated = report["interval"]["coverage"]
    for title, rows in (
        ("held-out folds", report["coverage"]),
        ("check pictures", report.get("check", {}).get("coverage", [])),
    ):
        table = Table(
            "subset",
            "held",
            "so many frames allow",
            "width in MOS",
            "pictures",
            title=f"{stated:.0%} interval, {title}",
        )
        for row in rows:
            allowed = f"{row['low']:.1%} to {row['high']:.1%}"
            table.add_row(
                row["subset"], f"{row['share']:.1%}", allowed, f"{row['width']:.2f}", str(row["frames"])
            )
        if rows:
            console.print(table)
    if "check" in report:
        a = report["check"]["agreement"]
        figures = f"SRCC {a['srcc']:.4f}, PLCC {a['plcc']:.4f}, RMSE {a['rmse']:.3f}"
        print(f"check: {figures}, {a['pictures']} pictures")
