"""The picture of label-budget curves: a line a method, a band for its interval."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from leaf_edge import extras
from leaf_edge.evaluation.budget_report import CONFIDENCE, METRICS, Curves, Point
from leaf_edge.plot import style
from leaf_edge.plot.plot import SUFFIXES

_COLORS = ("#2563a8", "#c2410c", "#1b8a5a", "#7c3aed", "#b08900", "#0e7490", "#be185d", "#4b5563")
_MARKERS = "osD^vPX*"
_DPI = 150
_NAMES = {"srcc": "SRCC", "plcc": "PLCC"}
_ZERO_GAP = 0.55
"""From the smallest budget to where 0 stands on the axis, in decades."""
_DODGE = 0.006
"""Step between methods at the same budget, as a share of the axis: their intervals stay apart."""


def write_budget_plot(path: Path, curves: Curves) -> None:
    """Draw `curves` to `path` (.png, .svg or .pdf); it appears whole or not at all.

    Budgets lie on a logarithmic axis; 0, which has no logarithm, stands left of a mark in the axis.
    Raises ValueError for another extension, OSError, MissingExtraError without matplotlib.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
    matplotlib = extras.require("matplotlib", "plot")
    figure_module = extras.require("matplotlib.figure", "plot")
    part = path.with_name(path.name + ".part")
    try:
        with matplotlib.rc_context(style.RC):
            figure = figure_module.Figure(dpi=_DPI, facecolor="white")
            _draw(figure, curves)
            kind = path.suffix[1:].lower()
            figure.savefig(part, format=kind, metadata={"Date": None} if kind == "svg" else None)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _draw(figure: Any, curves: Curves) -> None:
    metrics = [name for name in METRICS if any(getattr(p, name) is not None for p in curves.points)]
    columns = 2 if len(metrics) == 1 else 4
    rows = math.ceil(len(curves.methods) / columns)
    width, height = (5.4 if len(metrics) == 1 else 9.6), 3.75 + 0.22 * rows
    figure.set_size_inches(width, height)
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    figure.subplots_adjust(
        left=0.62 / width, right=1 - 0.2 / width, top=1 - 0.5 / height, bottom=(0.65 + 0.22 * rows) / height
    )
    figure.subplots_adjust(wspace=0.2)
    for panel, metric in zip(axes, metrics, strict=True):
        _panel(panel, curves, metric)
    handles, labels = axes[0].get_legend_handles_labels()
    names = [style.shorten(label, 36) for label in labels]
    figure.legend(
        handles,
        names,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=min(columns, len(names)),
        frameon=False,
        fontsize=8.5,
    )
    seeds = sorted({point.seeds for point in curves.points})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    words = f"mean over {count} seed{'s' if seeds[-1] > 1 else ''}"
    if seeds[-1] > 1:
        words += f"; band: {CONFIDENCE:.0%} interval of the mean".replace("%", " %")
    figure.text(
        1 - 0.2 / width, 1 - 0.2 / height, words, ha="right", va="center", color=style.MUTED, fontsize=7.5
    )


def _panel(axes: Any, curves: Curves, metric: str) -> None:
    budgets = sorted({point.budget for point in curves.points})
    positive = [budget for budget in budgets if budget > 0]
    zero = math.log10(positive[0]) - _ZERO_GAP if positive else 0.0
    broken = budgets[0] == 0 and bool(positive)

    def place(budget: float) -> float:
        return math.log10(budget) if budget > 0 else zero

    dodge = _DODGE * max(place(budgets[-1]) - place(budgets[0]), 1e-9)
    for k, method in enumerate(curves.methods):
        points = [p for p in curves.points if p.method == method and getattr(p, metric) is not None]
        color, marker = _COLORS[k % len(_COLORS)], _MARKERS[k % len(_MARKERS)]
        shift = dodge * (k - (len(curves.methods) - 1) / 2)
        _line(axes, points, metric, [place(p.budget) + shift for p in points], color, marker)
    axes.set_xticks([place(b) for b in budgets], _tick_words(curves, budgets, place))
    axes.tick_params(axis="x", length=3)
    axes.set_xlabel("human labels" if not curves.shares else "share of the human labels")
    axes.set_title(_NAMES[metric], loc="left", fontsize=10, fontweight="bold", pad=8)
    axes.grid(axis="y", color=style.GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.margins(x=0.05)
    if broken:
        middle = zero + _ZERO_GAP / 2
        axes.annotate(
            "//",
            (middle, 0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="center",
            fontsize=8,
            color=style.MUTED,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            annotation_clip=False,
        )


def _line(axes: Any, points: list[Point], metric: str, at: list[float], color: str, marker: str) -> None:
    x = np.array(at)
    estimates = [getattr(p, metric) for p in points]
    value = np.array([e.value for e in estimates])
    low = np.array([e.low for e in estimates])
    high = np.array([e.high for e in estimates])
    axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)
    known = np.isfinite(low)
    axes.vlines(x[known], low[known], high[known], color=color, linewidth=1.0, alpha=0.55)
    axes.plot(
        x,
        value,
        color=color,
        linewidth=1.5,
        marker=marker,
        markersize=4.6,
        markeredgecolor="white",
        markeredgewidth=0.6,
        label=points[0].method if points else None,
    )


def _tick_words(curves: Curves, budgets: list[float], place: Any) -> list[str]:
    """A label for each budget, but for those that would run into the one before."""
    span = max(place(budgets[-1]) - place(budgets[0]), 1e-9)
    words, last = [], -math.inf
    for budget in budgets:
        room = (place(budget) - last) / span
        words.append(curves.budget_words(budget) if room > 0.075 else "")
        last = place(budget) if words[-1] else last
    return words
