"""What Python adds to the C library for a frame: `python -m leaf_edge.bench.binding`.

One thread, one frame at a time, the contenders in turn. `outside` is the call's wall time without the stages
that the library times itself (views, inference, mapping): checks, conversions, and the score as an object.
With `--leaf-bench` the C program of runtime/bench runs between the rounds, on frames of the same size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from leaf_edge.bench.synthetic import synthetic_frames
from leaf_edge.bundle import locate
from leaf_edge.frames.frame import Frame, PixelFormat
from leaf_edge.runtime import native, scorer
from leaf_edge.runtime.native_context import Context
from leaf_edge.runtime.score import Score

_WARM_UP = 20


def run(
    model: str | Path = "leaf-s",
    *,
    width: int = 1920,
    height: int = 1080,
    frames: int = 300,
    leaf_bench: str | Path | None = None,
    rounds: int = 3,
) -> dict[str, dict[str, float]]:
    """Least and median wall time of a call in ms, and median of `outside` in us, by contender.

    frames: of each contender, over all rounds. leaf_bench: the C program, which gives no `outside`.
    """
    path = locate(model)
    pictures = list(synthetic_frames(PixelFormat.NV12, width, height, 4))
    library = native.find_onnxruntime()
    with Context(path, onnxruntime=library) as context, native.load(path) as ours:
        calls: dict[str, tuple[Callable[[Frame], Score], Context | None]] = {
            "native_context.Context": (context.score, context),
            "native.NativeScorer": (ours.score, ours._contexts[0]),
            "scorer.Scorer": (scorer.load(path).score, None),
        }
        walls: dict[str, list[float]] = {name: [] for name in calls}
        outside: dict[str, list[float]] = {name: [] for name in calls}
        program: list[dict[str, float]] = []
        for _ in range(rounds):
            for name, (call, timed) in calls.items():
                _time(call, timed, pictures, frames // rounds, walls[name], outside[name])
            if leaf_bench is not None:
                program.append(_leaf_bench(leaf_bench, path, library, width, height, frames // rounds))
    found = {
        name: {
            "min_ms": min(walls[name]),
            "median_ms": median(walls[name]),
            "outside_us": median(outside[name]),
        }
        for name in calls
    }
    if program:
        found["leaf_bench (C)"] = {
            "min_ms": min(item["min"] for item in program),
            "median_ms": median(item["p50"] for item in program),
        }
    return found


def _time(
    call: Callable[[Frame], Score],
    timed: Context | None,
    pictures: Sequence[Frame],
    count: int,
    walls: list[float],
    outside: list[float],
) -> None:
    for number in range(-_WARM_UP, count):
        frame = pictures[number % len(pictures)]
        if timed is not None:
            timed.reset_timings()
        start = time.perf_counter_ns()
        score = call(frame)
        wall = time.perf_counter_ns() - start
        if number < 0:
            continue
        walls.append(wall / 1e6)
        if timed is not None:
            stages = sum(stage.sum_ns for stage in timed.timings())
        else:
            stages = round(
                (score.stages.views_ms + score.stages.inference_ms + score.stages.mapping_ms) * 1e6
            )
        outside.append((wall - stages) / 1e3)


def _leaf_bench(
    program: str | Path, bundle: Path, library: Path | None, width: int, height: int, frames: int
) -> dict[str, float]:
    command: list[str | Path] = [program, bundle, "--json", "--size", f"{width}x{height}"]
    environment = os.environ | ({"LEAF_ONNXRUNTIME": str(library)} if library else {})
    done = subprocess.run(
        [*command, "--frames", str(frames)], env=environment, check=True, capture_output=True, text=True
    )
    whole: dict[str, float] = json.loads(done.stdout)["ms"]["whole"]
    return whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m leaf_edge.bench.binding", description=__doc__)
    parser.add_argument("--bundle", default="leaf-s", help="leaf-s, leaf-m, or a path")
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    parser.add_argument("--frames", type=int, default=300, help="of each contender")
    parser.add_argument("--leaf-bench", type=Path, help="the C program, build/cpp/runtime/bench/leaf_bench")
    parser.add_argument("--json", action="store_true")
    options: Any = parser.parse_args(arguments)
    width, _, height = options.size.partition("x")
    found = run(
        options.bundle,
        width=int(width),
        height=int(height),
        frames=options.frames,
        leaf_bench=options.leaf_bench,
    )
    if options.json:
        print(json.dumps(found))
        return
    print(f"{options.bundle}, {options.size} NV12, {options.frames} frames")
    print(f"  {'':24}{'min ms':>9}{'p50 ms':>9}{'outside us':>12}")
    for name, figures in found.items():
        rest = f"{figures['outside_us']:12.1f}" if "outside_us" in figures else ""
        print(f"  {name:24}{figures['min_ms']:9.3f}{figures['median_ms']:9.3f}{rest}")


if __name__ == "__main__":
    main()
