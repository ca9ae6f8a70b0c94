"""Files and labels that a distillation cannot use are named before anything is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from joint_inputs import TINY, make_pictures, make_store

from leaf_edge.recipes import RecipeError, parse
from leaf_edge.student import train
from leaf_edge.student.joint_recipe import DistillRecipe
from leaf_edge.student.joint_run import run_distillation
from leaf_edge.student.network import Student, StudentConfig, save_checkpoint


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of points and pairs, one of pairs alone, and files that are not what they are given for."""
    folder = tmp_path_factory.mktemp("odd")
    pictures = make_pictures(folder / "pictures", 16)
    make_store(folder / "labels.sqlite", pictures)
    make_store(folder / "pairs.sqlite", pictures, points=False)
    (folder / "junk").write_bytes(b"nothing that anything reads")
    np.save(folder / "same.npy", np.zeros((5, 8), np.float32))
    np.save(folder / "four.npy", np.eye(4, 8, dtype=np.float32))
    save_checkpoint(folder / "wide.pt", Student(StudentConfig(0.5, 2, 32, 16)))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {"stores": ["F/labels.sqlite"], "held_out": 1e-6}}, "0 pictures are held out, too few"),
        ({"labels": {"stores": ["F/pairs.sqlite"], "held_out": 0.35}}, "set batch.chains to 0"),
        (
            {
                "labels": {"stores": ["F/pairs.sqlite"], "held_out": 0.35},
                "batch": {"pairs": 0, "chains": 0},
            },
            "no label of the kinds",
        ),
        ({"start": {"student": "F/junk"}}, "F/junk is not a checkpoint of a student"),
        ({"start": {"student": "F/wide.pt"}}, "F/wide.pt: width 0.25"),
        ({"start": {"imagenet": "F/junk"}}, "F/junk cannot be started from"),
        ({"terms": {"align": 1, "level_embeddings": "F/junk"}}, "F/junk is not a .npy array"),
        ({"terms": {"align": 1, "level_embeddings": "F/same.npy"}}, "F/same.npy: level embeddings must"),
        ({"terms": {"align": 1, "level_embeddings": "F/four.npy"}}, "F/four.npy: level embeddings are"),
        ({"terms": {"features": 1, "larger": "F/junk"}}, "F/junk is not a checkpoint of a student"),
        ({"terms": {"board": 1, "students": ["F/junk"]}}, "F/junk is not a checkpoint of a student"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_cannot_be_used_is_named(
    changes: dict[str, object],
    message: str,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(train.SIZES, "leaf-s", TINY)

    def placed(value: object) -> object:
        if isinstance(value, dict):
            return {k: placed(v) for k, v in value.items()}
        if isinstance(value, list):
            return [placed(v) for v in value]
        return value.replace("F/", f"{files}/") if isinstance(value, str) else value

    base: dict[str, object] = {"labels": {"stores": ["F/labels.sqlite"], "held_out": 0.35}}
    recipe = parse(placed(base | {"tensorboard": False} | changes), DistillRecipe)
    with pytest.raises(RecipeError) as caught:
        run_distillation(recipe, tmp_path / "run")
    assert message.replace("F/", f"{files}/") in str(caught.value)
    assert not (tmp_path / "run" / "best.pt").exists()
