"""Cycles in preferences: A over B, B over C, C over A."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

MOST_STEPS = 5_000_000
"""Neighbours looked at before pairs are sampled."""


def cycles(
    preferences: Sequence[tuple[str, str, float]], *, most_steps: int = MOST_STEPS, seed: int = 0
) -> dict[str, Any] | None:
    """Share of cyclic triples among the triangles that the pairs form; None without a triangle.

    preferences: (a, b, preference 0..1 for a), each two pictures once; toss-ups of exactly 1/2 decide nothing
    and are left out. Every triangle is looked at, or, where that takes more than about `most_steps`, those at
    a random part of the pairs (`sampled`): a triangle has three pairs whichever way it turns, so the share
    stays unbiased. Of a teacher that tosses coins a quarter of the triples is cyclic (Kendall and Babington
    Smith 1940).
    """
    better: dict[tuple[str, str], bool] = {}
    near: defaultdict[str, set[str]] = defaultdict(set)
    for a, b, preference in preferences:
        if preference != 0.5:
            better[a, b], better[b, a] = preference > 0.5, preference < 0.5
            near[a].add(b)
            near[b].add(a)
    edges = sorted((a, b) for a, b in better if a < b)
    steps = sum(min(len(near[a]), len(near[b])) for a, b in edges)
    sampled = steps > most_steps
    if sampled:
        edges = random.Random(seed).sample(edges, max(1, len(edges) * most_steps // steps))
    found = cyclic = 0
    for a, b in edges:
        for c in near[a] & near[b]:
            if sampled or c > b:  # whole: each triangle once, at its first pair
                found += 1
                cyclic += better[a, b] == better[b, c] == better[c, a]
    if not found:
        return None
    return {"triangles": found, "cyclic": cyclic, "share": cyclic / found, "sampled": sampled}
