"""Training batches: photographs with MOS and synthetic chains, as views.

A batch is a function of (seed, step) alone, so that a resumed run sees what an uninterrupted one
would have seen, whatever the number of workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS, mos_to_unit
from leaf_edge.datasets.biq2021 import Sample
from leaf_edge.datasets.faults import Image, apply_fault
from leaf_edge.datasets.synthetic import CHAIN, make_chain
from leaf_edge.frames.folder import natural_key
from leaf_edge.frames.frame import Frame
from leaf_edge.frames.images import IMAGE_SUFFIXES
from leaf_edge.views import GRID, PATCH, make_views

CLEAN_MOS = 3.9
"""Photographs rated this or better are clean enough to be the start of a synthetic chain."""

# People rate bright photographs well, and a student of their ratings takes slight over-exposure for a gain:
# it has to see three times as many chains of it.
_CHAIN_FAULTS = (*FAULTS, "over_exposure", "over_exposure")

EMPHASIS = 4
"""Chains that a fault under emphasis has beside its own, for each that another fault has."""

_CHROMA_420 = 0.3  # share of pictures that pass through 4:2:0 limited range, as a camera stream does


@dataclass(frozen=True)
class Batch:
    """views: uint8 [R + C * CHAIN + U, 2, 3, 224, 224]: rated photographs, chains, unlabelled pictures.
    mos: float32 [R], 0..1. severity: float32 [C, CHAIN]. faults: float32 [C * CHAIN, 8]."""

    views: NDArray[np.uint8]
    mos: NDArray[np.float32]
    severity: NDArray[np.float32]
    faults: NDArray[np.float32]


def read_rgb(path: Path) -> Image:
    """A picture as uint8 RGB [height, width, 3]. Raises ValueError naming a file that is not one."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError(f"{path} cannot be decoded; expected a picture")
    return np.asarray(image, np.uint8)


def pictures_in(folders: Sequence[Path]) -> list[Path]:
    """The images below folders, in a stable order. Raises ValueError where a folder has none, or naming
    those that no decoder knows by their first bytes: a run of hours must not find them."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder; expected a folder of pictures")
        named = (p for p in folder.rglob("*") if not p.name.startswith("."))  # "._1.jpg" is no picture
        below = [p for p in named if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
        if not below:
            raise ValueError(f"{folder} holds no image; expected a folder of pictures")
        found += sorted(below, key=lambda path: natural_key(path.relative_to(folder)))
    if broken := [str(path) for path in found if not cv2.haveImageReader(str(path))]:
        raise ValueError(
            f"{len(broken)} of {len(found)} pictures cannot be decoded: {', '.join(broken[:5])}"
            f"{', ...' if len(broken) > 5 else ''}; mend or remove them"
        )
    return found


def views_of(image: Image) -> NDArray[np.uint8]:
    """The runtime's views of an RGB picture: uint8 [2, 3, 224, 224]."""
    return make_views(Frame.from_array(image))


def _fragments(image: Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The fragments view with each patch moved inside its cell; uint8 [3, 224, 224]."""

    def index(length: int) -> NDArray[np.int64]:
        edges = np.arange(GRID + 1) * length // GRID
        room = np.maximum(np.diff(edges) - PATCH, 0)
        starts = edges[:-1] + rng.integers(0, room + 1)
        if length >= PATCH:
            starts = np.minimum(starts, length - PATCH)
        pixels: NDArray[np.int64] = (starts[:, None] + np.arange(PATCH)).reshape(-1)
        return np.clip(pixels, 0, length - 1)

    y, x = index(image.shape[0]), index(image.shape[1])
    return np.ascontiguousarray(image[y][:, x].transpose(2, 0, 1))


def training_views(image: Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Views of a picture under label-preserving changes: uint8 [2, 3, 224, 224]."""
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    if rng.random() < _CHROMA_420:
        even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        yuv = cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420)
        image = np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420), np.uint8)
    views = views_of(image)
    views[1] = _fragments(image, rng)
    return views


class ChainViews(NamedTuple):
    """views: uint8 [CHAIN, 2, 3, 224, 224], or what a network made of them. severity: float32 [CHAIN] of
    the fault that grows. faults: float32 [CHAIN, 8]."""

    views: NDArray[Any]
    severity: NDArray[np.float32]
    faults: NDArray[np.float32]


def chain_views(
    image: Image, number: int, rng: np.random.Generator, emphasis: Sequence[str] = ()
) -> ChainViews:
    """A chain of a clean picture; the fault goes round with `number`, those of `emphasis` more often."""
    faults = _CHAIN_FAULTS + tuple(emphasis) * EMPHASIS
    fault = faults[number % len(faults)]
    chain = make_chain(crop(image, rng, 0.75, 1.8), fault, rng)
    # the same patches and flip along the chain: only the fault differs
    seed = int(rng.integers(1 << 31))
    views = np.stack([training_views(picture, np.random.default_rng(seed)) for picture in chain.images])
    return ChainViews(views, chain.severity, chain.faults)


def crop(image: Image, rng: np.random.Generator, least: float, widest: float) -> Image:
    """A random window of at least `least` of each side; its aspect up to `widest`."""
    h, w = image.shape[:2]
    new_w = max(PATCH, round(w * rng.uniform(least, 1)))
    new_h = max(PATCH, min(h, round(new_w / rng.uniform(1, widest))))
    y, x = rng.integers(h - new_h + 1), rng.integers(w - new_w + 1)
    return image[y : y + new_h, x : x + new_w]


class Batches:
    """Batches of a training run; see the module.

    samples: rated photographs (the training side). rated, chains, unlabelled: how many of each in a batch.
    emphasis: faults with more chains (see `EMPHASIS`).
    pool: pictures without ratings that the unlabelled ones are made of (none: the rated photographs).
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        rated: int,
        chains: int,
        seed: int,
        unlabelled: int = 0,
        emphasis: Sequence[str] = (),
        pool: Sequence[Path] = (),
    ) -> None:
        self.samples = list(samples)
        self.pool = list(pool) or [s.path for s in samples]
        self.emphasis = tuple(emphasis)
        self.rated, self.chains, self.unlabelled, self.seed = rated, chains, unlabelled, seed
        self.clean = [s.path for s in samples if s.mos >= CLEAN_MOS]
        if len(self.samples) < rated or (chains and not self.clean):
            raise ValueError(
                f"{len(self.samples)} rated photographs, {len(self.clean)} of them clean (MOS {CLEAN_MOS} or "
                f"better); expected at least {rated} and 1"
            )
        self.steps_per_epoch = len(self.samples) // rated

    def at(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.samples))
        rng = np.random.default_rng([self.seed, epoch, within])
        chosen = [self.samples[i] for i in order[within * self.rated : (within + 1) * self.rated]]
        views = [training_views(crop(read_rgb(s.path), rng, 0.9, 1.1), rng) for s in chosen]
        severity, faults = [], []
        for k in range(self.chains):
            image = read_rgb(self.clean[rng.integers(len(self.clean))])
            chain = chain_views(image, step * self.chains + k, rng, self.emphasis)
            views += list(chain.views)
            severity.append(chain.severity)
            faults.append(chain.faults)
        views += [self._unlabelled(rng) for _ in range(self.unlabelled)]
        return Batch(
            np.stack(views),
            np.array([mos_to_unit(s.mos) for s in chosen], np.float32),
            np.array(severity, np.float32).reshape(-1, CHAIN),
            np.concatenate(faults) if faults else np.zeros((0, len(FAULTS)), np.float32),
        )

    def views(self, count: int) -> NDArray[np.uint8]:
        """Views of the pictures of the first batches, mixed: uint8 [count, 2, 3, 224, 224], or of all
        pictures of the first epoch where those are fewer."""
        parts: list[NDArray[np.uint8]] = []
        for step in range(self.steps_per_epoch):
            parts.append(self.at(step).views)
            if sum(map(len, parts)) >= count:
                break
        views = np.concatenate(parts)
        mixed: NDArray[np.uint8] = views[np.random.default_rng(self.seed).permutation(len(views))[:count]]
        return mixed

    def _unlabelled(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Views of a picture that only a teacher can judge: a smaller window, often with a fault, at
        times blended with another. Wide variety is what distillation learns from (Beyer et al.,
        CVPR 2022, arXiv 2106.05237)."""
        picture = crop(read_rgb(self.pool[rng.integers(len(self.pool))]), rng, 0.4, 1.8)
        if rng.random() < 0.5:
            fault = FAULTS[rng.integers(len(FAULTS))]
            picture = apply_fault(picture, fault, float(rng.uniform(0.05, 0.8)), rng)
        views = training_views(picture, rng)
        if rng.random() < 0.3:
            other = training_views(read_rgb(self.pool[rng.integers(len(self.pool))]), rng)
            share = rng.uniform(0.2, 0.8)
            views = np.rint(share * views + (1 - share) * other).astype(np.uint8)
        return views

    def stream(self, begin: int, end: int, workers: int = 2) -> Iterator[Batch]:
        """Batches of steps [begin, end), made ahead in threads."""
        with ThreadPoolExecutor(workers) as pool:
            ahead: deque[Future[Batch]] = deque()
            try:
                for step in range(begin, end):
                    ahead.append(pool.submit(self.at, step))
                    if len(ahead) > 2 * workers:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()
