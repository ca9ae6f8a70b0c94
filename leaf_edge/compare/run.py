"""Frames through two engines."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Curve
from leaf_edge.compare.engines import Side
from leaf_edge.compare.limits import Limits
from leaf_edge.compare.result import Comparison, Difference, ViewsFound, WorstFrame, failures_of
from leaf_edge.compare.views import Views
from leaf_edge.contract import FAULTS
from leaf_edge.frames.frame import Frame
from leaf_edge.runtime.engine import RawOutputs

QUANTILES = np.linspace(0.3, 0.7, 9)
"""Of the first engine's scores: where gates are put when none is stated, as the export does."""
Viewer = Callable[[Frame], Views]


@dataclass
class KeptViews:
    """Views of the frames on which two engines differ most, for a look at their layers.

    most: how many are kept. After a comparison `views` has them, worst first, [K, 2, 3, 224, 224].
    """

    most: int
    _heap: list[tuple[float, int, Views]] = field(default_factory=list)

    def offer(self, change: float, number: int, views: Views) -> None:
        """Keep `views` if they are among the worst so far."""
        entry = (change, -number, views)  # of equals the first frame
        if len(self._heap) < self.most:
            heapq.heappush(self._heap, entry)
        elif self._heap and entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    @property
    def views(self) -> NDArray[np.uint8]:
        """uint8 [K, 2, 3, 224, 224], worst frame first. Raises ValueError where nothing was kept."""
        return np.stack([entry[2] for entry in sorted(self._heap, key=lambda e: e[:2], reverse=True)])


def compare_frames(
    frames: Iterable[tuple[str, Frame]],
    sides: tuple[Side, Side],
    viewers: tuple[tuple[str, Viewer], tuple[str, Viewer]],
    *,
    limits: Limits | None = None,
    thresholds: Sequence[float] = (),
    judge_flips: bool | None = None,
    worst: int = 5,
    keep: KeptViews | None = None,
) -> Comparison:
    """Every frame through both engines, each fed with the views of its own maker, one frame at a time.

    frames: name and frame. viewers: name and function of both sides (`make_viewer`).
    limits: default `Limits()`, or `Limits.against_float()` where one side is float.
    thresholds: of gates, in MOS; none: nine at quantiles of the first side's scores (`QUANTILES`).
    judge_flips: whether the share of flips is held against its limit; None: where thresholds are stated or
        the frames are enough for it (`Limits.least_frames`).
    worst: frames to name. keep: filled with the views of the frames that differ most.
    Raises ValueError where there is no frame or neither side has a curve.
    """
    a, b = sides
    curves = _curves(a, b)
    limits = limits or (Limits.against_float() if None in (a.curve, b.curve) else Limits())
    names: list[str] = []
    raw: tuple[list[RawOutputs], list[RawOutputs]] = ([], [])
    found = ViewsFound()
    for number, (name, frame) in enumerate(frames):
        views = [viewer(frame) for _, viewer in viewers]
        found = _compare_views(found, name, views[0], views[1])
        outputs = [side.run(v[np.newaxis]) for side, v in zip(sides, views, strict=True)]
        names.append(name)
        for kept, output in zip(raw, outputs, strict=True):
            kept.append(output)
        if keep is not None:
            scores = [curve(float(o.mos[0])) for curve, o in zip(curves, outputs, strict=True)]
            keep.offer(abs(scores[1] - scores[0]), number, views[0])
    if not names:
        raise ValueError("there is no frame to compare")
    joined = [RawOutputs(*(np.concatenate(head) for head in zip(*kept, strict=True))) for kept in raw]
    mos = [curve(outputs.mos) for curve, outputs in zip(curves, joined, strict=True)]
    gates = np.array(thresholds, np.float64) if len(thresholds) else np.quantile(mos[0], QUANTILES)
    flips = ((mos[0][:, None] >= gates) != (mos[1][:, None] >= gates)).mean(0)
    if judge_flips is None:
        judge_flips = bool(len(thresholds)) or len(names) >= limits.least_frames
    change = Difference.between(*mos)
    return Comparison(
        engines=(a.name, b.name),
        kernels=(viewers[0][0], viewers[1][0]),
        frames=len(names),
        views=found,
        outputs=_outputs(*joined),
        mos=change,
        bias=float((mos[1] - mos[0]).mean()),
        thresholds=tuple(map(float, gates)),
        flips=tuple(map(float, flips)),
        limits=limits,
        judged=judge_flips,
        worst=_worst(names, joined, mos, worst),
        skipped=(),
        failures=failures_of(found, change, float(flips.mean()), limits, judge_flips, len(names)),
    )


def _curves(a: Side, b: Side) -> tuple[Curve, Curve]:
    """Of both sides; a side without one takes the other's."""
    first, second = a.curve or b.curve, b.curve or a.curve
    if first is None or second is None:
        raise ValueError("float has no curve of its own; compare it with an engine of the bundle")
    return first, second


def _compare_views(so_far: ViewsFound, name: str, a: Views, b: Views) -> ViewsFound:
    if np.array_equal(a, b):
        return so_far
    difference = np.abs(a.astype(np.int16) - b)
    return ViewsFound(
        so_far.frames + 1,
        so_far.bytes + int(np.count_nonzero(difference)),
        max(so_far.largest, int(difference.max())),
        so_far.first or name,
    )


def _outputs(a: RawOutputs, b: RawOutputs) -> dict[str, Difference]:
    heads = {
        "mos": Difference.between(a.mos, b.mos),
        "spread": Difference.between(a.spread, b.spread),
        "faults": Difference.between(a.faults, b.faults),
    }
    faults = {fault: Difference.between(a.faults[:, i], b.faults[:, i]) for i, fault in enumerate(FAULTS)}
    return heads | faults


def _worst(
    names: Sequence[str], raw: Sequence[RawOutputs], mos: Sequence[NDArray[Any]], most: int
) -> tuple[WorstFrame, ...]:
    order = np.argsort(-np.abs(mos[1] - mos[0]), kind="stable")[:most]
    frames = []
    for i in map(int, order):
        changes = raw[1].faults[i] - raw[0].faults[i]
        fault = int(np.abs(changes).argmax())
        frames.append(
            WorstFrame(
                names[i],
                i,
                (float(mos[0][i]), float(mos[1][i])),
                (float(raw[0].mos[i]), float(raw[1].mos[i])),
                FAULTS[fault],
                float(changes[fault]),
            )
        )
    return tuple(frames)
