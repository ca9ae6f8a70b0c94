"""Which pairs are worth a teacher's time.

Of n pictures n (n - 1) / 2 pairs could be asked; some n K / 2 of them are chosen: a connected graph, so that
all pictures land on one scale; neighbours in quality, whose outcome is in doubt (variance p (1 - p) of the
outcome under Thurstone's case III with the labels' own deviations); partly versions of one clean picture,
which differ in nothing but their faults; some that close a triangle, by which cycles show; and some at
random, which keep the graph narrow.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import LEVEL_MOS
from leaf_edge.teacher.components import Components
from leaf_edge.teacher.judgment import PointJudgment

WITHIN = 0.5
"""Share of the freely chosen pairs of synthetic versions that are of one clean picture."""
TRIANGLES = 0.1
"""Share of the freely chosen pairs that make a triangle of two that are there."""
ANYWHERE = 0.2
"""Share of the freely chosen pairs that may be of any two pictures."""
LEAST_DEVIATION = 0.15
"""MOS. No teacher is surer of a picture than this, however narrow its distribution."""

_DRAWS = 6  # candidates for each pair that is wanted
_ROUNDS = 6  # of drawing

Pair = tuple[str, str]
Index = NDArray[np.int64]
Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """What is known of a picture's quality: mos 1..5, deviation in MOS."""

    mos: float
    deviation: float


def estimate(judgment: PointJudgment) -> Estimate:
    """Expectation and standard deviation of a judgment's distribution, widened where it is unreliable: at
    reliability 0 by the deviation of an even distribution (sqrt 2)."""
    levels, mos = np.asarray(judgment.levels), np.asarray(LEVEL_MOS)
    mean = float(levels @ mos)
    variance = float(levels @ (mos - mean) ** 2) + 2.0 * (1 - judgment.reliability) ** 2
    return Estimate(mean, max(variance**0.5, LEAST_DEVIATION))


def outcome_variance(a: Floats, b: Floats, deviation_a: Floats, deviation_b: Floats) -> Floats:
    """p (1 - p) of the outcome of a pair, 0..1/4: Thurstone's p = Phi((a - b) / sqrt(da^2 + db^2)), with the
    logistic approximation Phi(x) = 1 / (1 + exp(-1.702 x)), off by less than 0.01 everywhere."""
    z = 1.702 * (a - b) / np.hypot(deviation_a, deviation_b)
    p = 1 / (1 + np.exp(-np.clip(z, -500, 500)))
    return np.asarray(p * (1 - p))


def sample_pairs(
    pictures: Sequence[str],
    estimates: Mapping[str, Estimate],
    per_picture: int,
    *,
    groups: Mapping[str, str] | None = None,
    existing: Iterable[Pair] = (),
    seed: int = 0,
) -> list[Pair]:
    """New pairs (first < second, sorted) which, with `existing` ones, make the pictures one connected
    graph of n * per_picture / 2 pairs, at most one for each two pictures.

    estimates: of the pictures that have one; the others are taken for average and uncertain. groups: picture
    to what it is a version of. existing: pairs that are there; they count, and none is chosen again.
    A function of its arguments; the order of `pictures` does not matter. Memory grows with n * per_picture.
    Raises ValueError for per_picture below 2, with which no graph connects.
    """
    if per_picture < 2:
        raise ValueError(
            f"{per_picture} pairs for each picture; expected 2 or more, fewer cannot connect them"
        )
    keys = sorted(set(pictures))
    place = {key: number for number, key in enumerate(keys)}
    n = len(keys)
    if n < 2:
        return []
    graph = _Graph(n, per_picture)
    for first, second in existing:
        if first in place and second in place:
            graph.add(place[first], place[second])
    before = set(graph.pairs)
    rng = np.random.default_rng([seed, n])
    quality = _Quality.of(keys, estimates, rng)
    for a, b in pairwise(quality.chain(rng)):
        if not graph.components.same(int(a), int(b)):
            graph.add(int(a), int(b))
    goal = min(round(n * per_picture / 2), n * (n - 1) // 2)
    members = _members(keys, groups or {})
    grouped = sum(map(len, members)) / n
    missing = goal - len(graph.pairs)
    _fill(graph, quality, rng, len(graph.pairs) + round(missing * WITHIN * grouped), members)
    _close_triangles(graph, rng, round(missing * TRIANGLES))
    _fill(graph, quality, rng, len(graph.pairs) + round(missing * ANYWHERE), None, anyone=True)
    _fill(graph, quality, rng, goal, None)
    graph.cap += 1  # the last few find no partner that has room
    _fill(graph, quality, rng, goal, None)
    _complete(graph, rng, goal)
    return sorted((keys[a], keys[b]) for a, b in graph.pairs - before)


class _Graph:
    """Chosen pairs (a < b), how many each picture has, and what hangs together."""

    def __init__(self, n: int, per_picture: int) -> None:
        self.n = n
        self.cap = per_picture
        self.pairs: set[tuple[int, int]] = set()
        self.degree = [0] * n
        self.components = Components(n)

    def add(self, a: int, b: int) -> None:
        pair = (a, b) if a < b else (b, a)
        if pair not in self.pairs:
            self.pairs.add(pair)
            self.degree[a] += 1
            self.degree[b] += 1
            self.components.join(a, b)

    def offer(self, a: int, b: int) -> None:
        """Adds a pair if neither picture has its fill."""
        if a != b and self.degree[a] < self.cap and self.degree[b] < self.cap:
            self.add(a, b)


class _Quality(NamedTuple):
    """mos, deviation: of each picture, float64 [n]. order: pictures by falling quality."""

    mos: Floats
    deviation: Floats
    order: Index

    @classmethod
    def of(cls, keys: Sequence[str], estimates: Mapping[str, Estimate], rng: np.random.Generator) -> _Quality:
        unknown = Estimate(float(np.mean(LEVEL_MOS)), float(np.std(LEVEL_MOS)))
        known = np.array([estimates.get(key, unknown) for key in keys], np.float64)
        shuffled = rng.permutation(len(keys))  # between equals, no order of file names
        order = shuffled[np.argsort(-known[shuffled, 0], kind="stable")]
        return cls(known[:, 0], known[:, 1], order.astype(np.int64))

    def chain(self, rng: np.random.Generator) -> Index:
        """All pictures in a row, neighbours about a deviation apart: by one draw of what each may be. Closer
        ones would tell nothing but that they are close."""
        drawn = self.mos + self.deviation * rng.standard_normal(len(self.mos))
        return np.asarray(self.order[np.argsort(-drawn[self.order], kind="stable")])

    def near(self, chosen: Index, rng: np.random.Generator) -> Index:
        """For each chosen picture one whose quality is within a joint deviation or so."""
        falling = -self.mos[self.order]
        reach = np.sqrt(2.0) * self.deviation[chosen]
        low = np.searchsorted(falling, -self.mos[chosen] - reach, "left")
        high = np.searchsorted(falling, -self.mos[chosen] + reach, "right")
        return np.asarray(self.order[(low + rng.random(len(chosen)) * (high - low)).astype(np.int64)])


def _members(keys: Sequence[str], groups: Mapping[str, str]) -> list[list[int]]:
    """Pictures of each group that has two or more."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        if key in groups:
            found[groups[key]].append(number)
    return [numbers for _, numbers in sorted(found.items()) if len(numbers) > 1]


def _fill(
    graph: _Graph,
    quality: _Quality,
    rng: np.random.Generator,
    goal: int,
    members: list[list[int]] | None,
    *,
    anyone: bool = False,
) -> None:
    """Adds pairs until there are `goal` or nothing more is found: within the groups where `members` are
    given, else of neighbours in quality; in order of a draw weighted by their doubt (Efraimidis and Spirakis
    2006: by log(u) / weight). anyone: of any two pictures, unweighted."""
    for _ in range(_ROUNDS):
        wanted = goal - len(graph.pairs)
        if wanted <= 0:
            return
        if members is not None:
            a, b = _inside(members, rng, wanted * _DRAWS)
        else:
            a, b = _across(graph, quality, rng, wanted * _DRAWS, anyone)
        weight = outcome_variance(quality.mos[a], quality.mos[b], quality.deviation[a], quality.deviation[b])
        weight = np.ones(len(a)) if anyone else np.maximum(weight, 1e-9)
        key = np.log(rng.random(len(a)) + 1e-300) / weight
        for number in np.argsort(-key, kind="stable"):
            graph.offer(int(a[number]), int(b[number]))
            if len(graph.pairs) >= goal:
                return


def _across(
    graph: _Graph, quality: _Quality, rng: np.random.Generator, count: int, anyone: bool
) -> tuple[Index, Index]:
    """Candidates: those with few pairs first, each with a neighbour in quality or with anyone."""
    degree = np.asarray(graph.degree)
    open_ = np.flatnonzero(degree < graph.cap)
    if len(open_) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    need = (graph.cap - degree[open_]).astype(np.float64)
    a = open_[np.searchsorted(np.cumsum(need), rng.random(count) * need.sum(), "right")]
    return a, open_[rng.integers(len(open_), size=count)] if anyone else quality.near(a, rng)


def _inside(members: list[list[int]], rng: np.random.Generator, count: int) -> tuple[Index, Index]:
    """Candidates of one group each, groups by the number of their pictures."""
    if not members:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    flat = np.concatenate([np.asarray(numbers, np.int64) for numbers in members])
    sizes = np.array([len(numbers) for numbers in members])
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)
    size = np.repeat(sizes, sizes)
    at = rng.integers(len(flat), size=count)
    step = 1 + (rng.random(count) * (size[at] - 1)).astype(np.int64)  # another one of the group
    return flat[at], flat[start[at] + (at - start[at] + step) % size[at]]


def _close_triangles(graph: _Graph, rng: np.random.Generator, count: int) -> None:
    """Adds up to `count` pairs of pictures that were both to be compared with the same third one."""
    near: list[list[int]] = [[] for _ in range(graph.n)]
    for a, b in sorted(graph.pairs):
        near[a].append(b)
        near[b].append(a)
    goal = len(graph.pairs) + count
    draw = random.Random(int(rng.integers(1 << 32)))
    for middle in rng.integers(graph.n, size=4 * count):
        if len(graph.pairs) >= goal:
            return
        if len(near[middle]) > 1:
            a, b = draw.sample(near[middle], 2)
            graph.offer(a, b)


def _complete(graph: _Graph, rng: np.random.Generator, goal: int) -> None:
    """The last pairs, whoever they are of: those with the fewest first. For few pictures, where the draw does
    not find what little is left."""
    while len(graph.pairs) < goal:
        order = sorted(range(graph.n), key=lambda number: (graph.degree[number], number))
        a = next(number for number in order if graph.degree[number] < graph.n - 1)
        b = next(other for other in order if other != a and (min(a, other), max(a, other)) not in graph.pairs)
        graph.add(a, b)
