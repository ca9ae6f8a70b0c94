"""The validation frames that INT8 changed most, and their picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from leaf_edge.export.attempt import Attempt
from leaf_edge.export.report import WorstFrame
from leaf_edge.extras import require
from leaf_edge.plot import style

WORST = 12
_COLUMNS = 4
_CELL = (2.6, 3.1)
"""Width and height of one frame with its text, in inches."""
_HEAD = 0.7
_DPI = 110


def worst_frames(attempt: Attempt, count: int = WORST) -> tuple[WorstFrame, ...]:
    """Frames by the largest change of MOS in either encoding, each frame once, worst first."""
    reference = np.asarray(attempt.reference.curve(attempt.reference.validation["mos"]))
    names = list(attempt.encodings)
    scores = np.stack([np.asarray(e.curve(e.outputs["mos"])) for e in attempt.encodings.values()])
    change = np.abs(scores - reference)
    which = change.argmax(axis=0)
    order = np.argsort(-change.max(axis=0), kind="stable")[:count]
    labels = attempt.validation.names
    return tuple(
        WorstFrame(
            int(i),
            labels[i] if labels else "",
            names[which[i]],
            float(reference[i]),
            float(scores[which[i], i]),
        )
        for i in order
    )


def contact_sheet(path: Path, worst: Sequence[WorstFrame], views: NDArray[np.uint8], title: str) -> None:
    """Draws the global views of `worst` (of `views`, the validation set's, uint8 [N, 2, 3, 224, 224]) with
    both MOS and their difference as the PNG `path`, which appears whole or not at all. Raises OSError."""
    matplotlib = require("matplotlib", "train")
    figure_module = require("matplotlib.figure", "train")
    rows = max(1, -(-len(worst) // _COLUMNS))
    width, height = _CELL[0] * _COLUMNS, _CELL[1] * rows + _HEAD
    part = path.with_name(path.name + ".part")
    try:
        with matplotlib.rc_context(style.RC):
            figure = figure_module.Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
            figure.text(
                0.02,
                1 - 0.5 * _HEAD / height,
                style.shorten(title, 90),
                fontsize=12,
                fontweight="bold",
                va="center",
            )
            for place, frame in enumerate(worst):
                row, column = divmod(place, _COLUMNS)
                left = (column * _CELL[0] + 0.15) / width
                top = height - _HEAD - row * _CELL[1]
                side = _CELL[0] - 0.3
                axes = figure.add_axes((left, (top - side) / height, side / width, side / height))
                axes.imshow(views[frame.index, 0].transpose(1, 2, 0), interpolation="antialiased")
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set(visible=True, color=style.GRID, linewidth=1)
                _text(figure, left, (top - side) / height, 1 / height, frame)
            figure.savefig(part, format="png")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _text(figure: object, left: float, bottom: float, inch: float, frame: WorstFrame) -> None:
    color = style.WORST if frame.change < 0 else style.LINE
    lines = (
        (0.17, f"{frame.change:+.2f} MOS", {"fontsize": 11, "fontweight": "bold", "color": color}),
        (0.36, f"float {frame.mos_float:.2f}   {frame.encoding} {frame.mos:.2f}", {"fontsize": 9}),
        (
            0.53,
            style.shorten(PurePath(frame.name).name or f"validation frame {frame.index}", 30),
            {"fontsize": 8, "color": style.MUTED},
        ),
    )
    for below, text, options in lines:
        figure.text(left, bottom - below * inch, text, va="center", **options)  # type: ignore[attr-defined]
