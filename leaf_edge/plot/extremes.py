"""The best and the worst frames of a stream, kept while it goes by."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import Frame, Roi
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.runtime.score import Score

KEEP = 4
"""Frames that are kept at each end."""
APART_S = 1.0
APART_FRAMES = 30
"""Frames of one stream that are closer than this show the same thing; the frames count where there
are no times."""

_WIDTH, _HEIGHT = 480, 360
"""Largest size of a thumbnail, in pixels."""
_MAX_HELD_BYTES = 8 << 20
"""A frame up to this size is held as it is and converted at the end, if it is still among the kept."""


@dataclass
class Candidate:
    """A frame that may be shown. still: an image, which nothing else looks like."""

    score: Score
    still: bool
    _frame: Frame | None
    _picture: NDArray[np.uint8] | None
    _roi: Roi | None

    @classmethod
    def of(cls, frame: Frame, score: Score, still: bool, roi: Roi | None) -> Candidate:
        """Holds the frame or, where that is large, its thumbnail."""
        if sum(plane.nbytes for plane in frame.planes) > _MAX_HELD_BYTES:
            return cls(score, still, None, thumbnail(frame, roi), None)
        return cls(score, still, frame, None, roi)

    @property
    def picture(self) -> NDArray[np.uint8]:
        """RGB, uint8 [height, width, 3], at most 480 x 360."""
        if self._picture is None:
            assert self._frame is not None
            self._picture, self._frame = thumbnail(self._frame, self._roi), None
        return self._picture

    def like(self, other: Score) -> bool:
        """Whether this frame and that of `other` show the same thing."""
        mine = self.score
        if self.still or mine.source != other.source:
            return False
        if mine.time_s is not None and other.time_s is not None:
            return abs(mine.time_s - other.time_s) < APART_S
        return abs(mine.frame - other.frame) < APART_FRAMES


class Extremes:
    """Keeps the `KEEP` best and the `KEEP` worst frames that were offered."""

    def __init__(self, roi: Roi | None = None) -> None:
        self._roi = roi
        self._best: list[Candidate] = []
        self._worst: list[Candidate] = []

    def offer(self, frame: Frame, score: Score, *, still: bool) -> None:
        """Take a frame into account."""
        # Of equal scores the first are the best and the last the worst, so that they are different frames.
        for kept, sign, newer in ((self._best, 1.0, False), (self._worst, -1.0, True)):
            alike = [item for item in kept if not still and item.like(score)]
            if any(sign * score.mos <= sign * item.score.mos for item in alike):
                continue
            least = kept[-1:] if len(kept) == KEEP and not alike else []
            if any(
                sign * score.mos < sign * item.score.mos or (score.mos == item.score.mos and not newer)
                for item in least
            ):
                continue
            # A frame takes the place of those that look like it, or else of the least.
            kept[:] = [item for item in kept if item not in alike and item not in least]
            kept.insert(0 if newer else len(kept), Candidate.of(frame, score, still, self._roi))
            kept.sort(key=lambda item: -sign * item.score.mos)

    def chosen(self, frames: int) -> tuple[list[Candidate], list[Candidate]]:
        """(best, worst) of `frames` frames in all, best first and worst first, none in both."""
        if frames <= KEEP:
            return list(self._best), []
        best, worst = list(self._best), list(self._worst)
        for item in self._best:
            other = next((other for other in worst if _same(item, other)), None)
            if other is None:
                continue
            # It stays where it ranks higher, or else where fewer are.
            rank_best, rank_worst = best.index(item), worst.index(other)
            if (rank_best, len(best)) > (rank_worst, len(worst)):
                best.remove(item)
            else:
                worst.remove(other)
        return best, worst


def thumbnail(frame: Frame, roi: Roi | None = None) -> NDArray[np.uint8]:
    """A small RGB picture of a frame or of a region of it."""
    picture = to_rgb(frame)
    if roi is not None:
        picture = picture[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]
    height, width = picture.shape[:2]
    factor = min(1.0, _WIDTH / width, _HEIGHT / height)
    if factor == 1.0:
        return np.ascontiguousarray(picture)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _same(one: Candidate, other: Candidate) -> bool:
    return (one.score.source, one.score.frame) == (other.score.source, other.score.frame)
