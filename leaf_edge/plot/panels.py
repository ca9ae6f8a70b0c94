"""The two panels of a series: MOS with its interval, and the faults as a strip of heat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS, MOS_MAX, MOS_MIN
from leaf_edge.plot import style
from leaf_edge.runtime.series import LOW_PERCENTILE, Series, fault_words

MAX_COLUMNS = 900
"""Longer series are drawn in this many steps: means for MOS, the strongest severity for faults."""
MAX_NAMES = 48
"""Most names that fit under a panel."""


@dataclass(frozen=True)
class PanelData:
    """What a pair of panels shows, one value a point: [N] each, faults [N, 8].

    stream: points follow each other in time, so a line joins them. names: below the points.
    """

    title: str
    x: NDArray[np.float64]
    mos: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    faults: NDArray[np.float32]
    stream: bool
    x_label: str
    names: list[str] | None = None

    @classmethod
    def of(cls, series: Series) -> PanelData:
        """A point for each frame, or for each run of frames where there are very many."""
        times = None if series.stills else series.time_s
        if series.stills:
            x, label = np.arange(len(series), dtype=np.float64), "image"
        elif times is not None:
            x, label = times, "time (s)"
        else:
            x, label = series.frame, "frame"
        few = series.stills and len(series) <= MAX_NAMES
        names = [PurePath(name).name for name in series.names] if few else None
        low, high = series.interval
        data = (x, series.mos, low, high)
        faults = series.faults
        if len(series) > MAX_COLUMNS:
            starts = np.linspace(0, len(series), MAX_COLUMNS, endpoint=False).astype(int)
            sizes = np.diff(np.append(starts, len(series)))
            data = tuple(np.add.reduceat(column, starts) / sizes for column in data)  # type: ignore[assignment]
            faults = np.maximum.reduceat(faults, starts, axis=0)
        return cls(series.name, *data, faults, not series.stills, label, names)

    @classmethod
    def overview(cls, series: Sequence[Series]) -> PanelData:
        """A point for each series: its mean, its span between the low and the high percentile."""
        percentiles = (LOW_PERCENTILE, 100 - LOW_PERCENTILE)
        spans = np.array([np.percentile(item.mos, percentiles) for item in series])
        return cls(
            f"{len(series)} sources: mean MOS, and where {percentiles[1] - percentiles[0]} % of frames lie",
            np.arange(len(series), dtype=np.float64),
            np.array([item.mos.mean() for item in series]),
            spans[:, 0],
            spans[:, 1],
            np.array([item.faults.mean(axis=0) for item in series]),
            False,
            "source",
            [PurePath(item.name).name for item in series] if len(series) <= MAX_NAMES else None,
        )


def dot_size(points: int) -> float:
    """Size of the dots of so many points, so that they do not touch."""
    return float(np.clip(260 / max(1, points), 0.6, 6))


def draw_mos(axes: Any, data: PanelData) -> None:
    """MOS over time, or a point for each image, with the interval."""
    if data.stream and len(data.x) > 1:
        axes.fill_between(data.x, data.low, data.high, color=style.LINE, alpha=0.16, linewidth=0)
        axes.plot(data.x, data.mos, color=style.LINE, linewidth=1.3, solid_joinstyle="round")
    else:
        size = dot_size(len(data.x))
        axes.vlines(data.x, data.low, data.high, color=style.LINE, alpha=0.35, linewidth=size * 0.55)
        axes.plot(data.x, data.mos, "o", color=style.LINE, markersize=size, markeredgewidth=0)
    axes.set_ylim(MOS_MIN - 0.05, MOS_MAX + 0.05)
    axes.set_yticks([level for level, _ in style.LEVELS])
    axes.set_ylabel("MOS")
    axes.grid(axis="y", color=style.GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    for level, word in style.LEVELS:
        axes.annotate(
            word,
            (1.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            color=style.MUTED,
            fontsize=7.5,
            va="center",
        )
    axes.set_title(style.shorten(data.title, 110), loc="left", fontsize=10, fontweight="bold", pad=6)


def draw_strip(axes: Any, data: PanelData, *, x_label: bool) -> Any:
    """Severity of each fault below the MOS of the same point. Returns the mesh, for a colour bar."""
    edges = _edges(data)
    rows = np.arange(len(FAULTS) + 1) - 0.5
    mesh = axes.pcolormesh(
        edges, rows, data.faults.T, cmap=style.HEAT, vmin=0, vmax=1, rasterized=True, linewidth=0
    )
    if not data.stream and len(data.x) <= 80:
        axes.vlines(edges[1:-1], *rows[[0, -1]], color="white", linewidth=1.2)
    axes.hlines(rows[1:-1], edges[0], edges[-1], color="white", linewidth=0.8)
    axes.set_yticks(range(len(FAULTS)), [fault_words(fault) for fault in FAULTS], fontsize=7.5)
    axes.set_ylim(rows[-1], rows[0])
    axes.set_xlim(edges[0], edges[-1])
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    if data.stream and len(data.x) == 1:
        axes.set_xticks(data.x)  # one frame has no scale of time
    if data.names is not None:
        steep = len(data.names) > 10 or max(map(len, data.names)) > 12
        names = [style.shorten(name, 26) for name in data.names]
        axes.set_xticks(data.x, names, fontsize=7.5 if len(names) <= 30 else 6.5)
        if steep:
            for label in axes.get_xticklabels():
                label.set(rotation=40, ha="right", rotation_mode="anchor")
    if x_label and data.names is None:
        axes.set_xlabel(data.x_label)
    return mesh


def _edges(data: PanelData) -> NDArray[np.float64]:
    """Borders of the cells around the points, [N + 1]."""
    x = data.x
    if len(x) == 1:
        return np.array([x[0] - 0.5, x[0] + 0.5])
    middle = (x[1:] + x[:-1]) / 2
    return np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])
