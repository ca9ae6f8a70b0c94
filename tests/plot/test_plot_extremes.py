"""Which frames a plot shows, and its thumbnails."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaf_edge.contract import FAULTS
from leaf_edge.frames import Frame, Roi
from leaf_edge.plot.extremes import APART_S, KEEP, Extremes, thumbnail
from leaf_edge.runtime.score import Score, StageTimes

FRAME = Frame.from_array(np.zeros((4, 6, 3), np.uint8))
mos_values = st.lists(st.integers(100, 500).map(lambda hundredths: hundredths / 100), min_size=1, max_size=60)


def made(mos: float, number: int, time_s: float | None = None, source: str = "clip") -> Score:
    return Score(mos, mos, mos, 0.5, (0.0,) * len(FAULTS), "", number, time_s, source, StageTimes())


def shown(items: list) -> list[tuple[float, str, int]]:
    return [(item.score.mos, item.score.source, item.score.frame) for item in items]


@given(mos_values)
def test_images_are_the_best_and_the_worst_and_none_is_both(values: list[float]) -> None:
    extremes = Extremes()
    for number, mos in enumerate(values):
        extremes.offer(FRAME, made(mos, 0, source=str(number)), still=True)
    best, worst = map(shown, extremes.chosen(len(values)))
    assert [mos for mos, *_ in best] == sorted(values, reverse=True)[: len(best)]
    if len(values) <= KEEP:
        assert (len(best), worst) == (len(values), [])
    else:
        assert [mos for mos, *_ in worst] == sorted(values)[: len(worst)]
        assert not set(best) & set(worst)
        assert len(best) + len(worst) == min(2 * KEEP, len(values))


@given(mos_values, st.sampled_from([0.04, 0.3, 2.0]), st.booleans())
def test_frames_of_a_stream_are_apart_and_the_extremes_among_them(
    values: list[float], step: float, timed: bool
) -> None:
    extremes = Extremes()
    for number, mos in enumerate(values):
        frame = number if timed else round(number * step / 0.04)  # 30 frames are 1.2 s at 25 a second
        extremes.offer(FRAME, made(mos, frame, number * step if timed else None), still=False)
    best, worst = extremes.chosen(len(values))
    assert best[0].score.mos == max(values)
    if len(values) > KEEP and worst:
        assert worst[0].score.mos == min(values)
    for kept in (best, worst):
        times = sorted(item.score.time_s if timed else item.score.frame * 0.04 for item in kept)
        assert all(b - a >= APART_S - 1e-9 for a, b in pairwise(times))


def test_frames_of_two_streams_at_the_same_time_are_different() -> None:
    extremes = Extremes()
    for number in range(6):
        extremes.offer(FRAME, made(3.0, 0, 0.0, source=f"clip{number}"), still=False)
    best, worst = map(shown, extremes.chosen(6))
    assert len({*best, *worst}) == 6


@pytest.mark.parametrize(("height", "width"), [(1, 1), (360, 480), (1080, 1920), (2000, 20), (3, 4000)])
def test_thumbnails_fit_and_keep_their_shape(height: int, width: int) -> None:
    picture = thumbnail(Frame.from_array(np.full((height, width, 3), (200, 100, 50), np.uint8)))
    assert picture.shape[0] <= 360
    assert picture.shape[1] <= 480
    factor = min(1, 480 / width, 360 / height)
    assert picture.shape[:2] == (max(1, round(height * factor)), max(1, round(width * factor)))
    assert (picture == (200, 100, 50)).all()


def test_the_region_is_what_is_shown() -> None:
    pixels = np.zeros((50, 80, 3), np.uint8)
    pixels[10:30, 20:60] = 200
    extremes = Extremes(Roi(20, 10, 40, 20))
    extremes.offer(Frame.from_array(pixels), made(3, 0), still=True)
    picture = extremes.chosen(1)[0][0].picture
    assert picture.shape == (20, 40, 3)
    assert (picture == 200).all()


def test_large_frames_are_not_held() -> None:
    extremes = Extremes()
    extremes.offer(Frame.from_array(np.zeros((2160, 3840, 3), np.uint8)), made(3, 0), still=True)
    kept = extremes.chosen(1)[0][0]
    assert kept._frame is None
    assert kept.picture.nbytes < 1 << 20
