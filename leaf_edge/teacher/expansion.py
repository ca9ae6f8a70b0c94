"""Synthetic versions of clean pictures, as recipes: chains of one camera fault that grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from leaf_edge.contract import FAULTS
from leaf_edge.datasets.synthetic import CHAIN
from leaf_edge.teacher.recipe import Recipe, recipe_sha256, synthetic_recipe
from leaf_edge.teacher.rows import PictureRow

PER_PICTURE = 8
"""Two chains of four."""
MOST = 64
"""Versions of one picture: two chains of each fault."""

_SECOND_FAULT = 0.25
_SECOND_FROM, _SECOND_TO = 0.1, 0.5
_WEAK = 1.5
"""Exponent of an even draw of severity: denser at the weak end, where the order is hardest to see."""
_DECIMALS = 4


def recipes_of(clean: str, seed: int, count: int = PER_PICTURE) -> list[Recipe]:
    """`count` different recipes (1 to 64) of the picture with the SHA-256 `clean`.

    Chains of four, each of another fault until all had their turn; a quarter of the chains carry a
    second, constant fault. The first version is the clean picture itself. A function of its arguments
    alone, and the first versions of a larger `count` are those of a smaller one, so that labelling may be
    interrupted, extended, or spread over processes.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"{count} versions of a picture; expected 1 to {MOST}")
    if seed < 0:
        raise ValueError(f"the seed of the versions is {seed}; expected 0 or more")
    recipes: list[Recipe] = []
    order: list[str] = []
    for chain in range(-(-count // CHAIN)):
        if not order:
            turn = np.random.default_rng([seed, int(clean, 16), chain, 0])
            order = [FAULTS[i] for i in turn.permutation(len(FAULTS))]
        recipes += _chain(clean, order.pop(), np.random.default_rng([seed, int(clean, 16), chain, 1]), chain)
    return recipes[:count]


def _chain(clean: str, fault: str, rng: np.random.Generator, number: int) -> list[Recipe]:
    # one draw in each quarter of the range, kept off its ends, so that no two versions are alike
    quarters = (np.arange(CHAIN) + rng.uniform(0.1, 0.9, CHAIN)) / CHAIN
    severity = np.round(quarters**_WEAK, _DECIMALS)
    constant: dict[str, float] = {}
    second = rng.random() < _SECOND_FAULT
    other = [name for name in FAULTS if name != fault][rng.integers(len(FAULTS) - 1)]
    amount = round(float(rng.uniform(_SECOND_FROM, _SECOND_TO)), _DECIMALS)
    seed = int(rng.integers(1 << 31))
    if second and number > 0:
        constant[other] = amount
    if number == 0:
        severity[0] = 0.0
    return [synthetic_recipe(clean, constant | {fault: float(s)}, seed) for s in severity]


def expand(rows: Iterable[PictureRow], seed: int, per_picture: int = PER_PICTURE) -> list[PictureRow]:
    """Rows of the synthetic versions of clean pictures, in the order of `rows`.

    Rows that are synthetic versions themselves are passed over, so a whole store may be given. A new row
    keeps source, frame and size of its clean picture. per_picture: as `count` in `recipes_of`.
    """
    versions = []
    for row in rows:
        if not row.recipe:
            for recipe in recipes_of(row.sha256, seed, per_picture):
                versions.append(replace(row, sha256=recipe_sha256(recipe), recipe=recipe))
    return versions
