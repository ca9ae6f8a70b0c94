"""Pipelines that ran once, for the tests that change something about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch (leaf-edge[train])")

import torch
from pipeline_world import BANK, TINY, Ran, make_frames, make_ratings, recipe_of, run_all

from leaf_edge.student import joint_run, train
from leaf_edge.student.network import Student, save_checkpoint


@contextmanager
def tiny_student() -> Iterator[None]:
    """A tiny student under the name of the small one."""
    before = torch.get_num_threads(), train.SIZES["leaf-s"], joint_run._BANK
    torch.set_num_threads(1)
    train.SIZES["leaf-s"], joint_run._BANK = TINY, BANK
    try:
        yield
    finally:
        train.SIZES["leaf-s"], joint_run._BANK = before[1:]
        torch.set_num_threads(before[0])


@pytest.fixture(autouse=True)
def tiny() -> Iterator[None]:
    """Every test here has the tiny student, and no other test has."""
    with tiny_student():
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with frames, ratings and the student that all start from."""
    folder = tmp_path_factory.mktemp("pipeline")
    make_frames(folder / "frames")
    make_ratings(folder / "rated")
    torch.manual_seed(0)
    save_checkpoint(folder / "start.pt", Student(TINY))
    return folder


@pytest.fixture(scope="session")
def unrated(world: Path) -> Ran:
    """Without a rating by anybody."""
    recipe = recipe_of(world / "frames", world / "start.pt")
    with tiny_student():
        return Ran(recipe, world / "unrated", run_all(recipe, world / "unrated"))


@pytest.fixture(scope="session")
def rated(world: Path) -> Ran:
    """With ratings."""
    recipe = recipe_of(world / "frames", world / "start.pt", world / "rated" / "ratings.csv")
    with tiny_student():
        return Ran(recipe, world / "rated-out", run_all(recipe, world / "rated-out"))
