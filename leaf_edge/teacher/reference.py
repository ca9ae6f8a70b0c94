"""The teacher without weights: clean pictures, camera faults of known severity, full-reference metrics.

It judges synthetic versions of clean pictures and nothing else. It is no model of people: what it knows
for certain is the order along a fault that grows, and which faults there are.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from leaf_edge.contract import FAULTS, MOS_MAX, MOS_MIN
from leaf_edge.teacher import option_values as values
from leaf_edge.teacher.expansion import MOST, PER_PICTURE, expand
from leaf_edge.teacher.full_reference import Pyramid, compare, pyramid
from leaf_edge.teacher.interface import CleanLookup, Failure, Picture
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.normal_levels import normal_levels
from leaf_edge.teacher.recipe import severities, validate
from leaf_edge.teacher.rows import PictureRow

OPTIONS = ("per_picture", "deviation", "assume_clean")
DEVIATION = 0.5
"""MOS: half a level."""

_TRUST = 0.9
"""Most reliable judgment: that the clean picture is clean is the user's word, not a measurement."""
_ASSUMED_MOS = 4.5
_ASSUMED_TRUST = 0.2
_CERTAIN = 0.99
"""Preference where the order is known."""
_KEPT = 4
"""Clean pictures kept ready: versions of one picture come together."""

_REMEMBERED = 100_000
"""Comparisons kept; some 30 MB."""


class _Quality(NamedTuple):
    """mos: 1..5. reliability: 0..1. faults: severities by name. clean: SHA-256, "" without a recipe."""

    mos: float
    reliability: float
    faults: tuple[float, ...]
    clean: str


class ReferenceTeacher:
    """Judgments of synthetic versions (`expand` makes their rows); needs `with_clean` first.

    per_picture: versions that `expand` makes of a clean picture, 1 to 64.
    deviation: of the normal that a MOS is turned into over the five levels, in MOS, 0.1 to 2.
    assume_clean: judge a camera's own picture too, as near-excellent with a low reliability; without it
    such a picture is a `Failure`. Not thread-safe. Needs scikit-image (leaf-edge[train]).
    """

    name = "reference:ssim+severity"
    batch = 8

    def __init__(
        self, deviation: float = DEVIATION, assume_clean: bool = False, per_picture: int = PER_PICTURE
    ) -> None:
        self.per_picture = per_picture
        self.deviation = deviation
        self.assume_clean = assume_clean
        self._lookup: CleanLookup | None = None
        self._ready: OrderedDict[str, Pyramid] = OrderedDict()
        self._known: dict[str, _Quality] = {}

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> ReferenceTeacher:
        """From the options in `OPTIONS`. Raises `ValueError` that names what is wrong."""
        values.refuse_unknown("reference", options, OPTIONS)
        return cls(
            values.number(options, "deviation", DEVIATION, 0.1, 2.0),
            values.flag(options, "assume_clean", False),
            values.whole(options, "per_picture", PER_PICTURE, 1, MOST),
        )

    @property
    def version(self) -> str:
        """Everything that a label depends on besides its picture."""
        return f"1;deviation={self.deviation:g}" + (";assume_clean" if self.assume_clean else "")

    def with_clean(self, lookup: CleanLookup) -> None:
        """Where the clean pictures come from."""
        self._lookup = lookup
        self.close()

    def expand(
        self, rows: Iterable[PictureRow], seed: int, per_picture: int | None = None
    ) -> list[PictureRow]:
        """Rows of synthetic versions of clean pictures (`leaf_edge.teacher.expansion.expand`)."""
        return expand(rows, seed, self.per_picture if per_picture is None else per_picture)

    def fault_severities(self, picture: Picture) -> tuple[float, ...] | None:
        """Severities 0..1 in the order of `contract.FAULTS`, as its recipe states them. Of a camera's own
        picture none where it is assumed to be clean, else None: not known."""
        if picture.recipe:
            return severities(picture.recipe)
        return (0.0,) * len(FAULTS) if self.assume_clean else None

    def points(self, pictures: Sequence[Picture]) -> list[PointJudgment | Failure]:
        """Half known severity, half metric, as a distribution; a `Failure` where there is no recipe or no
        clean picture. Reliability is highest for clean and for ruined pictures, and falls with the gap
        between severity and metric."""
        return [self._point(quality) for quality in map(self._quality, pictures)]

    def pairs(self, pairs: Sequence[tuple[Picture, Picture]]) -> list[PairJudgment | Failure]:
        """Both orders are always equal: nothing here sees a position.

        Of one clean picture, where no fault is stronger in one version and some are weaker, the order is
        certain. All else goes by the difference in MOS and the deviation of both, and is believed less.
        """
        return [self._pair(self._quality(a), self._quality(b)) for a, b in pairs]

    def close(self) -> None:
        """Forgets the clean pictures and the comparisons that it kept."""
        self._ready.clear()
        self._known.clear()

    def _point(self, quality: _Quality | Failure) -> PointJudgment | Failure:
        if isinstance(quality, Failure):
            return quality
        levels = normal_levels(quality.mos, self.deviation)
        return PointJudgment.of(levels, _constant(quality.reliability))

    def _pair(self, a: _Quality | Failure, b: _Quality | Failure) -> PairJudgment | Failure:
        if isinstance(a, Failure):
            return a
        if isinstance(b, Failure):
            return b
        known = certain_order(a.faults, b.faults) if a.clean and a.clean == b.clean else None
        if known is not None:
            preference = (0.5, _CERTAIN, 1 - _CERTAIN)[known]
            return PairJudgment.of(preference, preference)
        preference = 0.5 * (
            1 + math.erf((a.mos - b.mos) / (2 * self.deviation))
        )  # normal, deviation * sqrt(2)
        trust = math.sqrt(a.reliability * b.reliability)
        return PairJudgment(preference, preference, trust * abs(2 * preference - 1))

    def _quality(self, picture: Picture) -> _Quality | Failure:
        """Compared once: a picture comes back in several pairs."""
        if picture.sha256 in self._known:
            return self._known[picture.sha256]
        quality = self._compared(picture)
        if isinstance(quality, _Quality):
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[picture.sha256] = quality
        return quality

    def _compared(self, picture: Picture) -> _Quality | Failure:
        name = picture.source or picture.sha256
        if not picture.recipe:
            if self.assume_clean:
                return _Quality(_ASSUMED_MOS, _ASSUMED_TRUST, (0.0,) * len(FAULTS), "")
            return Failure(
                f"{name}: the reference teacher judges synthetic versions of clean pictures only; this one "
                "has no recipe (assume_clean=true takes it for near-excellent, with a low reliability)"
            )
        try:
            recipe = validate(picture.recipe)
            similarity = compare(self._clean(recipe["clean"]), pyramid(picture.rgb))
        except KeyError as error:
            return Failure(
                f"{name}: its clean picture is not there ({error.args[0] if error.args else error})"
            )
        except (ValueError, OSError) as error:
            return Failure(f"{name}: {error}")
        faults = severities(recipe)
        by_severity = math.prod(1 - severity for severity in faults)
        by_metric = similarity.quality
        mos = MOS_MIN + (MOS_MAX - MOS_MIN) * (by_severity + by_metric) / 2
        extreme = 1 - 2 * by_severity * (1 - by_severity)  # 1 at both ends, 1/2 in the middle
        agreement = 1 - abs(by_severity - by_metric)
        return _Quality(mos, _TRUST * extreme * agreement, faults, recipe["clean"])

    def _clean(self, sha256: str) -> Pyramid:
        if sha256 in self._ready:
            self._ready.move_to_end(sha256)
        else:
            if self._lookup is None:
                raise RuntimeError("the reference teacher has no clean pictures; call with_clean first")
            self._ready[sha256] = pyramid(self._lookup(sha256))
            if len(self._ready) > _KEPT:
                self._ready.popitem(last=False)
        return self._ready[sha256]


def certain_order(a: Sequence[float], b: Sequence[float]) -> int | None:
    """Of severities [8] of two versions of one clean picture: 1 where the first is better for certain, 2
    where the second is, 0 where both have the same faults, None where the severities do not tell."""
    differences = [y - x for x, y in zip(a, b, strict=True)]
    better, worse = any(d > 0 for d in differences), any(d < 0 for d in differences)
    if better and worse:
        return None
    return 1 if better else 2 if worse else 0


def _constant(reliability: float) -> Callable[[object], float]:
    return lambda distributions: reliability
