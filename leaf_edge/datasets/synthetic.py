"""Chains of one picture with one camera fault that grows: labels that cost nobody a rating.

Along a chain quality falls for certain, which trains the quality head by order, and kind and
severity are known, which trains the fault heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS
from leaf_edge.datasets.faults import Image, apply_fault

CHAIN = 4
"""Pictures in a chain."""

_SECOND_FAULT = 0.25  # share of chains that carry another, constant fault
_CLEAN_START = 0.6  # share of chains that begin with the unchanged picture
# Severities are denser at the weak end, where the order is hardest to see: power of a uniform draw. People
# take a little more light for better and a little less for a mood, which ratings teach; these chains always
# set it against the clean one.
_WEAK_END = {"over_exposure": 2.5, "under_exposure": 2.5}
_WHOLE_RANGE = 0.35  # share of those that are even over all severities: white all over is worse yet

# In a camera light is blurred and scattered, then exposed, then read, then processed.
_ORDER = (
    "defocus",
    "motion_blur",
    "low_contrast",
    "under_exposure",
    "over_exposure",
    "noise",
    "banding",
    "compression",
)


@dataclass(frozen=True)
class Chain:
    """images: uint8 RGB, in order of falling quality. severity: float32 [CHAIN] of the fault that
    grows. faults: float32 [CHAIN, 8], labels of the fault heads."""

    images: list[Image]
    severity: NDArray[np.float32]
    faults: NDArray[np.float32]


def apply_faults(image: Image, severities: dict[str, float], seed: int) -> Image:
    """`image` with several faults, in the order in which a camera makes them.

    seed: same direction, grain and veil for the same seed, whatever the severities.
    """
    for position, name in enumerate(_ORDER):
        severity = severities.get(name, 0.0)
        if severity > 0:
            image = apply_fault(image, name, severity, np.random.default_rng([seed, position]))
    return image


def make_chain(image: Image, fault: str, rng: np.random.Generator) -> Chain:
    """CHAIN versions of `image` (uint8 [height, width, 3], clean) with growing `fault`."""
    power = _WEAK_END.get(fault, 1.5)
    if fault in _WEAK_END and rng.random() < _WHOLE_RANGE:
        power = 1.0
    severity = np.sort(rng.uniform(size=CHAIN) ** power)
    if rng.random() < _CLEAN_START or fault in _WEAK_END:
        severity[0] = 0.0
    constant: dict[str, float] = {}
    if rng.random() < _SECOND_FAULT:
        others = [name for name in FAULTS if name != fault]
        constant[others[rng.integers(len(others))]] = float(rng.uniform(0.1, 0.5))
    seed = int(rng.integers(1 << 31))
    images = [apply_faults(image, constant | {fault: float(s)}, seed) for s in severity]
    faults = np.zeros((CHAIN, len(FAULTS)), np.float32)
    for name, value in constant.items():
        faults[:, FAULTS.index(name)] = value
    faults[:, FAULTS.index(fault)] = severity
    return Chain(images, severity.astype(np.float32), faults)
