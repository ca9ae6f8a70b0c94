"""Frame to score: the shipped models, and OpenCV's BRISQUE on the same 1080p frames.

python -m leaf_edge.bench.compare [--brisque MODEL.yml RANGE.yml --brisque-python PYTHON]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import leaf_edge
from leaf_edge.bench import brisque_worker
from leaf_edge.bench.machine import machine_facts
from leaf_edge.bench.report import COLUMNS, cells, print_facts
from leaf_edge.bench.stages import time_stages
from leaf_edge.bench.statistics import Summary
from leaf_edge.bench.synthetic import endless, synthetic_frames
from leaf_edge.bundle.errors import BundleError
from leaf_edge.frames.frame import Frame, PixelFormat

WIDTH, HEIGHT = 1920, 1080
WARMUP = 20


class SkippedError(Exception):
    """A comparison that cannot be made here; the message says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Time each metric in turn and print the table."""
    parser = argparse.ArgumentParser(prog="python -m leaf_edge.bench.compare", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["leaf-s", "leaf-m"], metavar="NAME|PATH")
    parser.add_argument("--frames", type=int, default=200, help="scored by each model; default: 200")
    parser.add_argument(
        "--brisque", nargs=2, type=Path, metavar=("MODEL", "RANGE"), help="OpenCV's two files"
    )
    parser.add_argument("--brisque-python", metavar="PYTHON", help="one with opencv-contrib-python-headless")
    args = parser.parse_args(argv)

    console = Console()
    print_facts(console, machine_facts())
    frames = synthetic_frames(PixelFormat.NV12, WIDTH, HEIGHT)
    rows: dict[str, Summary] = {}
    for model in args.models:
        try:
            scorer = leaf_edge.load(model, threads=1)
        except BundleError as error:
            console.print(f"{model} skipped: {error}", style="yellow", highlight=False, markup=False)
            continue
        rows[model] = time_stages(scorer, endless(frames), args.frames, WARMUP).stages["total"]
    brisque = None
    try:
        brisque = time_brisque(frames, args.brisque, args.brisque_python)
    except SkippedError as error:
        console.print(f"BRISQUE skipped: {error}", style="yellow", highlight=False, markup=False)
    _print_table(console, rows, brisque)
    return 0 if rows else 1


def _print_table(console: Console, rows: dict[str, Summary], brisque: Summary | None) -> None:
    table = Table(title=f"{WIDTH}x{HEIGHT} NV12 frame to score, batch of one, one thread, milliseconds")
    table.add_column("metric", overflow="fold")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    table.add_column("vs BRISQUE", justify="right")
    for name, summary in rows.items():
        ratio = f"{brisque.p50 / summary.p50:.1f}x" if brisque else ""
        table.add_row(name, *cells(summary), ratio)
    if brisque:
        table.add_row("BRISQUE", *cells(brisque), "1.0x")
    console.print(table)
    if brisque:
        console.print(
            "vs BRISQUE: how many times faster, by p50. LEAF-Edge's times begin at the NV12 frame; those of "
            "OpenCV's BRISQUE leave out the conversion to BGR that it needs.",
            highlight=False,
            style="dim",
        )


def time_brisque(
    frames: Sequence[Frame], files: Sequence[Path] | None, python: str | None, repeats: int = 2
) -> Summary:
    """Times of OpenCV's BRISQUE on packed NV12 `frames`, each `repeats` times, one thread.

    files: its model and range files. python: an interpreter with OpenCV's contrib package.
    Raises SkippedError where one of them is missing or the other interpreter fails.
    """
    if not files or not python:
        raise SkippedError("needs --brisque MODEL.yml RANGE.yml and --brisque-python PYTHON")
    for file in files:
        if not file.is_file():
            raise SkippedError(f"{file} is not there; OpenCV's contrib repository has it, in modules/quality")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "frames.nv12"
        raw.write_bytes(b"".join(plane.tobytes() for frame in frames for plane in frame.planes))
        size = (frames[0].width, frames[0].height)
        command = [python, brisque_worker.__file__, *map(str, files), str(raw), *map(str, size), str(repeats)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except OSError as error:
            raise SkippedError(f"{python} does not run: {error.strerror}") from None
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["no message"])[-1]
            raise SkippedError(f"{python} failed: {last}") from None
    return Summary.of(json.loads(done.stdout)["times_ms"])


if __name__ == "__main__":
    raise SystemExit(main())
