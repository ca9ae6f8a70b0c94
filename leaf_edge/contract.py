"""Names and scales shared by training, export, bundles and the runtime. Each fact stands here once."""

from __future__ import annotations

FAULTS: tuple[str, ...] = (
    "defocus",
    "motion_blur",
    "noise",
    "under_exposure",
    "over_exposure",
    "low_contrast",
    "compression",
    "banding",
)
"""Fault heads of the student, in output order. Severity 0 (absent) to 1 (as strong as it gets)."""

MOS_MIN, MOS_MAX = 1.0, 5.0
MOS_SCALE = "acr5"
"""Absolute category rating, 1 (bad) to 5 (excellent), ITU-T P.910 (2022) section 7.1."""
MOS_SCALE_VERSION = 1
"""The score ABI: a gate threshold means the same for every model that states this version."""

LEVELS: tuple[str, ...] = ("excellent", "good", "fair", "poor", "bad")
LEVEL_MOS: tuple[float, ...] = (5.0, 4.0, 3.0, 2.0, 1.0)
"""The five levels of a teacher's judgment and their MOS (the scale's own category names)."""

INPUT_NAME = "views"
"""Student input: uint8 [N, 2, 3, 224, 224], view G then F, RGB planes; normalisation is in the graph."""
OUTPUT_NAMES: tuple[str, ...] = ("mos", "spread", "faults")
"""Student outputs, float32: raw quality [N] (about 0..1), its standard deviation [N] (> 0, raw
units), fault severities [N, 8] in 0..1."""


def mos_to_unit(mos: float) -> float:
    """MOS 1..5 to 0..1."""
    return (mos - MOS_MIN) / (MOS_MAX - MOS_MIN)
