"""Head fine-tune: the joint layer and the heads on cached features of a frozen backbone.

The backbone is run once for each picture, without augmentation, on the runtime's own views; what follows
costs seconds, so that it can be repeated for each fold. The weights are held near their start, and synthetic
chains stay in the mix: a student that is fitted on MOS alone goes blind to noise.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leaf_edge.contract import FAULTS
from leaf_edge.datasets.synthetic import CHAIN, Chain, make_chain
from leaf_edge.student import losses
from leaf_edge.student.data import read_rgb, views_of
from leaf_edge.student.network import Prediction, Student

STRENGTHS: tuple[float, ...] = (3.0, 0.3, 0.03)
"""Of the pull to the initial weights, times their squared distance; the first one moves least."""
STEPS = 160
_BATCH = 128
_LR = 5e-4
_CHUNK = 64
HEADS = ("joint", "mos", "spread", "faults")
Told = Callable[[int], None]


@dataclass(frozen=True)
class Chains:
    """Features of synthetic chains: pooled float32 [C * CHAIN, 2, head], severity float32 [C, CHAIN]."""

    pooled: NDArray[np.float32]
    severity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.severity)


def fingerprint(student: Student) -> str:
    """SHA-256 of the student's shape and weights, hexadecimal."""
    digest = hashlib.sha256(repr(student.config).encode())
    for name, value in student.state_dict().items():
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def pooled(student: Student, views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features before the joint layer, float32 [N, 2, head], of views uint8 [N, 2, 3, 224, 224]; computed in
    float32, as few ratings are worth it (distillation keeps float16: `student.joint_pictures.pooled`)."""
    student.eval()
    with torch.inference_mode():
        parts = [student.pool(torch.from_numpy(views[i : i + 8])).numpy() for i in range(0, len(views), 8)]
    return np.concatenate(parts)


def features_of(
    student: Student, paths: Sequence[Path], cache: Path | None = None, told: Told = lambda done: None
) -> NDArray[np.float32]:
    """`pooled` of picture files, float32 [n, 2, head]; told: how many are done.

    cache: folder for what is done, by the content of pictures and student, so that a run that was stopped
    goes on. Raises ValueError naming a file that is not a picture.
    """
    key, parts = fingerprint(student), []
    for i in range(0, len(paths), _CHUNK):
        some = paths[i : i + _CHUNK]
        digest = hashlib.sha256(key.encode())
        for path in some:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        make = partial(_features, student, some)
        parts.append(cached(cache, digest.hexdigest(), make))
        told(min(i + _CHUNK, len(paths)))
    return np.concatenate(parts)


def _features(student: Student, paths: Sequence[Path]) -> NDArray[np.float32]:
    return pooled(student, np.stack([views_of(read_rgb(path)) for path in paths]))


def _chain_features(student: Student, chain: Chain) -> NDArray[np.float32]:
    return pooled(student, np.stack([views_of(image) for image in chain.images]))


def cached(folder: Path | None, key: str, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """The array that was made under this key before, else made now and kept; never half-written."""
    if folder is None:
        return make()
    path = folder / f"{key}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, make())
        part.replace(path)
    array: NDArray[np.float32] = np.load(path)
    return array


def chains_of(
    student: Student,
    paths: Sequence[Path],
    count: int,
    seed: int,
    cache: Path | None = None,
    told: Told = lambda done: None,
) -> Chains:
    """`count` synthetic chains of pictures of `paths`, faults in turn. Pictures that are not clean serve too:
    that they get worse is certain, and what the fault heads say of them is kept, not taught."""
    parts, severity = [], np.zeros((count, CHAIN), np.float32)
    key = fingerprint(student)
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        path = paths[int(rng.integers(len(paths)))]
        chain = make_chain(read_rgb(path), FAULTS[k % len(FAULTS)], rng)
        severity[k] = chain.severity
        digest = hashlib.sha256(f"{key} chain {seed} {k}".encode() + path.read_bytes()).hexdigest()
        make = partial(_chain_features, student, chain)
        parts.append(cached(cache, digest, make))
        told(k + 1)
    return Chains(np.concatenate(parts), severity)


def outputs(student: Student, features: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(raw quality, spread) float64 [n] of features [n, 2, head]."""
    student.eval()
    with torch.inference_mode():
        p = student.join(torch.from_numpy(features))
    return p.mos.double().numpy(), p.spread.double().numpy()


def ordered(student: Student, chains: Chains) -> float:
    """Share of neighbours in the chains of which the one with the stronger fault scores lower."""
    raw = outputs(student, chains.pooled)[0].reshape(chains.severity.shape)
    return float((np.diff(raw, axis=1) < 0).mean())


def aligned(student: Student, raw: NDArray[Any], unit: NDArray[Any]) -> Student:
    """A copy whose quality is the straight line that is nearest to MOS (`unit` [n], 0..1), so that
    fine-tuning begins with what a map would do. A line that hardly rises is not taken."""
    slope, offset = np.polyfit(raw, unit, 1) if np.ptp(raw) > 1e-6 else (0.0, 0.0)
    new = copy.deepcopy(student)
    if slope > 0.05:
        with torch.no_grad():
            new.mos.weight.mul_(float(slope))
            new.mos.bias.mul_(float(slope)).add_(float(offset))
            new.spread.bias.add_(math.log(float(slope)))  # softplus is nearly exp at the spreads of MOS
    return new


def finetune_head(
    student: Student,
    features: NDArray[np.float32],
    unit: NDArray[Any],
    chains: Chains | None,
    strength: float,
    seed: int,
    steps: int = STEPS,
) -> Student:
    """A copy with joint layer and heads fitted on `features` [n, 2, head] and MOS `unit` [n], 0..1; n >= 4.

    Loss: that of rated photographs (`student.losses.rated`), `strength` times the squared distance of the
    weights from their start, the severities that the start said, and on chains the order and the start's
    quality. AdamW, cosine. A function of its arguments: the same seed gives the same weights.
    """
    start = aligned(student, outputs(student, features)[0], unit).eval()
    new = copy.deepcopy(start)
    tuned = [(p, q.detach()) for p, q in _heads(new, start)]
    x, y = torch.from_numpy(features), torch.from_numpy(np.asarray(unit, np.float32))
    with torch.no_grad():
        was = start.join(x)
        chained = torch.from_numpy(chains.pooled) if chains is not None and len(chains) else None
        before = start.join(chained) if chained is not None else None
    optimizer = torch.optim.AdamW([p for p, _ in tuned], lr=_LR, weight_decay=0.0)
    rng = np.random.default_rng([seed, len(y)])
    torch.manual_seed(seed)  # dropout
    new.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _LR * min(1.0, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * step / steps))
        at = torch.from_numpy(rng.permutation(len(y))[:_BATCH])
        p = new.join(x[at])
        loss = losses.rated(p.mos, p.spread, y[at]) + _kept_faults(p, was.fault_logits[at])
        for weight, initial in tuned:
            loss = loss + strength * (weight - initial).square().sum()
        if chained is not None and before is not None and chains is not None:
            some = rng.permutation(len(chains))[: _BATCH // CHAIN // 2]
            rows = torch.from_numpy((some[:, None] * CHAIN + np.arange(CHAIN)).reshape(-1))
            c = new.join(chained[rows])
            severity = torch.from_numpy(chains.severity[some])
            loss = loss + 2 * losses.chain_order(c.mos.reshape(severity.shape), severity)
            loss = loss + F.huber_loss(c.mos, before.mos[rows], delta=0.2)
            loss = loss + _kept_faults(c, before.fault_logits[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return new.eval()


def _heads(new: Student, start: Student) -> list[tuple[torch.nn.Parameter, torch.nn.Parameter]]:
    """Parameters that are tuned, with those that they start from; all others are frozen."""
    pairs = []
    for (name, p), q in zip(new.named_parameters(), start.parameters(), strict=True):
        tuned = name.split(".")[0] in HEADS
        p.requires_grad_(tuned)
        if tuned:
            pairs.append((p, q))
    return pairs


def _kept_faults(p: Prediction, logits: Tensor) -> Tensor:
    """Cross-entropy to what the start said, times a half."""
    return 0.5 * F.binary_cross_entropy_with_logits(p.fault_logits, torch.sigmoid(logits))
