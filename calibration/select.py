"""A distilled student and n human ratings to a calibrated student: three strategies, and which one n carries.

map: the student stays, a curve is fitted. head: joint layer and heads are fitted on features of the frozen
backbone. whole: all weights. Each is judged on ratings that it has not seen; the simplest that is not told
from the best is taken. Map and head are held out in every fold; whole, which is costly, in the first fold
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Curve, Interval
from leaf_edge.calibration.coverage import Coverage, coverage_on, held_out_coverage
from leaf_edge.calibration.curve import Folds, fit_curve
from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.calibration.finetune import outputs
from leaf_edge.calibration.interval import fit_interval
from leaf_edge.calibration.judge import Candidate, Judged, Verdict, grouped_folds, judge
from leaf_edge.calibration.strategies import CalibrateOptions, RatedPicture, Told, Work
from leaf_edge.calibration.whole import Settled, StoreLabels
from leaf_edge.student.network import Student

__all__ = ["CalibrateOptions", "Calibration", "RatedPicture", "calibrate_student", "check_on"]


@dataclass(frozen=True)
class Calibration:
    """The result. strategy: with its setting, as in the table. verdicts: cross-validation, and then the
    comparison with `whole` where it was tried. coverage: held out, by subset. order: share of chain
    neighbours in order. settled: of the whole fine-tune that was tried."""

    student: Student
    strategy: str
    curve: Curve
    interval: Interval
    verdicts: tuple[Verdict, ...]
    chosen: Judged
    coverage: tuple[Coverage, ...]
    order: dict[str, float]
    labels: int
    not_tried: str = ""
    settled: Settled | None = None

    @property
    def why(self) -> str:
        """Every choice with its rule and figures."""
        shapes = self.chosen.shapes.why if self.chosen.shapes else ""
        left_out = [f"Whole fine-tune was not tried: {self.not_tried}."] if self.not_tried else []
        return "\n".join([*(verdict.why for verdict in self.verdicts), *left_out, f"Curve: {shapes}"])

    def to_json(self, options: CalibrateOptions) -> dict[str, Any]:
        """What calibration.json holds; plain values."""
        return {
            "strategy": self.strategy,
            "labels": self.labels,
            "why": self.why,
            "table": [row for verdict in self.verdicts[:1] for row in verdict.table],
            "whole": self.verdicts[1].table if len(self.verdicts) > 1 else [],
            "shapes": [asdict(row) for row in self.chosen.shapes.table] if self.chosen.shapes else [],
            "curve": self.curve.to_json(),
            "interval": self.interval.to_json(),
            "coverage": [row.to_json() for row in self.coverage],
            "order_kept": self.order,
            "options": asdict(options) | ({"whole": asdict(self.settled)} if self.settled else {}),
            "seed": options.seed,
        }


def calibrate_student(
    student: Student,
    samples: Sequence[RatedPicture],
    folder: Path,
    options: CalibrateOptions | None = None,
    labels: StoreLabels | None = None,
    told: Told = lambda stage, done, total: None,
) -> Calibration:
    """Calibrates `student` on rated pictures that it was not trained on.

    folder: keeps features and the state of a whole fine-tune, so that a run that was stopped goes on.
    labels: a teacher's, an anchor of the whole fine-tune. Deterministic by seed.
    Raises `CalibrationError` for ratings that cannot be calibrated on, ValueError for files that are no
    pictures.
    """
    options = options or CalibrateOptions()
    work = Work(student, samples, folder, options, told)
    candidates = [Candidate("map", *outputs(student, work.features))] if "map" in options.strategies else []
    if "head" in options.strategies:
        candidates += work.heads()
    verdicts: list[Verdict] = []
    if candidates:
        verdicts.append(judge(candidates, work.mos, work.folds))
    whole = work.whole(labels) if "whole" in options.strategies else None
    if whole is not None:
        at = work.folds[0]
        rivals = [_at(candidates, verdicts[0], at)] if verdicts else []
        inner = grouped_folds([samples[i].group for i in at], options.folds, options.seed)
        verdicts.append(judge([*rivals, whole[1]], work.mos[at], inner))
        if verdicts[-1].chosen.name == "whole":
            return _result(work, whole[0], verdicts, at, inner)
    if not verdicts:
        raise CalibrationError(
            f"whole fine-tune is the only strategy, and cannot be taken: {work.why_not_whole}"
        )
    chosen = verdicts[0].chosen.name
    final = student
    if chosen.startswith("head"):
        told("head, all ratings", 0, 1)
        final = work.head(np.arange(len(samples)), _strength(chosen))
    return _result(work, final, verdicts, np.arange(len(samples)), work.folds)


def _result(
    work: Work, student: Student, verdicts: list[Verdict], at: NDArray[np.intp], folds: Folds
) -> Calibration:
    """Curve and interval from outputs that were held out, for the ratings `at`."""
    whole = len(verdicts) > 1 and verdicts[-1].chosen.name == "whole"
    chosen = (verdicts[-1] if whole else verdicts[0]).chosen
    if chosen.shapes is None or chosen.mos is None:
        raise CalibrationError(chosen.note)
    mos, o = work.mos[at], work.options
    unit = _in_units_of(student, work, chosen.spread) if chosen.name.startswith("head") else chosen.spread
    interval = fit_interval(chosen.mos, unit, mos, o.coverage, o.floor)
    subsets = [work.samples[i].subset for i in at]
    coverage = held_out_coverage(chosen.mos, chosen.spread, mos, folds, subsets, o.coverage, o.floor)
    return Calibration(
        student,
        chosen.name,
        fit_curve(chosen.raw, mos, chosen.shapes.shape),
        interval,
        tuple(verdicts),
        chosen,
        coverage,
        work.order,
        len(work.samples),
        work.why_not_whole,
        work.settled,
    )


def _in_units_of(student: Student, work: Work, spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Held-out spreads [n], rescaled to the mean of what `student` says of the same pictures.

    A head that is fitted on all ratings gives larger spreads than those of the folds, which had fewer (by
    6 to 12 % with 500 ratings and five folds), though its errors are no larger: a quantile in the folds'
    unit would make its intervals too wide.
    """
    own = outputs(student, work.features)[1]
    rescaled: NDArray[np.float64] = spread * (own.mean() / spread.mean())
    return rescaled


def _at(candidates: Sequence[Candidate], verdict: Verdict, at: NDArray[np.intp]) -> Candidate:
    """The winner of a verdict, on some of its ratings."""
    won = next(c for c in candidates if c.name == verdict.chosen.name)
    return Candidate(won.name, won.raw[at], won.spread[at])


def _strength(name: str) -> float:
    return float(name.removeprefix("head "))


def check_on(
    calibration: Calibration, features: NDArray[np.float32], samples: Sequence[RatedPicture]
) -> tuple[dict[str, float], tuple[Coverage, ...]]:
    """Agreement and coverage on rated pictures that took no part: features [n, 2, head] of
    `calibration.student`.

    Returns srcc, plcc, krcc, rmse (MOS), pictures; and the coverage by subset.
    """
    from leaf_edge.evaluation.metrics import agreement

    raw, spread = outputs(calibration.student, features)
    mos, predicted = np.array([s.mos for s in samples]), calibration.curve(raw)
    rows = coverage_on(calibration.interval, predicted, spread, mos, [s.subset for s in samples])
    found = agreement(predicted, mos)
    names = ("srcc", "plcc", "krcc", "rmse")
    return {name: float(getattr(found, name)) for name in names} | {"pictures": len(samples)}, rows
