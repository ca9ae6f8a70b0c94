"""Label-budget curves: what a method reaches with how many human labels, over several seeds.

In: JSON Lines, a row a run: `method` (words), `budget` (share of the labels 0..1, or their number), `seed`
(whole), `srcc`, and where known `plcc` and `labels` (their number). Out: mean and 95 % interval of the mean
over seeds (Student's t), as a table and a plot.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaf_edge.evaluation.bootstrap import Estimate
from leaf_edge.extras import require

CONFIDENCE = 0.95
METRICS = ("srcc", "plcc")
_KNOWN = ("method", "budget", "seed", "srcc", "plcc", "labels")
ADVISED_SEEDS = 5


class BudgetRowsError(OSError, ValueError):
    """A file of runs cannot be used; the message names file and line."""


@dataclass(frozen=True)
class Run:
    """One trained student. plcc, labels: None where the row does not say."""

    method: str
    budget: float
    seed: int
    srcc: float
    plcc: float | None
    labels: int | None


@dataclass(frozen=True)
class Point:
    """A method at a budget. srcc, plcc: mean over seeds with its interval (no interval of one seed).

    seeds: how many. labels: their number where all rows agree. of_full: mean SRCC as a share of the
    method's mean SRCC at its largest budget; None for that one and where it is not positive.
    """

    method: str
    budget: float
    seeds: int
    labels: int | None
    srcc: Estimate
    plcc: Estimate | None
    of_full: float | None


@dataclass(frozen=True)
class Difference:
    """SRCC of `method` less that of `against` at a budget, over the seeds that both have."""

    method: str
    against: str
    budget: float
    seeds: int
    srcc: Estimate


@dataclass(frozen=True)
class Curves:
    """points: by method in order of first appearance, then by budget. shares: budgets are shares of
    the labels, not numbers of them. notes: what a reader should know."""

    points: tuple[Point, ...]
    shares: bool
    notes: tuple[str, ...]

    @property
    def methods(self) -> list[str]:
        """Names in order of first appearance."""
        return list(dict.fromkeys(point.method for point in self.points))

    def budget_words(self, budget: float) -> str:
        """`10 %` of a share, `500` of a number."""
        return f"{100 * budget:.4g} %" if self.shares else f"{budget:.0f}"


def read_runs(path: Path) -> list[Run]:
    """The rows of `path`. Raises FileNotFoundError, `BudgetRowsError` naming the line."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found; expected JSON Lines with {', '.join(_KNOWN[:4])}")
    runs: list[Run] = []
    seen: dict[tuple[str, float, int], int] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise BudgetRowsError(f"{path}: not a text file") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        run = _run(line, where)
        first = seen.setdefault((run.method, run.budget, run.seed), number)
        if first != number:
            raise BudgetRowsError(f"{where}: the same method, budget and seed as line {first}")
        runs.append(run)
    if not runs:
        raise BudgetRowsError(f"{path} has no rows")
    return runs


def _run(line: str, where: str) -> Run:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        raise BudgetRowsError(f"{where}: not JSON") from None
    if not isinstance(row, dict):
        raise BudgetRowsError(f"{where}: expected an object with {', '.join(_KNOWN[:4])}")

    def number(name: str, low: float, high: float, *, whole: bool = False) -> float:
        value: Any = row.get(name)
        good = isinstance(value, int) if whole else isinstance(value, int | float)
        if not good or isinstance(value, bool) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            raise BudgetRowsError(f"{where}: {name} is {value!r}; expected {kind} from {low:g} to {high:g}")
        return float(value)

    method = row.get("method")
    if not isinstance(method, str) or not method.strip():
        raise BudgetRowsError(f"{where}: method is {method!r}; expected a name")
    return Run(
        method.strip(),
        number("budget", 0, 1e9),
        int(number("seed", 0, 2**53, whole=True)),
        number("srcc", -1, 1),
        None if row.get("plcc") is None else number("plcc", -1, 1),
        None if row.get("labels") is None else int(number("labels", 0, 1e9, whole=True)),
    )


def mean_interval(values: Sequence[float]) -> Estimate:
    """Mean, and Student's t interval of it; without an interval for one value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean)
    t = float(require("scipy.stats", "train").t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    half = t * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def curves(runs: Sequence[Run]) -> Curves:
    """Runs pooled by method and budget. Budgets are shares where none is above 1, else numbers.

    Raises `BudgetRowsError` where numbers of labels and shares are mixed.
    """
    shares = max(run.budget for run in runs) <= 1
    broken = next((run.budget for run in runs if not shares and run.budget % 1), None)
    if broken is not None:
        raise BudgetRowsError(
            f"budgets mix shares ({broken:g}) and numbers of labels; expected one of the two"
        )
    cells: dict[str, dict[float, list[Run]]] = {}
    for run in runs:
        cells.setdefault(run.method, {}).setdefault(run.budget, []).append(run)
    points = []
    for method, by_budget in cells.items():
        largest = max(by_budget)
        full = float(np.mean([run.srcc for run in by_budget[largest]]))
        for budget, group in sorted(by_budget.items()):
            srcc = mean_interval([run.srcc for run in group])
            plcc = [run.plcc for run in group if run.plcc is not None]
            labels = {run.labels for run in group}
            points.append(
                Point(
                    method,
                    budget,
                    len(group),
                    labels.pop() if len(labels) == 1 else None,
                    srcc,
                    mean_interval(plcc) if len(plcc) == len(group) else None,
                    srcc.value / full if full > 0 and budget != largest else None,
                )
            )
    notes = []
    fewest = min(point.seeds for point in points)
    if fewest < ADVISED_SEEDS:
        notes.append(f"the fewest seeds at a budget are {fewest}; {ADVISED_SEEDS} or more are advised")
    if len({point.seeds for point in points}) > 1:
        notes.append("methods and budgets do not all have the same number of seeds")
    return Curves(tuple(points), shares, tuple(notes))


def differences(runs: Sequence[Run], against: str) -> list[Difference]:
    """Each other method less `against`, paired by seed at every budget that both have.

    Raises `BudgetRowsError` where no run has that method.
    """
    value = {(run.method, run.budget, run.seed): run.srcc for run in runs}
    methods = list(dict.fromkeys(run.method for run in runs))
    if against not in methods:
        raise BudgetRowsError(f"no runs of {against!r} to compare with; the methods are {', '.join(methods)}")
    result = []
    for method in (name for name in methods if name != against):
        for budget in sorted({run.budget for run in runs if run.method == method}):
            pairs = [
                srcc - value[against, budget, seed]
                for (name, at, seed), srcc in value.items()
                if (name, at) == (method, budget) and (against, budget, seed) in value
            ]
            if pairs:
                result.append(Difference(method, against, budget, len(pairs), mean_interval(pairs)))
    return result


def as_json(found: Curves, compared: Sequence[Difference] = ()) -> dict[str, Any]:
    """Plain values of the table; an undefined interval is None."""

    def estimate(e: Estimate | None) -> dict[str, float | None] | None:
        if e is None:
            return None
        known = math.isfinite(e.low)
        return {"mean": e.value, "low": e.low if known else None, "high": e.high if known else None}

    return {
        "budget": "share" if found.shares else "labels",
        "confidence": CONFIDENCE,
        "points": [
            {
                **{"method": p.method, "budget": p.budget, "labels": p.labels, "seeds": p.seeds},
                **{"srcc": estimate(p.srcc), "plcc": estimate(p.plcc), "of_full": p.of_full},
            }
            for p in found.points
        ],
        "differences": [
            {
                **{"method": d.method, "against": d.against, "budget": d.budget, "seeds": d.seeds},
                "srcc": estimate(d.srcc),
            }
            for d in compared
        ],
        "notes": list(found.notes),
    }
