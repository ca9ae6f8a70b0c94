"""Which layers INT8 hurts: the change of the scores with one layer alone quantised, and what is gained where
one layer alone stays in float."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaf_edge.export.encoding import Encoding, make_plan
from leaf_edge.export.net import Net
from leaf_edge.export.observe import Observation, Rule
from leaf_edge.export.quantize import score_change
from leaf_edge.export.simulate import run_views

Views = NDArray[np.uint8]
Progress = Callable[[int, int], None]
SHORTLIST = 8
"""Layers whose gain is measured at each step of `next_float`."""


@dataclass(frozen=True)
class LayerCost:
    """Of one layer, in raw quality (mean absolute change, an affine change being free).

    alone: loss with that layer alone in INT8. gain: by how much the loss of all layers in INT8 falls where
    that layer stays in float; below 0 where it rises.
    """

    layer: str
    alone: float
    gain: float


@dataclass(frozen=True)
class NetCost:
    """Of one encoding. loss: with all layers in INT8, before biases are corrected. layers: by `alone`, worst
    first. frames: on how many."""

    loss: float
    layers: tuple[LayerCost, ...]
    frames: int


@dataclass(frozen=True)
class Kept:
    """A layer that stays in float by measured gain: the loss in raw quality before and after."""

    layer: str
    before: float
    after: float


def sensitivity(
    net: Net,
    encoding: Encoding,
    seen: Observation,
    views: Views,
    *,
    rule: Rule = "mse",
    progress: Progress | None = None,
) -> list[tuple[str, float]]:
    """(layer, mean absolute change of raw quality) with that layer alone in INT8, worst first.

    An affine change of the scores does not count, as the curve takes it up. Simulated in torch: one
    pass over `views` [N, 2, 3, 224, 224] for each layer. progress: called with (done, of).
    """
    layers = net.quantizable()
    loss = _Loss(net, encoding, seen, views, rule)
    changes = []
    for number, name in enumerate(layers, start=1):
        changes.append((name, loss(x for x in layers if x != name)))
        if progress:
            progress(number, len(layers))
    return sorted(changes, key=lambda pair: -pair[1])


def layer_costs(
    net: Net,
    encoding: Encoding,
    seen: Observation,
    views: Views,
    *,
    rule: Rule = "mse",
    progress: Progress | None = None,
) -> NetCost:
    """The cost of each layer. Two passes over `views` [N, 2, 3, 224, 224] for each."""
    layers = net.quantizable()
    total = 2 * len(layers)
    tell = progress or (lambda done, of: None)
    alone = sensitivity(net, encoding, seen, views, rule=rule, progress=lambda done, of: tell(done, total))
    loss = _Loss(net, encoding, seen, views, rule)
    everything = loss(())
    costs = []
    for number, (name, change) in enumerate(alone, start=len(layers) + 1):
        costs.append(LayerCost(name, change, everything - loss((name,))))
        tell(number, total)
    return NetCost(everything, tuple(costs), len(views))


def next_float(
    net: Net,
    encoding: Encoding,
    seen: Observation,
    views: Views,
    keep: Iterable[str],
    candidates: Iterable[str],
    *,
    rule: Rule = "mse",
) -> Kept | None:
    """The one of `candidates` (the first `SHORTLIST` that are not in `keep`) that gains most where it stays
    in float beside the layers `keep`; None where none gains."""
    kept = tuple(keep)
    shortlist = [name for name in candidates if name not in kept][:SHORTLIST]
    if not shortlist:
        return None
    loss = _Loss(net, encoding, seen, views, rule)
    before = loss(kept)
    after = {name: loss((*kept, name)) for name in shortlist}
    best = min(after, key=after.__getitem__)
    return Kept(best, before, after[best]) if after[best] < before else None


class _Loss:
    """Change of raw quality on `views` with some layers in float, simulated in torch."""

    def __init__(self, net: Net, encoding: Encoding, seen: Observation, views: Views, rule: Rule) -> None:
        self._net, self._encoding, self._views = net, encoding, views
        self._ranges = seen.ranges(rule, encoding)
        self._wanted = run_views(net, views)["mos"]

    def __call__(self, keep_float: Iterable[str]) -> float:
        plan = make_plan(self._net, self._encoding, self._ranges, keep_float=list(keep_float))
        return score_change(self._wanted, run_views(self._net, self._views, plan)["mos"])
