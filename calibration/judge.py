"""Which of several calibrated students to take: by held-out error, the simplest that is not told from the
best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.calibration.curve import Folds, ShapeChoice, compare_shapes, held_out_mos
from leaf_edge.calibration.curve_shapes import Floats
from leaf_edge.calibration.errors import CalibrationError


@dataclass(frozen=True)
class Candidate:
    """name: of the strategy, with its setting. raw, spread: of n rated pictures, each by a student that was
    not fitted on it, [n]. note: why it may not be taken, or ""."""

    name: str
    raw: Floats
    spread: Floats
    note: str = ""


@dataclass(frozen=True)
class Judged:
    """A candidate with its curve. mos: held-out, [n]. squared: held-out squared error, [n]. None where the
    candidate cannot be calibrated (`note` says why)."""

    name: str
    note: str
    shapes: ShapeChoice | None
    mos: Floats | None
    squared: Floats | None
    raw: Floats
    spread: Floats

    def to_json(self, best: Judged) -> dict[str, Any]:
        """One row of the table, errors in MOS; gap and its standard error in MOS squared, to the best one."""
        row: dict[str, Any] = {"strategy": self.name, "note": self.note}
        if self.squared is not None and self.shapes is not None and best.squared is not None:
            gap, error = _gap(self.squared, best.squared)
            row |= {
                "rmse": float(np.sqrt(self.squared.mean())),
                "gap": gap,
                "standard_error": error,
                "shape": self.shapes.shape,
            }
        return row


@dataclass(frozen=True)
class Verdict:
    """chosen: the candidate to take. rows: all of them, simplest first. why: the rule, with figures."""

    chosen: Judged
    best: Judged
    rows: tuple[Judged, ...]
    why: str

    @property
    def table(self) -> list[dict[str, Any]]:
        return [row.to_json(self.best) for row in self.rows]


def judge(candidates: Sequence[Candidate], mos: NDArray[Any], folds: Folds) -> Verdict:
    """The simplest candidate whose held-out squared error is within one standard error of the least.

    candidates: simplest first, outputs for human MOS [n]. folds: in which curves are held out; the same that
    the outputs were held out in. The standard error is that of the paired difference.
    Raises `CalibrationError` where no candidate can be calibrated, with the first one's reason.
    """
    y = np.asarray(mos, np.float64)
    rows: list[Judged] = []
    reasons: list[CalibrationError] = []
    for c in candidates:
        try:
            shapes = compare_shapes(c.raw, y, folds)
        except CalibrationError as refusal:
            reasons.append(refusal)
            rows.append(Judged(c.name, c.note or str(refusal), None, None, None, c.raw, c.spread))
            continue
        held_out = held_out_mos(c.raw, y, shapes.shape, folds)
        rows.append(Judged(c.name, c.note, shapes, held_out, (held_out - y) ** 2, c.raw, c.spread))
    free = [(row, row.squared) for row in rows if row.squared is not None and not row.note]
    if not free:
        raise reasons[0] if reasons else CalibrationError("; ".join(row.note for row in rows))
    best, least = min(free, key=lambda pair: float(pair[1].mean()))
    chosen, squared = next(pair for pair in free if _near(*_gap(pair[1], least)))
    figures = ", ".join(f"{row.name} {float(np.sqrt(s.mean())):.3f}" for row, s in free)
    why = f"{chosen.name} is the only one that can be taken" if len(free) == 1 else ""
    if not why and chosen is best:
        why = (
            f"{chosen.name} has the least held-out error, and no simpler one is within a standard error of it"
        )
    elif not why:
        gap, error = _gap(squared, least)
        why = (
            f"{chosen.name} is the simplest one within a standard error of the best, {best.name} "
            f"(gap {gap:.4f}, standard error {error:.4f} of the squared error)"
        )
    left_out = "".join(f" {row.name} is left out: {row.note}." for row in rows if row.note)
    text = f"{why}. Held-out RMSE in MOS with {len(y)} labels: {figures}.{left_out}"
    return Verdict(chosen, best, tuple(rows), text)


def _gap(squared: Floats, least: Floats) -> tuple[float, float]:
    gap = squared - least
    return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(len(gap)))


def _near(gap: float, error: float) -> bool:
    return gap <= error


def grouped_folds(groups: Sequence[str], count: int, seed: int) -> list[NDArray[np.intp]]:
    """At most `count` folds of nearly equal size in which pictures of one group stay together: positions of
    each.

    Raises `CalibrationError` for fewer than two groups.
    """
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    if len(members) < 2:
        raise CalibrationError(
            "all pictures are of one group: nothing can be held out; rate other scenes too"
        )
    names = sorted(members)
    order = np.random.default_rng([seed, 7]).permutation(len(names))
    sized = sorted((names[i] for i in order), key=lambda name: -len(members[name]))
    folds: list[list[int]] = [[] for _ in range(min(count, len(members)))]
    for name in sized:
        min(folds, key=len).extend(members[name])
    return [np.array(sorted(fold), np.intp) for fold in folds]
