"""Terms of joint distillation: point-wise and pair-wise, weighted by the teacher's reliability.

After LEAF (arXiv 2601.20689): a teacher's distributions over five levels and its preferences in pairs, each
believed as far as the teacher is reliable. Quality is in raw units, 0 (MOS 1) to 1 (MOS 5).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAIR_MODELS = ("fidelity", "thurstone", "bradley-terry")
_EDGES = (0.875, 0.625, 0.375, 0.125)  # raw quality between excellent, good, fair, poor, bad
_DEVIATION = 0.1  # of one judgment in a pair, raw units
_TINY = 1e-6


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of `values` [N] by `weight` [N]; 0 where all weights are 0 or there are no values."""
    return (values * weight).sum() / weight.sum().clamp_min(_TINY)


def level_probabilities(quality: Tensor, spread: Tensor) -> Tensor:
    """Probabilities [N, 5] of the levels, excellent first, of a normal quality [N] with deviation [N]."""
    edges = torch.tensor(_EDGES, dtype=quality.dtype, device=quality.device)
    above = torch.special.ndtr((quality[:, None] - edges) / spread[:, None])
    ends = torch.zeros_like(above[:, :1]), torch.ones_like(above[:, :1])
    return torch.cat([above, ends[1]], 1) - torch.cat([ends[0], above], 1)


def distribution(quality: Tensor, spread: Tensor, levels: Tensor, weight: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the student's levels from the teacher's [N, 5], weighted [N]. It trains
    the spread: wide where the teacher wavers."""
    p = level_probabilities(quality, spread).clamp_min(_TINY)
    gap = (torch.special.xlogy(levels, levels) - levels * p.log()).sum(1)
    return weighted_mean(gap, weight)


def expectation(quality: Tensor, expected: Tensor, weight: Tensor) -> Tensor:
    """10 x Huber (delta 0.2) to the teacher's expected quality, all [N]."""
    return weighted_mean(10 * F.huber_loss(quality, expected, reduction="none", delta=0.2), weight)


def preference(
    first: Tensor, second: Tensor, spreads: Tensor, preferred: Tensor, weight: Tensor, model: str
) -> Tensor:
    """Pairs, all [M] but spreads [M, 2]; `preferred`: 0..1 for the first. By `model`:

    fidelity: Thurstone's probability with a common deviation, fidelity loss (Tsai et al., SIGIR 2007).
    thurstone: probability by the student's own spreads, cross-entropy (Thurstone's case III).
    bradley-terry: logistic probability of the difference, cross-entropy (Bradley and Terry, 1952).
    """
    gap = first - second
    if model == "bradley-terry":
        loss = F.binary_cross_entropy_with_logits(gap / _DEVIATION, preferred, reduction="none")
        return weighted_mean(loss, weight)
    scale = spreads.square().sum(1).sqrt() if model == "thurstone" else _DEVIATION * 2**0.5
    q = torch.special.ndtr(gap / scale).clamp(_TINY, 1 - _TINY)
    if model == "thurstone":
        loss = -(preferred * q.log() + (1 - preferred) * (1 - q).log())
    elif model == "fidelity":
        loss = 1 - (preferred * q + _TINY).sqrt() - ((1 - preferred) * (1 - q) + _TINY).sqrt()
    else:
        raise ValueError(f"the pair model is {model!r}; expected one of: {', '.join(PAIR_MODELS)}")
    return weighted_mean(loss, weight)


class Alignment(nn.Module):
    """Contrast of the student's features with the teacher's text embeddings of the five levels.

    embeddings: float [5, D], excellent first. Features [N, joint] are projected to D; cosine similarities to
    the levels, over a learnt temperature, are classified against the teacher's distribution (CLIP's
    loss, Radford et al., arXiv 2103.00020, with the five levels as the only texts).
    """

    def __init__(self, joint: int, embeddings: Tensor) -> None:
        super().__init__()
        if embeddings.ndim != 2 or len(embeddings) != len(_EDGES) + 1:
            raise ValueError(f"level embeddings are {list(embeddings.shape)}; expected [5, D]")
        # what all levels share says nothing of quality
        centred = embeddings.float() - embeddings.float().mean(0)
        if not torch.isfinite(centred).all() or (centred.norm(dim=1) < 1e-6).any():
            raise ValueError("level embeddings must be finite and differ from each other")
        self.texts: Tensor
        self.register_buffer("texts", F.normalize(centred, dim=1))
        self.project = nn.Linear(joint, embeddings.shape[1])
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, features: Tensor, levels: Tensor, weight: Tensor) -> Tensor:
        """The loss of features [N, joint] with the teacher's levels [N, 5], weighted [N]."""
        similar = F.normalize(self.project(features.float()), dim=1) @ self.texts.T
        logits = similar * self.log_scale.clamp(0, 4.6).exp()
        return weighted_mean(-(levels * F.log_softmax(logits, 1)).sum(1), weight)


class FeatureMatch(nn.Module):
    """Squared error of a linear image of the student's features [N, a] to a larger student's [N, b],
    over the variance of the latter (FitNets, Romero et al., arXiv 1412.6550)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.project = nn.Linear(a, b)

    def forward(self, features: Tensor, target: Tensor) -> Tensor:
        scale = target.var(0, unbiased=False).mean().clamp_min(_TINY)
        return F.mse_loss(self.project(features.float()), target) / scale
