"""The picture of a run of `leaf-edge score`: what the scores were, and which frames stand out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaf_edge import extras
from leaf_edge.contract import MOS_MAX, MOS_MIN
from leaf_edge.frames.frame import Frame, Roi
from leaf_edge.plot import style
from leaf_edge.plot.extremes import KEEP, Candidate, Extremes
from leaf_edge.plot.panels import PanelData, dot_size, draw_mos, draw_strip
from leaf_edge.plot.single import draw_single
from leaf_edge.runtime.score import Score
from leaf_edge.runtime.series import Series, fault_words, main_fault, summarise

SUFFIXES = (".png", ".svg", ".pdf")
MAX_PANELS = 6
"""More sources than this share one overview panel."""

_WIDTH = 13.0
_DPI = 120
_LABEL = 0.4
"""Room that a label needs above or below its point, in MOS."""


class Plot:
    """Collects what the picture needs while frames go by, then draws it.

    path: of the picture; its extension, one of `SUFFIXES`, is the format.
    roi: the region that was scored, for the thumbnails.
    Raises ValueError for another extension, `MissingExtraError` where matplotlib is not installed.
    """

    def __init__(self, path: Path, roi: Roi | None = None) -> None:
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
        extras.require("matplotlib", "plot")
        self.path = path
        self._extremes = Extremes(roi)

    def offer(self, frame: Frame, score: Score, *, still: bool) -> None:
        """Take a scored frame into account for the thumbnails."""
        self._extremes.offer(frame, score, still=still)

    def write(self, series: Sequence[Series], model: str) -> None:
        """Draw `series` and write the picture; it appears whole or not at all. Raises OSError."""
        matplotlib = extras.require("matplotlib", "plot")
        figure_module = extras.require("matplotlib.figure", "plot")
        part = self.path.with_name(self.path.name + ".part")
        try:
            with matplotlib.rc_context(style.RC):
                figure = figure_module.Figure(dpi=_DPI, facecolor="white")
                best, worst = self._extremes.chosen(sum(map(len, series)))
                if sum(map(len, series)) == 1:
                    draw_single(figure, series[0], best[0], model)
                else:
                    _draw(figure, series, best, worst, model)
                kind = self.path.suffix[1:].lower()
                figure.savefig(part, format=kind, metadata={"Date": None} if kind == "svg" else None)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)


def _draw(
    figure: Any, series: Sequence[Series], best: list[Candidate], worst: list[Candidate], model: str
) -> None:
    many = len(series) > MAX_PANELS
    panels = [PanelData.overview(series)] if many else [PanelData.of(item) for item in series]
    tall = len(panels) <= 2
    mos_height, strip_height = (2.5, 1.35) if tall else (1.6, 1.15)
    head, gap = 0.62, 0.42
    below = [_room_for_names(panel) for panel in panels]
    thumbs = [(name, items) for name, items in (("best", best), ("worst", worst)) if items]
    total = head + sum(mos_height + 0.12 + strip_height + room + gap for room in below)
    rows = [_row_height(items) for _, items in thumbs]
    total += sum(row + 0.55 for row in rows) + 0.1
    figure.set_size_inches(_WIDTH, total)
    left, right = 1.15, 0.95
    _head(figure, total, series, model)

    def add(top: float, height: float, **more: Any) -> Any:
        box = (left / _WIDTH, 1 - (top + height) / total, (_WIDTH - left - right) / _WIDTH, height / total)
        return figure.add_axes(box, **more)

    top = head + 0.1
    for number, (panel, room) in enumerate(zip(panels, below, strict=True)):
        mos = add(top, mos_height)
        draw_mos(mos, panel)
        top += mos_height + 0.12
        strip = add(top, strip_height, sharex=mos)
        mesh = draw_strip(strip, panel, x_label=True)
        if number == 0:
            _color_bar(figure, mesh, top, strip_height, total, right)
        if not many:
            _mark(mos, panel, series[number], best, worst)
        top += strip_height + room + gap
    for (name, items), row in zip(thumbs, rows, strict=True):
        _thumbnails(figure, name if worst else "frames", items, top, row, total)
        top += row + 0.55


def _room_for_names(panel: PanelData) -> float:
    """Inches below a panel for its x axis."""
    if panel.names is None:
        return 0.4
    longest = min(26, max(map(len, panel.names)))
    steep = len(panel.names) > 10 or longest > 12
    return 0.25 + (0.05 * longest if steep else 0.1)


def _head(figure: Any, total: float, series: Sequence[Series], model: str) -> None:
    figures = summarise(series)
    frames = f"{figures['frames']} {'images' if all(item.stills for item in series) else 'frames'}"
    fault = f"; most frequent fault: {main_fault(figures)}" if figures["reason"] else ""
    name = figure.text(
        0.35 / _WIDTH, 1 - 0.26 / total, "LEAF-Edge", fontsize=13, fontweight="bold", va="center"
    )
    # Placed by the end of the name as it is drawn: how wide that is depends on the font.
    about = extras.require("matplotlib.text", "plot").Annotation(
        f"{style.shorten(model, 40)}  ·  {frames}  ·  MOS {figures['mos_mean']:.2f} on average, "
        f"{figures['mos_min']:.2f} to {figures['mos_max']:.2f}{fault}",
        (1, 0.5),
        xycoords=name,
        xytext=(14, 0),
        textcoords="offset points",
        fontsize=10,
        color=style.MUTED,
        va="center",
    )
    figure.add_artist(about)


def _color_bar(figure: Any, mesh: Any, top: float, height: float, total: float, right: float) -> None:
    box = ((_WIDTH - right + 0.15) / _WIDTH, 1 - (top + height) / total, 0.1 / _WIDTH, height / total)
    bar = figure.colorbar(mesh, cax=figure.add_axes(box))
    bar.set_ticks([0, 0.5, 1])
    bar.ax.tick_params(labelsize=7, length=2)
    bar.set_label("severity", fontsize=7.5, color=style.MUTED)
    bar.outline.set_visible(False)


def _mark(axes: Any, panel: PanelData, series: Series, best: list[Candidate], worst: list[Candidate]) -> None:
    """Point at the frames of the thumbnails that lie in this panel; without two rows there are no marks."""
    rows = ((best, "B", style.BEST, "^"), (worst, "W", style.WORST, "v")) if worst else ()
    left, right = axes.get_xlim()
    for items, letter, color, marker in rows:
        for number, item in enumerate(items, 1):
            x = _place(item, panel, series)
            if x is None:
                continue
            score = item.score
            if panel.stream:
                above = below = score.mos
                axes.plot(
                    x, score.mos, marker, color=color, markersize=6.5, zorder=5, markeredgecolor="white"
                )
            else:  # the dot is painted over; its label stands beyond the interval
                above, below = score.mos_hi, score.mos_lo
                axes.plot(x, score.mos, "o", color=color, markersize=dot_size(len(panel.x)), zorder=5, mew=0)
            up = above < MOS_MAX - _LABEL if letter == "B" else below < MOS_MIN + _LABEL
            axes.annotate(
                f"{letter}{number}",
                (x, above if up else below),
                xytext=(0, 9 if up else -9),
                textcoords="offset points",
                ha="right" if x > left + 0.985 * (right - left) else "center",
                va="center",
                fontsize=7,
                fontweight="bold",
                color=color,
            )


def _place(item: Candidate, panel: PanelData, series: Series) -> float | None:
    """Where a frame lies on the x axis of a panel; None where it is of another series."""
    score = item.score
    if series.stills:
        return (
            float(series.names.index(score.source)) if item.still and score.source in series.names else None
        )
    if item.still or score.source != series.name:
        return None
    return score.time_s if panel.x_label.startswith("time") and score.time_s is not None else score.frame


_THUMBS_LEFT, _THUMBS_GAP, _THUMB_HEIGHT = 1.15, 0.2, 1.75
_THUMB_WIDTH = (_WIDTH - _THUMBS_LEFT - 0.3 - _THUMBS_GAP * (KEEP - 1)) / KEEP


def _row_height(items: list[Candidate]) -> float:
    """Inches that the tallest of a row of thumbnails takes."""
    tallest: float = max(item.picture.shape[0] / item.picture.shape[1] for item in items)
    return min(_THUMB_HEIGHT, _THUMB_WIDTH * tallest)


def _thumbnails(
    figure: Any, name: str, items: list[Candidate], top: float, height: float, total: float
) -> None:
    color = {"best": style.BEST, "worst": style.WORST}.get(name, style.INK)
    letter = {"best": "B", "worst": "W"}.get(name, "")
    figure.text(
        0.35 / _WIDTH, 1 - (top + height / 2) / total, name, fontsize=11, fontweight="bold", color=color,
        va="center",
    )  # fmt: skip
    for number, item in enumerate(items, 1):
        box_left = _THUMBS_LEFT + (number - 1) * (_THUMB_WIDTH + _THUMBS_GAP)
        box = (box_left / _WIDTH, 1 - (top + height) / total, _THUMB_WIDTH / _WIDTH, height / total)
        axes = figure.add_axes(box)
        axes.imshow(item.picture, interpolation="antialiased")
        axes.set_anchor("NW")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color=color, linewidth=1.2)
        score = item.score
        tag = f"{letter}{number}  " if letter else ""
        detail = f"  {fault_words(score.reason)}" if score.reason else ""
        for line, (text, tone, weight) in enumerate(
            ((f"{tag}MOS {score.mos:.2f}{detail}", color, "bold"), (_where(item), style.MUTED, "normal"))
        ):
            figure.text(
                box_left / _WIDTH,
                1 - (top + height + 0.13 + 0.16 * line) / total,
                text,
                fontsize=8,
                color=tone,
                fontweight=weight,
                va="center",
            )


def _where(item: Candidate) -> str:
    score = item.score
    name = style.shorten(Path(score.source).name, 34)
    if item.still:
        return name
    at = f"frame {score.frame}" if score.time_s is None else f"{score.time_s:.2f} s, frame {score.frame}"
    return f"{name}, {at}"
