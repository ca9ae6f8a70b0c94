"""The plan of pairs in a label store: chosen once, then judged by whoever is there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from leaf_edge.teacher.rows import PictureRow
from leaf_edge.teacher.sampling import estimate, sample_pairs
from leaf_edge.teacher.store import LabelStore

_LEASE_S = 120.0
_POLL_S = 0.2


@dataclass(frozen=True)
class PairPlan:
    """per_picture: mean number of pairs that a picture is in, 2 or more. seed: of the choice. judged_only:
    leave out pictures without a point label: what could not be judged alone is not asked in a pair."""

    per_picture: int = 6
    seed: int = 0
    judged_only: bool = True

    def __post_init__(self) -> None:
        if self.per_picture < 2:
            raise ValueError(
                f"{self.per_picture} pairs for each picture; expected 2 or more, fewer cannot connect them"
            )
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected 0 or more")


def plan_pairs(
    store: LabelStore, identity: tuple[str, str], rows: Mapping[str, PictureRow], owner: str, plan: PairPlan
) -> int:
    """Adds to the plan of the teacher `identity` (name, version) what it lacks for the pictures `rows`.

    One process at a time; the next one finds nothing to add. A plan that is there is kept, so that a run
    that goes on after a kill asks the pairs of the first one; with more pictures or more pairs for each it
    grows. owner: of leases. Returns how many pairs were added.
    """
    lease = f"plan {' '.join(identity)}"
    while not store.claim(lease, ["plan"], owner, _LEASE_S):
        time.sleep(_POLL_S)
    try:
        estimates = {row.sha256: estimate(row.judgment) for row in store.points(*identity)}
        existing = set(store.plan(*identity))
        existing |= {(row.first, row.second) for row in store.pairs(*identity)}
        new = sample_pairs(
            [key for key in rows if key in estimates or not plan.judged_only],
            estimates,
            plan.per_picture,
            groups={key: str(row.recipe["clean"]) if row.recipe else key for key, row in rows.items()},
            existing=sorted(existing),
            seed=plan.seed,
        )
        return store.add_plan(*identity, new)
    finally:
        store.release(lease, ["plan"], owner)
