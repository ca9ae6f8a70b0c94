"""A teacher's labels from a label store as an anchor of the whole fine-tune."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from leaf_edge.calibration.finetune import features_of, outputs  # noqa: E402
from leaf_edge.calibration.whole import StoreLabels, WholeSettings, finetune_whole  # noqa: E402
from leaf_edge.student.network import Student, StudentConfig  # noqa: E402
from leaf_edge.teacher.judgment import PointJudgment  # noqa: E402
from leaf_edge.teacher.pictures import file_sha256  # noqa: E402
from leaf_edge.teacher.rows import PictureRow  # noqa: E402
from leaf_edge.teacher.store import LabelStore  # noqa: E402


@dataclass(frozen=True)
class Rated:
    path: Path
    mos: float


def test_the_teachers_labels_pull_the_student(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    paths = []
    for i in range(16):
        path = tmp_path / f"{i}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (48, 48, 3), np.uint8))
        paths.append(path)
    excellent = PointJudgment((0.96, 0.01, 0.01, 0.01, 0.01), 1.0)
    with LabelStore(tmp_path / "labels.db") as store:
        rows = [PictureRow(file_sha256(p), str(p), None, {}, 48, 48) for p in paths[8:]]
        store.add_pictures(rows)
        store.put_points("teacher", "1", [(row.sha256, excellent) for row in rows])
    labels = StoreLabels(tmp_path / "labels.db")
    views, unit, reliability = labels.at(3, 4, 1)
    assert views.shape == (4, 2, 3, 224, 224) and torch.allclose(unit, torch.full((4,), 0.975), atol=1e-3)
    assert (reliability == 1).all() and np.array_equal(labels.at(3, 4, 1)[0], views)
    torch.manual_seed(1)
    student = Student(StudentConfig(0.25, 2, 16, 16)).eval()
    samples = [Rated(p, 4.0 - 0.1 * i) for i, p in enumerate(paths[:8])]
    settings = WholeSettings(
        steps=10, rated=4, chains=0, judged=8, warmup=1, frozen_blocks=2, head_lr=5e-3, ema=0.1, anchor=2.0
    )
    told = features_of(student, paths[8:])
    before = outputs(student, told)[0].mean()
    alone = finetune_whole(student, samples, settings, tmp_path / "alone")
    pulled = finetune_whole(student, samples, settings, tmp_path / "pulled", labels)
    means = [float(outputs(s, features_of(s, paths[8:]))[0].mean()) for s in (alone, pulled)]
    assert means[1] > means[0] + 0.01 and np.isfinite(before)
    with LabelStore(tmp_path / "empty.db"):
        pass
    with pytest.raises(ValueError, match="no point labels"):
        StoreLabels(tmp_path / "empty.db")
