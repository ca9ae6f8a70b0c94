"""`leaf-edge demo`: a clip with known faults, scored and gated; which faults were found."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, epilog

if TYPE_CHECKING:
    from rich.console import Console

    from leaf_edge.demo.clip import Clip
    from leaf_edge.demo.findings import Finding

MAY_MISS = 1
"""Stretches that the demo may miss and still count as passed."""

_GATE = ["--window", "12", "--best", "--keep-format", "jpeg"]
"""Half a second pooled, and the best frame of each half second kept."""

_EXAMPLES = """\
  leaf-edge demo                       into out/demo/
  leaf-edge demo --model leaf-m        with the larger model"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="make a clip with known faults, score it, gate it",
        description="Makes a clip from real photographs, with five stretches of known camera faults;\n"
        "scores and gates it; shows which stretches were found. Needs: pip install 'leaf-edge[demo]'",
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="leaf-s", metavar="NAME|PATH", help="default: leaf-s")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("out/demo"),
        metavar="FOLDER",
        help="for results; default: out/demo",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Make, score, gate, report. REFUSED where more than `MAY_MISS` stretches were missed."""
    from rich.console import Console

    from leaf_edge.bundle import load_bundle, locate
    from leaf_edge.cli.main import main
    from leaf_edge.demo.findings import find, read_results

    console = Console()
    load_bundle(locate(args.model))  # a wrong model is told before the clip is made
    folder: Path = args.folder
    clip = _make(console, folder)
    video, decisions, kept = str(clip.video), folder / "decisions.jsonl", folder / "kept"
    for old in kept.glob("demo-*.jpg"):
        old.unlink()
    scoring = ["score", video, "--output", str(folder / "scores.csv"), "--plot", str(folder / "scores.png")]
    gating = ["gate", video, *_GATE, "--decisions", str(decisions), "--keep", str(kept)]
    for command in (scoring, gating):
        command += ["--model", args.model]
        console.print(f"\n$ leaf-edge {shlex.join(command)}", style="bold", markup=False, soft_wrap=True)
        status = main(command)
        if status != ExitCode.OK:
            return status
    findings = find(read_results(decisions), clip.stretches)
    _print_findings(console, findings)
    found = sum(finding.found for finding in findings)
    console.print(f"{found} of {len(findings)} stretches found. Results are in {folder}/:", highlight=False)
    for name, what in (
        (clip.video.name, "the clip; the truth about it is in demo.json"),
        ("scores.csv", "one row for each frame"),
        ("scores.png", "MOS over time, faults, best and worst frames"),
        (decisions.name, "the gate's decision on each frame"),
        ("kept/", "the best frame of each half second that the gate accepted"),
    ):
        console.print(f"  {name:<16} {what}", highlight=False)
    return ExitCode.OK if found >= len(findings) - MAY_MISS else ExitCode.REFUSED


def _make(console: Console, folder: Path) -> Clip:
    from rich.progress import Progress

    from leaf_edge.demo.clip import make_clip

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("making the clip", total=None)
        clip = make_clip(folder, progress=lambda done, total: bar.update(task, completed=done, total=total))
    console.print(f"made {clip.video}: {clip.frames} frames of real photographs", highlight=False)
    return clip


def _print_findings(console: Console, findings: list[Finding]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title="Stretches with a fault: the clean rest of the shot → inside",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading in ("fault made", "seconds", "mean MOS", "rejected", "reason", "found"):
        table.add_column(heading, no_wrap=True)
    for finding in findings:
        stretch = finding.stretch
        table.add_row(
            stretch.title,
            f"{stretch.start_s:g}-{stretch.end_s:g}",
            f"{finding.mos_around:.2f} → {finding.mos_inside:.2f}",
            f"{finding.rejected_around:.0%} → {finding.rejected_inside:.0%}",
            finding.reason or "none",
            "[green]yes[/]" if finding.found else "[red]no[/]",
        )
    console.print()
    console.print(table)
