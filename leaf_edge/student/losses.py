"""Terms of the training loss. Quality is in raw units, about 0 (MOS 1) to 1 (MOS 5)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

ORDER_GAIN = 0.5
"""Fall of raw quality that a fault of severity 1 must cause at least."""


def fidelity(predicted: Tensor, target: Tensor, spread: float = 0.1) -> Tensor:
    """Pair-wise fidelity loss over all pairs of [N], N >= 2 (Tsai et al., SIGIR 2007; for quality:
    Zhang et al., UNIQUE, 2021, arXiv 2005.13983, with Thurstone's model and a common deviation)."""
    i, j = torch.triu_indices(len(target), len(target), 1)
    scale = spread * 2**0.5
    p = torch.special.ndtr((target[i] - target[j]) / scale)
    q = torch.special.ndtr((predicted[i] - predicted[j]) / scale)
    e = 1e-6
    agree: Tensor = (p * q + e).sqrt() + ((1 - p) * (1 - q) + e).sqrt()
    return (1 - agree).mean()


def plcc(predicted: Tensor, target: Tensor) -> Tensor:
    """One minus Pearson's correlation over [N], halved: 0 (perfect) to 1."""
    a, b = predicted - predicted.mean(), target - target.mean()
    return (1 - F.cosine_similarity(a, b, dim=0, eps=1e-6)) / 2


def spread_nll(mos: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of a normal error; the gradient reaches the spread only, so that
    hard pictures are not learned less."""
    error = (mos.detach() - target) / spread
    return (0.5 * error.square() + spread.log()).mean()


def chain_order(quality: Tensor, severity: Tensor) -> Tensor:
    """Hinge on every pair of a chain; both [C, K]: quality must fall by ORDER_GAIN x severity."""
    k = severity.shape[1]
    i, j = torch.triu_indices(k, k, 1)
    fall = quality[:, i] - quality[:, j]
    need = ORDER_GAIN * (severity[:, j] - severity[:, i])
    return F.relu(need - fall).mean()


def rated(mos: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """Loss of rated photographs, all [N] (weights: 10 x Huber + fidelity + 0.5 x PLCC)."""
    return (
        10 * F.huber_loss(mos, target, delta=0.2)
        + fidelity(mos, target)
        + 0.5 * 2 * plcc(mos, target)
        + 0.1 * spread_nll(mos, spread, target)
    )


def chains(
    quality: Tensor, fault_logits: Tensor, severity: NDArray[np.float32], faults: NDArray[np.float32]
) -> Iterator[tuple[str, Tensor]]:
    """Terms of C synthetic chains: quality [C * K], fault_logits and faults [C * K, 8], severity [C, K]."""
    if len(severity):
        rising = torch.from_numpy(severity).to(quality.device)
        yield "order", 5 * chain_order(quality.reshape(rising.shape), rising)
        known = torch.from_numpy(faults).to(quality.device)
        yield "faults", 2 * F.binary_cross_entropy_with_logits(fault_logits, known)
