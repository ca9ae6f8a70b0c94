"""Quantisation-aware fine-tuning: the student learns to give its float scores through INT8's rounding.

Straight-through gradients (Bengio et al., 2013, arXiv 1308.3432) through the same fake quantisation that the
simulation uses: same ranges of activations, same scales of weights for each output channel, which follow the
weights. It distils from the float student on the calibration frames, so it needs no labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leaf_edge.contract import OUTPUT_NAMES
from leaf_edge.export.encoding import Plan
from leaf_edge.export.net import Layer, Net
from leaf_edge.export.simulate import Parameters, images, parameters, run

_JOINT = "joint"
_HELD_OUT = 4
"""One in so many frames is held out, to choose the step that is kept."""
_LOOKS = 4
_WARM = 5
"""The first one in so many steps warms up: Adam's first steps are all of full length."""
_FLOOR = 1e-4
"""Least variance of an output that a loss is divided by."""


@dataclass(frozen=True)
class TuneOptions:
    """steps: of Adam. batch: frames in each. lr: first learning rate, as a share of each channel's root mean
    square; it falls to zero by a cosine. seed: of the order of frames."""

    steps: int
    batch: int = 8
    lr: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not self.lr > 0:
            raise ValueError(f"expected steps, batch and lr above 0; found {self}")


@dataclass(frozen=True)
class Tuned:
    """net: with the weights that did best. before, after: loss under the plan on frames that were held out,
    the squared error of each output over its variance, summed over outputs and joint features. step: of
    these weights; 0 where none was better."""

    net: Net
    before: float
    after: float
    step: int


def tune(
    net: Net,
    plan: Plan,
    views: NDArray[np.uint8],
    options: TuneOptions,
    *,
    start: Net | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Tuned:
    """Fine-tunes `net` under `plan` on calibration views uint8 [N, 2, 3, 224, 224], 8 or more.

    start: other weights to begin with, such as those with corrected biases; the teacher is `net` in float.
    progress: called with (step, of). Raises ValueError for fewer views, RuntimeError where the loss is not
    finite.
    """
    if len(views) < 2 * _HELD_OUT:
        raise ValueError(f"{len(views)} views; expected {2 * _HELD_OUT} or more to fine-tune on")
    held_out = np.arange(len(views)) % _HELD_OUT == _HELD_OUT - 1
    taught = _outputs(net, views, None, parameters(net))
    first = {n: (w.clone(), b.clone()) for n, (w, b) in parameters(start or net).items()}
    units = {name: _units(w, b) for name, (w, b) in first.items()}
    moves = {
        n: (torch.zeros_like(w).requires_grad_(), torch.zeros_like(b).requires_grad_())
        for n, (w, b) in first.items()
    }
    flat = [tensor for pair in moves.values() for tensor in pair]
    optimizer = torch.optim.Adam(flat, lr=options.lr)

    def weights() -> dict[str, tuple[Tensor, Tensor]]:
        return {
            n: (w + units[n][0] * moves[n][0], b + units[n][1] * moves[n][1]) for n, (w, b) in first.items()
        }

    scales = {name: float(t.var().clamp(min=_FLOOR)) for name, t in taught.items()}

    def loss_of(got: dict[str, Tensor], frames: NDArray[Any]) -> Tensor:
        terms = [(got[n] - taught[n][frames]).square().mean() / scale for n, scale in scales.items()]
        return torch.stack(terms).sum()

    def error() -> float:
        return float(loss_of(_outputs(net, views[held_out], plan, weights()), held_out))

    before = best = error()
    kept, at = first, 0
    rng, warm = np.random.default_rng(options.seed), max(1, options.steps // _WARM)
    usable = np.flatnonzero(~held_out)
    looks = {round(options.steps * k / _LOOKS) for k in range(1, _LOOKS + 1)}
    for step in range(1, options.steps + 1):
        chosen = rng.choice(usable, min(options.batch, len(usable)), replace=False)
        loss = loss_of(_pass(net, views[chosen], plan, weights()), chosen)
        if not torch.isfinite(loss):
            raise RuntimeError(f"the loss of quantisation-aware fine-tuning is not finite at step {step}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = options.lr * min(
                step / warm, 0.5 * (1 + math.cos(math.pi * (step - 1) / options.steps))
            )
        optimizer.step()
        if step in looks and (now := error()) < best:
            best, at = now, step
            kept = {n: (w.detach(), b.detach()) for n, (w, b) in weights().items()}
        progress(step, options.steps)
    return Tuned(
        net.with_parameters({n: (w.numpy(), b.numpy()) for n, (w, b) in kept.items()}), before, best, at
    )


def _units(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """By how much one unit of a move changes each weight and bias.

    Root mean squares of output and input channels, multiplied: channels of unlike ranges, which are what
    breaks in INT8, then move by like shares of themselves.
    """
    flat = weight.reshape(weight.shape[0], weight.shape[1], -1).square()
    rows, columns = flat.mean((1, 2)).sqrt(), flat.mean((0, 2)).sqrt()
    unit = rows[:, None] * columns / flat.mean().sqrt().clamp(min=1e-12)
    return unit.reshape(*unit.shape, *[1] * (weight.ndim - 2)), bias.abs() + rows


def _outputs(
    net: Net, views: NDArray[np.uint8], plan: Plan | None, weights: Parameters, batch: int = 8
) -> dict[str, Tensor]:
    with torch.no_grad():
        parts = [_pass(net, views[i : i + batch], plan, weights) for i in range(0, len(views), batch)]
    return {name: torch.cat([p[name] for p in parts]) for name in parts[0]}


def _pass(net: Net, views: NDArray[np.uint8], plan: Plan | None, weights: Parameters) -> dict[str, Tensor]:
    """Outputs and the joint features, which carry more of the scene than three heads do."""
    found: dict[str, Tensor] = {}

    def probe(layer: Layer, linear: Tensor, out: Tensor) -> None:
        if layer.name == _JOINT:
            found[_JOINT] = out

    out = run(net, images(views), plan, weights, probe)
    return {**found, **{name: out[name] for name in OUTPUT_NAMES}}
