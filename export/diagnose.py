"""Why a student breaks in INT8, or is broken before: causes that a table of losses does not name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from leaf_edge.contract import FAULTS
from leaf_edge.export.net import Layer, Net
from leaf_edge.export.parity import Outputs
from leaf_edge.export.simulate import run_views
from leaf_edge.export.to_onnx import ExportError

HEAD_SATURATED = "LEAF_E_EXPORT_HEAD_SATURATED"
CHANNEL_RANGES = "LEAF_E_EXPORT_CHANNEL_RANGES"
_LEVELS = 6.0
"""Codes that the median channel of a tensor must have at least, of 255."""
_ALIKE = 1e-3
_SURE, _NEVER = 0.99, 1e-6
_WHOLE_SCALE = 1.0
_LISTED = 4


class StudentError(ExportError):
    """A student that must not be exported as it is, in float or INT8. code: the reason, stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_heads(outputs: Outputs) -> None:
    """Raises `StudentError` where a head of the float network says the same of every validation frame.

    INT8 would repeat such a head faithfully, so no budget sees it. outputs: raw, of the float network.
    """
    mos, spread, faults = (np.asarray(outputs[name]) for name in ("mos", "spread", "faults"))
    frames, problems = len(mos), []
    if mos.std() < _ALIKE:
        problems.append(f"raw quality is {mos.mean():.4f} within {np.ptp(mos):.2g} on all of them")
    if spread.min() > _WHOLE_SCALE:
        problems.append(f"spread is {spread.min():.3g} or more on all of them, the whole scale being 1")
    for number, name in enumerate(FAULTS):
        low, high = float(faults[:, number].min()), float(faults[:, number].max())
        if low > _SURE or high < _NEVER:
            problems.append(f"the severity of {name} is {low:.3g} to {high:.3g} on all of them")
    if problems:
        raise StudentError(
            HEAD_SATURATED,
            f"a head of the float student is saturated on {frames} validation frames: {'; '.join(problems)}. "
            "Train the student on (a lower learning rate, or from the weights before), or take another epoch",
        )


@dataclass(frozen=True)
class ChannelRange:
    """Of one tensor: levels is how many of 255 codes its median channel has, where one scale serves all."""

    tensor: str
    levels: float


def channel_ranges(net: Net, views: NDArray[np.uint8]) -> list[ChannelRange]:
    """Of every tensor with channels that INT8 rounds, in float on [N, 2, 3, 224, 224] views, worst first."""
    low: dict[str, NDArray[np.float32]] = {}
    high: dict[str, NDArray[np.float32]] = {}

    def probe(layer: Layer, linear: Tensor, out: Tensor) -> None:
        if layer.kind == "head" or not net.consumers(layer.name):
            return
        dims = (0, 2, 3) if out.ndim == 4 else (0,)
        lo, hi = out.amin(dims).numpy(), out.amax(dims).numpy()
        low[layer.name] = np.minimum(low.get(layer.name, lo), lo)
        high[layer.name] = np.maximum(high.get(layer.name, hi), hi)

    run_views(net, views, probe=probe)
    found = []
    for name in low:
        lo, hi = np.minimum(low[name], 0), np.maximum(high[name], 0)
        whole = float(hi.max() - lo.min())
        # a channel that is always zero needs no codes
        alive = (hi - lo)[(hi - lo) > 1e-6 * max(whole, 1e-12)]
        if len(alive) > 1:
            found.append(ChannelRange(name, 255 * float(np.median(alive)) / whole))
    return sorted(found, key=lambda c: c.levels)


def causes(net: Net, views: NDArray[np.uint8]) -> list[tuple[str, str]]:
    """(code, sentence) of causes that are found for an INT8 network that broke its budgets."""
    bad = [c for c in channel_ranges(net, views) if c.levels < _LEVELS]
    if not bad:
        return []
    shown = ", ".join(f"{c.tensor} ({c.levels:.2g})" for c in bad[:_LISTED])
    more = f" and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
    return [
        (
            CHANNEL_RANGES,
            f"cause: channels of one tensor have ranges so unlike that the median channel has fewer than "
            f"{_LEVELS:g} of 255 codes: {shown}{more}; scale the weights of these layers to like ranges "
            "(the float function can stay the same), train on, or try --qat",
        )
    ]
