"""A small student cut from a large one: exact where nothing is lost, and refitted where something is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from leaf_edge.student.network import Student, StudentConfig
from leaf_edge.student.shrink import most_telling, shrink_from

TINY = StudentConfig(0.25, 2, 48, 16)
WIDE = StudentConfig(0.25, 4, 48, 16)


def smooth_views(count: int, seed: int) -> NDArray[np.uint8]:
    """Views with structure: noise of several scales."""
    rng = np.random.default_rng(seed)
    total = np.zeros((count, 2, 3, 224, 224))
    for cells in (7, 28, 112):
        noise = rng.normal(0, 40, (count, 2, 3, cells, cells))
        total += noise.repeat(224 // cells, 3).repeat(224 // cells, 4)
    return np.clip(128 + total, 0, 255).astype(np.uint8)


def random_student(config: StudentConfig, seed: int) -> Student:
    torch.manual_seed(seed)
    return Student(config).eval()


def test_the_same_size_is_a_copy() -> None:
    large, same = random_student(TINY, 2), random_student(TINY, 7)
    shrink_from(same, large, smooth_views(3, 0))
    for p, q in zip(large.parameters(), same.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-7)


def test_unused_channels_go_first() -> None:
    large = random_student(WIDE, 3)
    with torch.no_grad():
        for block in large.inverted_residuals()[1:]:
            block.project.conv.weight[:, ::2] = 0  # every other hidden channel is unused
    small = random_student(TINY, 8)
    shrink_from(small, large, smooth_views(24, 1))
    views = torch.from_numpy(smooth_views(4, 2))
    with torch.inference_mode():
        wanted, found = large.predict(views), small.predict(views)
    assert torch.allclose(wanted.mos, found.mos, atol=2e-3)
    assert torch.allclose(wanted.fault_logits, found.fault_logits, atol=2e-3)


def test_refitting_is_closer_than_copying() -> None:
    large = random_student(WIDE, 4)
    refitted, copied = random_student(TINY, 9), random_student(TINY, 9)
    shrink_from(refitted, large, smooth_views(48, 3))
    # the same channels with the large network's own projections behind them
    copied.load_state_dict(refitted.state_dict())
    with torch.no_grad():
        for a, b in zip(copied.inverted_residuals()[1:], large.inverted_residuals()[1:], strict=True):
            kept = [
                int((b.dw.conv.weight - row).abs().flatten(1).sum(1).argmin()) for row in a.dw.conv.weight
            ]
            a.project.conv.weight.copy_(b.project.conv.weight[:, kept])
            a.project.load_state_dict(
                {"conv.weight": a.project.conv.weight, "conv.bias": b.project.conv.bias}
            )
    views = torch.from_numpy(smooth_views(8, 5)).flatten(0, 1)
    with torch.inference_mode():
        wanted = large.backbone(views)
        errors = [(s.backbone(views) - wanted).square().mean() for s in (refitted, copied)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (StudentConfig(0.5, 2, 48, 16), r"width 0\.5, expansion 2 cannot be cut .* 0\.25, 4"),
        (StudentConfig(0.25, 6, 48, 16), "expansion 6 cannot be cut"),
        (StudentConfig(0.25, 2, 64, 16), "head 64 exceeds"),
        (StudentConfig(0.25, 1, 48, 16), "no expansion to choose them by"),
    ],
)
def test_what_cannot_be_cut_is_refused(config: StudentConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shrink_from(Student(config), random_student(WIDE, 1), smooth_views(1, 0))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 3))
def test_one_column_is_the_best_of_all(seed: int, columns: int, targets: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(50, columns)), rng.normal(size=(50, targets))
    assert most_telling(x, y, 1).tolist() == [_best(x, y, 1)[0]]
    assert most_telling(x, y, columns).tolist() == list(range(columns))


def test_columns_that_say_the_same_are_taken_once() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 200))
    x = np.stack([a, a, 3 * a, b, np.zeros(200)], 1)
    chosen = most_telling(x, np.stack([a + 0.1 * b], 1), 2)
    assert 3 in chosen and set(chosen) & {0, 1, 2}
    # constant columns explain nothing and come last, yet the count is kept
    assert len(set(most_telling(x, x, 5).tolist())) == 5


def _best(x: NDArray[np.float64], y: NDArray[np.float64], count: int) -> tuple[int, ...]:
    """The subset of least squared error, by trying all."""

    def error(columns: tuple[int, ...]) -> float:
        a = x[:, columns] - x[:, columns].mean(0)
        b = y - y.mean(0)
        return float(((b - a @ np.linalg.lstsq(a, b, rcond=None)[0]) ** 2).sum())

    return min(combinations(range(x.shape[1]), count), key=error)
