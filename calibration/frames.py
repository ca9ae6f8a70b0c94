"""Views for the INT8 calibration run: which frames to take, what is checked, and sets that are refused.

An INT8 network that was calibrated on noise, on one frame, or on nothing looks fine until it meets the
camera; so a set is checked before anything is observed on it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.calibration.errors import CalibrationError
from leaf_edge.calibration.likeness import Likeness
from leaf_edge.views.native import SHAPE

MIN_FRAMES = 16
WANTED_FRAMES = 128
"""Ranges settle by then: more frames cost time and change little."""
MIN_COVERAGE = 0.4
"""Share of validation frames that must have a calibration frame like them. Measured with leaf-s on 200
validation photographs of BIQ2021: of its training photographs 16 to 128 give 0.73 to 0.78, 24 photographs of
another collection 0.56, 64 frames of one clip 0.19 to 0.34."""
_CONSTANT = 2.0
"""Standard deviation in codes below which a view shows nothing."""
_NEIGHBOURS = 0.3
"""Correlation of adjacent pixels of the global view: photographs are above 0.8, noise is near 0."""
_MOSTLY = 0.5
_ALIKE = 2.0
"""Mean difference in codes of two luma thumbnails (28x28) below which they show the same frame."""
_SCENE = 0.8
"""Correlation of two luma thumbnails from which they show the same scene."""
_SCENES = 4
_SHARE = 4
"""At least one in so many frames must differ from all others."""


class FrameCode(StrEnum):
    """Why a calibration set is refused. Stable: for programs."""

    SHAPE = "LEAF_E_CALIBRATION_SHAPE"
    FEW = "LEAF_E_CALIBRATION_FEW"
    CONSTANT = "LEAF_E_CALIBRATION_CONSTANT"
    RANDOM = "LEAF_E_CALIBRATION_RANDOM"
    ALIKE = "LEAF_E_CALIBRATION_ALIKE"
    SCENES = "LEAF_E_CALIBRATION_SCENES"
    COVERAGE = "LEAF_E_CALIBRATION_COVERAGE"


class FramesError(CalibrationError):
    """Views that INT8 must not be calibrated on. code: the first reason."""

    def __init__(self, code: FrameCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class FrameCheck:
    """One check. value is compared with bound: at least it, or where `most` at most. warns: a miss is told
    and does not refuse. message: for people, with the way out; "" where the check holds."""

    code: FrameCode
    what: str
    value: float
    bound: float
    most: bool = False
    warns: bool = False
    message: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side of the bound."""
        return self.value <= self.bound if self.most else self.value >= self.bound


@dataclass(frozen=True)
class FramesReport:
    """frames: N. checks: in the order in which they refuse. likeness: to the validation frames, or None
    where there were none to compare with."""

    frames: int
    checks: tuple[FrameCheck, ...]
    likeness: Likeness | None = field(default=None)

    @property
    def refusals(self) -> tuple[FrameCheck, ...]:
        """Checks that do not hold and refuse."""
        return tuple(c for c in self.checks if not c.holds and not c.warns)

    @property
    def warnings(self) -> tuple[FrameCheck, ...]:
        """Checks that do not hold and only warn."""
        return tuple(c for c in self.checks if not c.holds and c.warns)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "frames": self.frames,
            "accepted": not self.refusals,
            "checks": [
                {
                    **asdict(c),
                    "code": str(c.code),
                    "holds": c.holds,
                    "bound_is": "most" if c.most else "least",
                }
                for c in self.checks
            ],
            "likeness": None if self.likeness is None else asdict(self.likeness),
        }

    def raise_first(self) -> None:
        """Raises `FramesError` for the first check that refuses."""
        for check in self.refusals:
            raise FramesError(check.code, check.message)


def check_views(views: NDArray[np.uint8]) -> None:
    """Refuses views [N, 2, 3, 224, 224] that are too few, constant, random or all the same.

    Raises `FramesError` (a `CalibrationError`) with the reason and what to do.
    """
    inspect_views(views).raise_first()


def inspect_views(
    views: NDArray[np.uint8], likeness: Likeness | None = None, *, min_coverage: float = MIN_COVERAGE
) -> FramesReport:
    """All checks of calibration views uint8 [N, 2, 3, 224, 224], with their numbers.

    likeness: to the validation frames (`likeness.likeness`). Raises `FramesError` SHAPE for other arrays.
    """
    if views.dtype != np.uint8 or views.ndim != 5 or views.shape[1:] != SHAPE:
        raise FramesError(
            FrameCode.SHAPE, f"expected uint8 views [N, {SHAPE}]; found {views.dtype} {list(views.shape)}"
        )
    count = len(views)
    luma = _luma(views)
    flat = luma.std(axis=(1, 2)) < _CONSTANT if count else np.zeros(0, bool)
    random = np.array([_neighbours(picture) < _NEIGHBOURS for picture in luma[~flat]], bool)
    different, scenes = _distinct(luma)
    need = max(2, count // _SHARE)
    checks = [
        FrameCheck(FrameCode.FEW, "frames", count, MIN_FRAMES),
        FrameCheck(FrameCode.CONSTANT, "share of constant frames", _share(flat), _MOSTLY, most=True),
        FrameCheck(FrameCode.RANDOM, "share of frames of noise", _share(random), _MOSTLY, most=True),
        FrameCheck(FrameCode.ALIKE, "frames that differ", different, need),
        FrameCheck(FrameCode.SCENES, "scenes", scenes, _SCENES, warns=True),
    ]
    if likeness is not None:
        what = "share of validation frames with a calibration frame like them"
        checks.append(FrameCheck(FrameCode.COVERAGE, what, likeness.share, min_coverage))
    texts = {
        FrameCode.FEW: f"{count} calibration frames are too few: give at least {MIN_FRAMES}, "
        f"better {WANTED_FRAMES}, of what the camera sees",
        FrameCode.CONSTANT: f"{int(flat.sum())} of {count} calibration frames are constant: "
        "give frames that show a scene (lens cap, black lead-in?)",
        FrameCode.RANDOM: f"{int(random.sum())} of {count} calibration frames look like random noise: "
        "INT8 ranges that are observed on noise do not fit pictures; give frames of the camera",
        FrameCode.ALIKE: f"only {different} of {count} calibration frames differ; at least {need}: "
        "take them further apart (--every N for clips)",
        FrameCode.SCENES: f"the calibration frames show {scenes} scene{'s' * (scenes != 1)}; {_SCENES} or "
        "more are wanted unless the camera never moves: add other places, times of day and lights",
        FrameCode.COVERAGE: "" if likeness is None else _unlike(likeness, min_coverage),
    }
    return FramesReport(count, tuple(_with_text(c, texts) for c in checks), likeness)


def _with_text(check: FrameCheck, texts: dict[FrameCode, str]) -> FrameCheck:
    if check.holds:
        return check
    return FrameCheck(**{**asdict(check), "message": texts[check.code]})


def _unlike(likeness: Likeness, bound: float) -> str:
    far = ", ".join(map(str, likeness.farthest[:5]))
    return (
        f"only {likeness.share:.0%} of {likeness.frames} validation frames have a calibration frame within "
        f"{likeness.typical:.3g}, their own typical distance in the student's features; at least "
        f"{bound:.0%}: add calibration frames like validation frames {far}, or give validation frames of "
        "this camera"
    )


def _luma(views: NDArray[np.uint8]) -> NDArray[np.float32]:
    luma: NDArray[np.float32] = views[:, 0].astype(np.float32).mean(axis=1)
    return luma


def _distinct(luma: NDArray[np.float32]) -> tuple[int, int]:
    """(frames that differ from all kept before, scenes likewise), of luma [N, 224, 224]."""
    n = len(luma)
    thumbs = luma.reshape(n, 28, 8, 28, 8).mean(axis=(2, 4)).reshape(n, 28 * 28)
    centred = thumbs - thumbs.mean(axis=1, keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    frames: list[int] = []
    scenes: list[int] = []
    for i in range(n):
        if not frames or np.abs(thumbs[frames] - thumbs[i]).mean(axis=1).min() >= _ALIKE:
            frames.append(i)
        if not scenes or (unit[scenes] @ unit[i]).max() < _SCENE:
            scenes.append(i)
    return len(frames), len(scenes)


def _share(which: NDArray[np.bool_]) -> float:
    return float(which.mean()) if which.size else 0.0


def _neighbours(picture: NDArray[np.float32]) -> float:
    """Correlation of horizontally adjacent pixels."""
    return float(np.corrcoef(picture[:, :-1].ravel(), picture[:, 1:].ravel())[0, 1])


def choose(count: int, wanted: int = WANTED_FRAMES, seed: int = 0) -> NDArray[np.intp]:
    """Positions of at most `wanted` of `count` candidates, drawn without replacement, in order."""
    if count <= wanted:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, wanted, replace=False))


@dataclass
class Reservoir:
    """Draws `wanted` of a stream of unknown length, each with the same chance (Vitter, 1985, algorithm R).

    The same stream gives the same choice.
    """

    wanted: int = WANTED_FRAMES
    seen: int = 0
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def place(self) -> int | None:
        """Where the next frame goes, 0 to `wanted` - 1, or None where it is not taken."""
        self.seen += 1
        if self.seen <= self.wanted:
            return self.seen - 1
        at = int(self._rng.integers(self.seen))
        return at if at < self.wanted else None
