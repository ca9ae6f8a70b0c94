"""The picture of one scored frame: the frame, its MOS on the scale, and its faults."""

from __future__ import annotations

from typing import Any

from leaf_edge.contract import FAULTS, MOS_MAX, MOS_MIN
from leaf_edge.plot import style
from leaf_edge.plot.extremes import Candidate
from leaf_edge.runtime.series import Series, fault_words


def draw_single(figure: Any, series: Series, item: Candidate, model: str) -> None:
    """Draw a series of one frame."""
    score = item.score
    figure.set_size_inches(11, 4.6)
    picture = figure.add_axes((0.03, 0.06, 0.52, 0.78))
    picture.imshow(item.picture, interpolation="antialiased")
    picture.set_anchor("NW")
    picture.set_xticks([])
    picture.set_yticks([])
    picture.spines[:].set(visible=True, color=style.GRID, linewidth=1)
    figure.text(0.03, 0.92, style.shorten(series.name, 60), fontsize=12, fontweight="bold", va="center")
    figure.text(
        0.97, 0.92, f"LEAF-Edge  ·  {style.shorten(model, 40)}", color=style.MUTED, ha="right", va="center"
    )

    scale = figure.add_axes((0.66, 0.66, 0.30, 0.10))
    scale.axvspan(score.mos_lo, score.mos_hi, color=style.LINE, alpha=0.18, linewidth=0)
    scale.plot([score.mos], [0.5], "o", color=style.LINE, markersize=11, clip_on=False)
    scale.set_xlim(MOS_MIN, MOS_MAX)
    scale.set_ylim(0, 1)
    scale.set_yticks([])
    scale.spines["left"].set_visible(False)
    scale.set_xticks(
        [level for level, _ in style.LEVELS], [f"{level}\n{word}" for level, word in style.LEVELS]
    )
    scale.set_title(
        f"MOS {score.mos:.2f}   ({score.mos_lo:.2f} to {score.mos_hi:.2f})",
        loc="left",
        fontsize=12,
        fontweight="bold",
        pad=10,
    )

    bars = figure.add_axes((0.66, 0.08, 0.30, 0.38))
    rows = range(len(FAULTS))
    bars.barh(rows, [1.0] * len(FAULTS), color=style.GRID, height=0.62)
    colors = [style.WORST if name == score.reason else style.LINE for name in FAULTS]
    bars.barh(rows, score.faults, color=colors, height=0.62)
    bars.set_yticks(rows, [fault_words(name) for name in FAULTS], fontsize=8.5)
    bars.set_ylim(len(FAULTS) - 0.5, -0.5)
    bars.set_xlim(0, 1.12)
    bars.set_xticks([])
    bars.tick_params(axis="y", length=0)
    bars.spines[:].set_visible(False)
    for row, severity in zip(rows, score.faults, strict=True):
        bars.text(1.02, row, f"{severity:.2f}", va="center", fontsize=8, color=style.MUTED)
