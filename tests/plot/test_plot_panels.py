"""What the panels of a plot show, and that labels stay inside."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib (leaf-edge[plot])")

from matplotlib.figure import Figure

from leaf_edge.contract import FAULTS
from leaf_edge.frames import Frame
from leaf_edge.plot import plot as drawing
from leaf_edge.plot.extremes import Extremes
from leaf_edge.plot.panels import MAX_COLUMNS, PanelData
from leaf_edge.runtime.score import Score, StageTimes
from leaf_edge.runtime.series import Series

FRAME = Frame.from_array(np.full((36, 48, 3), 90, np.uint8))


def run(mos: list[float], *, stills: bool, name: str = "clip.mp4") -> tuple[Series, Extremes]:
    series, extremes = Series(name, stills=stills), Extremes()
    for number, value in enumerate(mos):
        source, time_s = (f"{number}.png", None) if stills else (name, float(2 * number))
        faults = tuple((number % 97) / 97 if fault == "noise" else 0.0 for fault in FAULTS)
        low, high = max(1.0, value - 0.7), min(5.0, value + 0.7)
        score = Score(
            value, low, high, 0.5, faults, "", 0 if stills else number, time_s, source, StageTimes()
        )
        series.add(score)
        extremes.offer(FRAME, score, still=stills)
    return series, extremes


@pytest.mark.parametrize("count", [1, 2, MAX_COLUMNS, MAX_COLUMNS + 1, 5 * MAX_COLUMNS + 7])
def test_long_series_are_drawn_in_steps_that_lose_no_fault(count: int) -> None:
    values = np.linspace(1, 5, count)
    series, _ = run(list(values), stills=False)
    panel = PanelData.of(series)
    assert len(panel.x) == min(count, MAX_COLUMNS)
    assert panel.mos.mean() == pytest.approx(values.mean(), abs=0.01)
    assert panel.faults.max(axis=0) == pytest.approx(series.faults.max(axis=0))
    assert (panel.low <= panel.mos).all()
    assert (panel.mos <= panel.high).all()


@pytest.mark.parametrize("stills", [True, False])
@pytest.mark.parametrize("mos", [[1.0] * 9, [5.0] * 9, list(np.linspace(1, 5, 12)), [3.0, 1.1] * 8])
def test_labels_stay_inside_of_their_panel(stills: bool, mos: list[float]) -> None:
    series, extremes = run(mos, stills=stills)
    figure = Figure(dpi=100)
    best, worst = extremes.chosen(len(mos))
    drawing._draw(figure, [series], best, worst, "a model")
    figure.canvas.draw()
    panel = figure.axes[0]
    box = panel.get_window_extent()
    labels = [text for text in panel.texts if text.get_text()[:1] in "BW"]
    assert sorted(text.get_text() for text in labels) == sorted(
        f"{letter}{i + 1}" for letter, kept in (("B", best), ("W", worst)) for i in range(len(kept))
    )
    for text in labels:
        extent = text.get_window_extent()
        assert box.y0 <= extent.y0
        assert extent.y1 <= box.y1
        assert extent.x1 <= box.x1 + 4


@pytest.mark.parametrize("model", ["m", "a-model-with-a-very-long-name-0123456789"])
def test_the_title_does_not_run_into_what_follows(model: str) -> None:
    series, extremes = run([2.0, 3.0], stills=True)
    figure = Figure(dpi=100)
    drawing._draw(figure, [series], *extremes.chosen(2), model)
    figure.canvas.draw()
    title = next(text for text in figure.texts if text.get_text() == "LEAF-Edge").get_window_extent()
    about = next(item for item in figure.artists if hasattr(item, "get_text")).get_window_extent()
    assert 8 <= about.x0 - title.x1 <= 40
    assert about.x1 < figure.bbox.x1
