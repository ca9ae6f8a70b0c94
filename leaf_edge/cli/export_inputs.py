"""What `leaf-edge export` reads: the checkpoint, rated photographs, the camera's frames."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from leaf_edge.cli.exit_codes import UsageError

if TYPE_CHECKING:
    from leaf_edge.export import Rated
    from leaf_edge.frames import SourceOptions
    from leaf_edge.student.network import Student


class InputError(Exception):
    """Checkpoint, data or frames that cannot be used."""


class Photograph(Protocol):
    """A rated photograph, of either reader. mos: 1 to 5. group: of one scene."""

    @property
    def path(self) -> Path: ...
    @property
    def mos(self) -> float: ...
    @property
    def group(self) -> str: ...


@dataclass(frozen=True)
class Inputs:
    """student, with its calibration views uint8 [N, 2, 3, 224, 224], and rated frames that it has not seen;
    those are None where there is no --data. problems: sources that were skipped."""

    student: Student
    calibration: Any
    fit: Rated | None
    check: Rated | None
    problems: Sequence[str]


def read_inputs(args: argparse.Namespace, options: SourceOptions) -> Inputs:
    """Reads all that the arguments name. Raises `InputError`, `UsageError`, OSError."""
    student = _student(args)
    train, held_out = _photographs(args.data) if args.data else ([], [])
    if not (train or args.frames):
        raise UsageError(f"{args.data} has no training photographs; give --frames with your camera's frames")
    problems: list[str] = []
    if args.frames:
        calibration = _frames(args.frames, options, args.calibration_frames, problems)
    else:
        from leaf_edge.calibration.frames import choose

        calibration = _views([train[i] for i in choose(len(train), args.calibration_frames)], "calibration")
    fit, check = _halves(held_out, args.validation_frames) if args.data else (None, None)
    return Inputs(student, calibration, fit, check, problems)


def _student(args: argparse.Namespace) -> Student:
    from leaf_edge.export.encoding import check_layers
    from leaf_edge.export.net import from_student
    from leaf_edge.student.network import load_checkpoint

    try:
        student = load_checkpoint(args.checkpoint)
    except OSError:
        raise
    except Exception as error:  # torch's errors for a broken file have no common base
        # of torch's text the first sentence alone: what follows advises to load it unsafely
        text = (str(error).strip().splitlines() or [type(error).__name__])[0].partition(". ")[0]
        what = "is not a checkpoint of `leaf-edge train`"
        raise InputError(f"{args.checkpoint} {what} (torch: {text})") from None
    try:
        check_layers(from_student(student), args.keep_float)
    except ValueError as error:
        raise UsageError(f"--keep-float: {error}") from None
    return student


def _photographs(data: Path) -> tuple[list[Photograph], list[Photograph]]:
    """(training, held-out) photographs. Only BIQ2021's own split says what a student was trained on; of any
    other set the part that is evaluated by default is held out, and none is training."""
    from leaf_edge.datasets import biq2021
    from leaf_edge.datasets.rated import open_rated

    try:
        listed = data.is_dir() and (data / "mos.csv").is_file() and biq2021.recognises(data)
        if listed or not data.exists():
            samples = biq2021.load(data)
            train: list[Photograph] = [s for s in samples if s.split == "train"]
            return train, [s for s in samples if s.split == "val"]
        return [], list(open_rated(data).of_split())
    except ValueError as error:
        raise InputError(str(error)) from None


def _halves(held_out: list[Photograph], most: int | None) -> tuple[Rated, Rated]:
    """Fit and validation: halves by scene group, at most `most` of each."""
    import numpy as np

    from leaf_edge.calibration.frames import choose
    from leaf_edge.export import Rated

    half = {g: i % 2 for i, g in enumerate(sorted({s.group for s in held_out}))}
    sides = [[s for s in held_out if half[s.group] == side] for side in (0, 1)]
    if most:
        sides = [[side[i] for i in choose(len(side), most)] for side in sides]
    fit, check = (
        Rated(_views(side, what), np.array([s.mos for s in side]), tuple(str(s.path) for s in side))
        for side, what in zip(sides, ("fit", "validation"), strict=True)
    )
    return fit, check


def _views(samples: Sequence[Photograph], what: str) -> Any:
    """Views of photographs, uint8 [N, 2, 3, 224, 224], with a progress bar."""
    import numpy as np
    from rich.console import Console
    from rich.progress import track

    from leaf_edge.frames import read_image
    from leaf_edge.views import make_views
    from leaf_edge.views.native import SHAPE

    console = Console(stderr=True)
    out = np.empty((len(samples), *SHAPE), np.uint8)
    for i, sample in enumerate(
        track(samples, f"views: {what}", console=console, disable=not console.is_terminal)
    ):
        make_views(read_image(sample.path), out=out[i])
    return out


def _frames(specs: list[str], options: SourceOptions, wanted: int, problems: list[str]) -> Any:
    """Views of `wanted` frames, drawn from all that the sources give in one pass over them."""
    import numpy as np

    from leaf_edge.calibration.frames import Reservoir
    from leaf_edge.cli.score_table import progress
    from leaf_edge.frames import SourceError, open_source
    from leaf_edge.views import make_views

    drawn = Reservoir(wanted)
    views: dict[int, Any] = {}
    with progress() as advance:
        for spec in specs:
            try:
                with open_source(spec, options) as source:
                    for frame in source:
                        if (place := drawn.place()) is not None:
                            views[place] = make_views(frame)
                        advance(source.name, source.length)
                    problems += map(str, source.problems)
            except SourceError as error:
                if options.on_error == "fail":
                    raise
                problems.append(str(error))
    if not views:
        raise InputError(f"--frames: no frame could be read ({'; '.join(problems) or 'empty sources'})")
    # mixed, as the export corrects biases on the first of them: those of one clip would not do
    return np.stack([views[place] for place in np.random.default_rng(0).permutation(sorted(views))])
