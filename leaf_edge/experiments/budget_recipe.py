"""The recipe of a label-budget experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

from leaf_edge.student.joint_recipe import BatchSizes, Start, Terms
from leaf_edge.teacher.simulation import SimulationConfig


class Method(NamedTuple):
    """points, pairs: kinds of labels that teach. reliability: whether they count by it. honest: whether it
    follows the teacher's error, or tells nothing (`shuffled`)."""

    points: bool = True
    pairs: bool = True
    reliability: bool = True
    honest: bool = True


METHODS: dict[str, Method] = {
    "joint": Method(),
    "points": Method(pairs=False),
    "pairs": Method(points=False),
    "joint, no weights": Method(reliability=False),
    "joint, shuffled weights": Method(honest=False),
    "points, no weights": Method(pairs=False, reliability=False),
    "pairs, no weights": Method(points=False, reliability=False),
}
"""Ways to distil without a rating."""
RATED: tuple[str, ...] = ("joint + head", "averaged + head", "ratings alone")
"""Ways to use n ratings: fine-tune the distilled student's heads; the same after distilling once more from
the mean of teacher and fine-tuned student; or no teacher at all."""


@dataclass(frozen=True)
class BudgetRecipe:
    """data: rated photographs with a validation split. teacher: what the simulated teacher is like (fields of
    `SimulationConfig`). methods: of `METHODS`. rated: of `RATED`. budgets: shares of the ratings, 0 to 1.
    seeds: how many, from first_seed on (so that machines can share them); each draws another teacher, other
    ratings and other batches. pairs_per_picture: of pair labels. pairing: which pairs, those whose outcome is
    in doubt (as `leaf-edge label` asks for) or any. variants, chains: augmented versions of
    each picture and synthetic chains, all of which have their features computed once. terms: weights of the
    objective's terms; `reliability` is each method's. epochs, lr: of each
    distillation; the backbone stays as `start` has it.
    students: checkpoints by name that were distilled elsewhere with the same frozen backbone; each is
    measured as it is, and after fine-tuning its heads (`NAME + head`)."""

    data: Path
    start: Start = field(default_factory=Start)
    size: Literal["leaf-s", "leaf-m", "leaf-l"] = "leaf-m"
    teacher: Mapping[str, float] = field(default_factory=lambda: {"srcc": 0.8})
    methods: tuple[str, ...] = tuple(METHODS)
    rated: tuple[str, ...] = RATED
    budgets: tuple[float, ...] = (0.0, 0.01, 0.05, 0.1, 0.3, 1.0)
    seeds: int = 5
    first_seed: int = 1
    pairs_per_picture: int = 6
    pairing: Literal["informative", "any"] = "informative"
    variants: int = 2
    chains: int = 320
    batch: BatchSizes = field(default_factory=lambda: BatchSizes(pictures=32, pairs=32, chains=2))
    students: Mapping[str, Path] = field(default_factory=dict)
    terms: Terms = field(default_factory=Terms)
    epochs: int = 8
    lr: float = 1e-3

    def __post_init__(self) -> None:
        for name, known in (("methods", tuple(METHODS)), ("rated", RATED)):
            unknown = [m for m in getattr(self, name) if m not in known]
            if unknown:
                raise ValueError(f"{name} has {unknown[0]!r}; expected some of: {'; '.join(known)}")
        own = ("seed", "honest")  # which the experiment sets
        settable = [f.name for f in fields(SimulationConfig) if f.name not in own]
        for name in self.teacher:
            if name not in settable:
                raise ValueError(f"teacher has {name!r}; expected some of: {', '.join(settable)}")
        settings: dict[str, Any] = dict(self.teacher)
        SimulationConfig(**settings)
        if not self.budgets or not all(0 <= b <= 1 for b in self.budgets):
            raise ValueError(f"budgets are {self.budgets}; expected shares of 0 to 1")
        if min(self.seeds, self.variants, self.epochs, self.pairs_per_picture, self.chains) < 1:
            raise ValueError("seeds, variants, chains, epochs and pairs_per_picture must be 1 or more")
