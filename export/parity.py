"""Acceptance (contract 3): what each encoding loses against the float student, and stated budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Curve
from leaf_edge.contract import FAULTS
from leaf_edge.evaluation.metrics import agreement

Outputs = Mapping[str, NDArray[np.float32]]
"""Raw outputs by name, as `run_model` returns them."""
FLOAT = "onnx"
"""The name of the float32 graph among the engines."""
_QUANTILES = np.linspace(0.3, 0.7, 9)
"""Of the float scores: thresholds where frames lie densest, so that most flip. One threshold alone
counts a handful of frames, and luck decides."""

_LEAST_BUDGET = 1e-3
"""What a budget of nothing counts as, where an excess is a share of it."""


@dataclass(frozen=True)
class Budgets:
    """What an INT8 encoding may lose on the validation set.

    srcc_loss: of the rank correlation with human MOS. mos_mean, mos_max: absolute change in MOS,
    1..5. fault_mean: absolute change of the severities, 0..1. flips: share of frames on the other
    side of a gate's threshold, mean over the thresholds. pair_mean, pair_max, pair_flips: the same of
    one INT8 encoding against the other; each may stray to its own side, hence more.
    """

    srcc_loss: float = 0.003
    mos_mean: float = 0.03
    mos_max: float = 0.25
    fault_mean: float = 0.02
    flips: float = 0.02
    pair_mean: float = 0.045
    pair_max: float = 0.35
    pair_flips: float = 0.03


@dataclass(frozen=True)
class Row:
    """One engine against another; the fields are those of `Budgets`. flips_max: at the worst threshold."""

    engine: str
    against: str
    srcc: float
    srcc_loss: float
    mos_mean: float
    mos_max: float
    fault_mean: float
    fault_max: float
    flips: float
    flips_max: float


@dataclass(frozen=True)
class Parity:
    """frames: of the validation set. thresholds: MOS at which a gate was put. failures: a sentence
    for each budget that is exceeded; empty means accepted. codes: of the failures, one each."""

    frames: int
    thresholds: tuple[float, ...]
    budgets: Budgets
    rows: tuple[Row, ...]
    failures: tuple[str, ...]
    codes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def to_text(self) -> str:
        """The table for people."""
        head = ("engine", "against", "SRCC", "loss", "mean dMOS", "max dMOS", "mean dfault", "max", "flips")
        lines = ["{:<7}{:<8}{:>8}{:>9}{:>11}{:>10}{:>13}{:>8}{:>8}{:>8}".format(*head, "max")]
        for r in self.rows:
            lines.append(
                f"{r.engine:<7}{r.against:<8}{r.srcc:>8.4f}{r.srcc_loss:>9.4f}{r.mos_mean:>11.4f}"
                f"{r.mos_max:>10.4f}{r.fault_mean:>13.4f}{r.fault_max:>8.4f}{r.flips:>8.2%}{r.flips_max:>8.2%}"
            )
        b = self.budgets
        lines.append(
            f"{'budget':<23}{b.srcc_loss:>9.4f}{b.mos_mean:>11.4f}{b.mos_max:>10.4f}"
            f"{b.fault_mean:>13.4f}{'':>8}{b.flips:>8.2%}"
        )
        lines.append(f"{'budget, encodings':<32}{b.pair_mean:>11.4f}{b.pair_max:>10.4f}{b.pair_flips:>29.2%}")
        first, last = self.thresholds[0], self.thresholds[-1]
        where = (
            f"MOS {first:.2f}" if first == last else f"{len(self.thresholds)} MOS, {first:.2f} to {last:.2f}"
        )
        lines.append(f"{self.frames} frames; gates at {where}; each engine by its own curve")
        return "\n".join(lines)


def compare(
    outputs: Mapping[str, Outputs],
    curves: Mapping[str, Curve],
    mos: NDArray[Any],
    *,
    threshold: float | None = None,
    budgets: Budgets | None = None,
) -> Parity:
    """Compares engines on the same validation views.

    outputs: by engine; `onnx` (the float32 graph) must be among them, `torch` is compared with it
        where present, and all others are INT8 encodings that must keep the budgets.
    curves: of each engine; torch uses that of `onnx`.
    mos: human MOS [N]. threshold: of the gate, in MOS; by default nine of them, at quantiles of the
        float scores (`_QUANTILES`).
    """
    reference = outputs[FLOAT]
    scores = {n: curves[FLOAT if n == "torch" else n](np.asarray(o["mos"])) for n, o in outputs.items()}
    limits = np.quantile(scores[FLOAT], _QUANTILES) if threshold is None else np.array([threshold])
    budgets = budgets or Budgets()
    human = np.asarray(mos, np.float64)
    base = agreement(reference["mos"], human).srcc

    def row(name: str, against: str) -> Row:
        change = np.abs(scores[name] - scores[against])
        faults = np.abs(outputs[name]["faults"] - outputs[against]["faults"])
        own = agreement(outputs[name]["mos"], human).srcc
        accepted, wanted = (scores[n][:, None] >= limits for n in (name, against))
        flips = (accepted != wanted).mean(0)
        return Row(
            name,
            against,
            own,
            base - own,
            float(change.mean()),
            float(change.max()),
            float(faults.mean()),
            float(faults.max()),
            float(flips.mean()),
            float(flips.max()),
        )

    encodings = [n for n in outputs if n not in (FLOAT, "torch")]
    rows = [row(n, FLOAT) for n in outputs]
    broken = [f for r in rows if r.engine in encodings for f in _failures(r.engine, _loss(r, budgets))]
    for i, name in enumerate(encodings):
        for other in encodings[i + 1 :]:
            rows.append(row(other, name))
            broken += _failures(f"{name} and {other}", _difference(rows[-1], budgets))
    failures, codes = tuple(text for _, text in broken), tuple(code for code, _ in broken)
    return Parity(len(human), tuple(map(float, limits)), budgets, tuple(rows), failures, codes)


_Checks = tuple[tuple[str, str, float, float], ...]
"""Code, what, its value, its budget."""


def _loss(r: Row, b: Budgets) -> _Checks:
    return (
        ("LEAF_E_EXPORT_SRCC_LOSS", "SRCC loss", r.srcc_loss, b.srcc_loss),
        ("LEAF_E_EXPORT_MOS_MEAN", "mean change in MOS", r.mos_mean, b.mos_mean),
        ("LEAF_E_EXPORT_MOS_MAX", "largest change in MOS", r.mos_max, b.mos_max),
        ("LEAF_E_EXPORT_FAULT_MEAN", f"mean change of the {len(FAULTS)} faults", r.fault_mean, b.fault_mean),
        ("LEAF_E_EXPORT_FLIPS", "share of gate decisions that flip", r.flips, b.flips),
    )


def _difference(r: Row, b: Budgets) -> _Checks:
    return (
        ("LEAF_E_EXPORT_PAIR_MEAN", "mean difference in MOS", r.mos_mean, b.pair_mean),
        ("LEAF_E_EXPORT_PAIR_MAX", "largest difference in MOS", r.mos_max, b.pair_max),
        ("LEAF_E_EXPORT_PAIR_FLIPS", "share of gate decisions that differ", r.flips, b.pair_flips),
    )


def excess(parity: Parity, encoding: str) -> float:
    """How far an encoding is beyond its own budgets: what each is exceeded by, as a share of it, summed. 0
    where all hold, infinite where a figure is none."""
    total = 0.0
    for row in parity.rows:
        if row.engine == encoding and row.against == FLOAT:
            for _, _, value, limit in _loss(row, parity.budgets):
                over = (value - limit) / max(limit, _LEAST_BUDGET)
                total += max(0.0, over) if over == over else float("inf")
    return total


def _failures(who: str, checks: _Checks) -> list[tuple[str, str]]:
    # `not <=`: a NaN fails
    return [
        (code, f"{who}: {what} is {value:.4f}; at most {limit:g}")
        for code, what, value, limit in checks
        if not value <= limit
    ]
