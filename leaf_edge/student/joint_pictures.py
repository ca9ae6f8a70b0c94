"""Pictures of joint distillation: decoded and augmented each time, or as features computed once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS
from leaf_edge.datasets.synthetic import CHAIN
from leaf_edge.student.data import ChainViews, chain_views, crop, training_views, views_of
from leaf_edge.student.network import Student
from leaf_edge.student.teacher_labels import TeacherLabels
from leaf_edge.teacher import recipe as recipes
from leaf_edge.teacher.interface import Rgb
from leaf_edge.teacher.pictures import PictureReader
from leaf_edge.teacher.rows import PictureRow

Told = Callable[[int, int], None]
_CLEANEST = 0.2
"""Share of the pictures, best expected quality first, that may start a synthetic chain."""
_BATCH = 16


def clean_pictures(labels: TeacherLabels) -> NDArray[np.int64]:
    """Positions of the pictures that the teacher finds best, a fifth of those that it judged. None where
    there are no point labels."""
    quality = labels.quality
    judged = np.flatnonzero(labels.pointed)
    best = judged[np.argsort(-quality[judged], kind="stable")]
    return np.sort(best[: max(1, round(_CLEANEST * len(judged)))] if len(judged) else best)


class StorePictures:
    """Pictures of the rows of a store, decoded when they are needed.

    clean: positions that may start a chain. frames: folder for frames of clips, which are taken out of their
    clips once. Thread-safe. Raises `SourceError` for a picture that has gone or changed.
    """

    def __init__(
        self, rows: Sequence[PictureRow], clean: NDArray[np.int64], root: Path | None, frames: Path
    ) -> None:
        self.rows, self.clean, self._root, self._frames = list(rows), clean, root, frames
        self._local = threading.local()

    def prepare(self, told: Told = lambda done, of: None) -> None:
        """Takes the frames of clips out, in the order in which they lie there."""
        wanted = {(r.source, r.frame): r for r in self.rows if r.frame is not None}
        places = sorted(wanted, key=lambda place: (place[0], place[1] or 0))
        if places:
            self._frames.mkdir(parents=True, exist_ok=True)
        with PictureReader(self._root) as reader:
            for done, place in enumerate(places, 1):
                row = wanted[place]
                path = self._frame_path(row)
                if not path.exists():
                    plain = PictureRow(_camera_identity(row), row.source, row.frame)
                    part = path.with_suffix(".part.png")
                    if not cv2.imwrite(str(part), reader.read(plain).rgb[..., ::-1]):
                        raise OSError(28, "a frame could not be written", str(part))
                    part.replace(path)
                told(done, len(places))

    def _frame_path(self, row: PictureRow) -> Path:
        return self._frames / f"{_camera_identity(row)}.png"

    def rgb(self, index: int) -> Rgb:
        """Pixels of picture `index`."""
        row = self.rows[index]
        if row.frame is None:
            if not hasattr(self._local, "reader"):
                self._local.reader = PictureReader(self._root, cache_bytes=64 << 20)
            picture: Rgb = self._local.reader.read(row).rgb
            return picture
        image = cv2.imread(str(self._frame_path(row)), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise ValueError(
                f"{self._frame_path(row)} is not a picture any more: remove it, it is made again"
            )
        pixels = np.asarray(image, np.uint8)
        return recipes.make(pixels, row.recipe) if row.recipe else pixels

    def views(self, index: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        return training_views(crop(self.rgb(index), rng, 0.9, 1.1), rng)

    def chain(self, number: int, rng: np.random.Generator) -> ChainViews:
        return chain_views(self.rgb(int(self.clean[rng.integers(len(self.clean))])), number, rng)

    def plain_views(self, index: int) -> NDArray[np.uint8]:
        """The runtime's views of a picture, unchanged."""
        return views_of(self.rgb(index))


def _camera_identity(row: PictureRow) -> str:
    return str(row.recipe["clean"]) if row.recipe else row.sha256


class FeaturePictures:
    """Pooled features of a frozen backbone, computed once.

    features: float16 [N, V, 2, head], V augmented versions of each picture. chain_features: float16 [B,
    CHAIN, 2, head], with severity [B, CHAIN] and faults [B, CHAIN, 8].
    """

    def __init__(
        self,
        features: NDArray[np.float16],
        chain_features: NDArray[np.float16],
        severity: NDArray[np.float32],
        faults: NDArray[np.float32],
    ) -> None:
        self.features, self.chain_features = features, chain_features
        self.severity, self.faults = severity, faults

    def views(self, index: int, rng: np.random.Generator) -> NDArray[np.float32]:
        variant = int(rng.integers(self.features.shape[1]))
        features: NDArray[np.float32] = self.features[index, variant].astype(np.float32)
        return features

    def chain(self, number: int, rng: np.random.Generator) -> ChainViews:
        b = int(rng.integers(len(self.chain_features)))
        return ChainViews(self.chain_features[b].astype(np.float32), self.severity[b], self.faults[b])

    def save(self, path: Path) -> None:
        """Writes atomically."""
        part = path.with_suffix(".part.npz")
        np.savez(part, **self.__dict__)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> FeaturePictures:
        """What `save` wrote."""
        with np.load(path) as data:
            return cls(**{name: data[name] for name in ("features", "chain_features", "severity", "faults")})


def pooled(student: Student, views: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Pooled features float16 [N, 2, head] of views uint8 [N, 2, 3, 224, 224], in evaluation mode."""
    student.eval()
    parts = []
    device = student.mos.weight.device
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for i in range(0, len(views), _BATCH):
            batch = torch.from_numpy(views[i : i + _BATCH]).to(device)
            parts.append(student.pool(batch).to(torch.float16).cpu().numpy())
    return np.concatenate(parts)


def compute_features(
    student: Student,
    pictures: StorePictures,
    variants: int,
    chains: int,
    seed: int,
    told: Told = lambda done, of: None,
) -> FeaturePictures:
    """Features of `variants` augmented versions of every picture and of `chains` chains.

    told: (pictures done, of all).
    """
    total = len(pictures.rows) * variants + chains * CHAIN
    features = np.zeros((len(pictures.rows), variants, 2, student.config.head), np.float16)
    for i in range(len(pictures.rows)):
        rngs = (np.random.default_rng([seed, 7, i, v]) for v in range(variants))
        features[i] = pooled(student, np.stack([pictures.views(i, rng) for rng in rngs]))
        told((i + 1) * variants, total)
    chain_features = np.zeros((chains, CHAIN, 2, student.config.head), np.float16)
    severity = np.zeros((chains, CHAIN), np.float32)
    faults = np.zeros((chains, CHAIN, len(FAULTS)), np.float32)
    for b in range(chains):
        made = pictures.chain(b, np.random.default_rng([seed, 8, b]))
        chain_features[b] = pooled(student, made.views)
        severity[b], faults[b] = made.severity, made.faults
        told(len(pictures.rows) * variants + (b + 1) * CHAIN, total)
    return FeaturePictures(features, chain_features, severity, faults)
