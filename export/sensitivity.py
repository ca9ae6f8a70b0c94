"""Which layers INT8 hurts: the change of the scores with one layer alone quantised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from leaf_edge.export.encoding import Encoding, make_plan
from leaf_edge.export.net import Net
from leaf_edge.export.observe import Observation, Rule
from leaf_edge.export.quantize import score_change
from leaf_edge.export.simulate import run_views


def sensitivity(
    net: Net,
    encoding: Encoding,
    seen: Observation,
    views: NDArray[np.uint8],
    *,
    rule: Rule = "mse",
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[str, float]]:
    """(layer, mean absolute change of raw quality) with that layer alone in INT8, worst first.

    An affine change of the scores does not count, as the curve takes it up. Simulated in torch: one
    pass over `views` [N, 2, 3, 224, 224] for each layer. progress: called with (done, of).
    """
    layers = net.quantizable()
    ranges = seen.ranges(rule, encoding)
    wanted = run_views(net, views)["mos"]
    changes = []
    for number, name in enumerate(layers, start=1):
        plan = make_plan(net, encoding, ranges, keep_float=[x for x in layers if x != name])
        changes.append((name, score_change(wanted, run_views(net, views, plan)["mos"])))
        if progress:
            progress(number, len(layers))
    return sorted(changes, key=lambda pair: -pair[1])
