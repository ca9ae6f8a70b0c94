"""Runs a pipeline that is killed at one moment after another, in a new process each time, then to its end.

    python kill_server.py RECIPE.json ROOT SECONDS

Imports once and forks for each attempt. Prints a JSON list of [moment, signal that ended it].
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pipeline_world import BANK, TINY, run_all

from leaf_edge.bundle import write as writing
from leaf_edge.pipeline import run as pipeline
from leaf_edge.pipeline.recipe import PipelineRecipe
from leaf_edge.recipes import parse
from leaf_edge.student import joint_run, train
from leaf_edge.student import run as running

REPLACE = Path.replace


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def told(what: str, least: int) -> Callable[[], Any]:
    """Dies when `least` of `what` are done."""

    def begin() -> Callable[[str, int, int], None]:
        return lambda name, done, of: die() if name == what and done >= least else None

    return begin


def replacing(folder: str, name: str) -> Callable[[], Any]:
    """Dies when a file is written, but not yet in its place."""

    def begin() -> Callable[[str, int, int], None]:
        def replace(path: Path, target: Any) -> Path:
            if Path(target).name == name and Path(target).parent.name.startswith(folder):
                die()
            return REPLACE(path, target)

        Path.replace = replace  # type: ignore[method-assign, assignment]
        return lambda name, done, of: None

    return begin


def moving() -> Callable[[str, int, int], None]:
    """Dies with the bundle complete beside its place."""
    writing._move_into_place = lambda part, folder: die()  # type: ignore[assignment]
    return lambda name, done, of: None


MOMENTS: dict[str, Callable[[], Any]] = {
    "label: files": told("files", 3),
    "label: points": told("point labels", 40),
    "label: pairs": told("pair labels", 40),
    "distill: features": told("features", 30),
    "distill: second step": told("distillation", 3),
    "distill: checkpoint": replacing("distill", "best.pt"),
    "distill: complete, unmarked": replacing("distill", "done.json"),
    "calibrate: chains": told("synthetic chains", 2),
    "calibrate: folds": told("head, fold by fold", 2),
    "evaluate: report": replacing("evaluate", "report.json"),
    "export: before the move": moving,
    "export: complete, unmarked": replacing("export", "done.json"),
}


def main(recipe: dict[str, Any], root: Path, seconds: float) -> None:
    ends = []
    for name, begin in MOMENTS.items():
        child = os.fork()
        if child == 0:
            try:
                list(pipeline.run_pipeline(parse(recipe, PipelineRecipe), root, begin()))
            finally:
                os._exit(1)  # it came through: the moment never was
        limit = time.monotonic() + seconds
        while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < limit:
            time.sleep(0.02)
        if not ended[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise TimeoutError(f"{name}: the process hung")
        ends.append([name, ended[1]])
    run_all(recipe, root)
    print(json.dumps(ends))


if __name__ == "__main__":
    # only in the process that runs this file: its list of moments is imported by a test
    torch.set_num_threads(1)
    train.SIZES["leaf-s"] = TINY
    joint_run._BANK = BANK
    running.SAVE_EVERY = 2
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), float(sys.argv[3]))
