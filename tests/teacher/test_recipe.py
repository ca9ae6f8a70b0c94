"""Recipes of synthetic versions: one text, one identity, the same pixels."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaf_edge.contract import FAULTS
from leaf_edge.datasets.synthetic import apply_faults
from leaf_edge.teacher.recipe import (
    canonical_json,
    make,
    recipe_sha256,
    severities,
    synthetic_recipe,
    validate,
)

CLEAN = "ab" * 32


def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(30, 220, (48, 64, 3), np.uint8)


def test_canonical_text_is_as_documented() -> None:
    recipe = synthetic_recipe(CLEAN, {"noise": 0.5, "banding": 1}, 7)
    text = f'{{"clean":"{CLEAN}","faults":{{"banding":1.0,"noise":0.5}},"seed":7}}'
    assert canonical_json(recipe) == text
    assert recipe_sha256(recipe) == hashlib.sha256(text.encode()).hexdigest()


@given(
    st.dictionaries(st.sampled_from(FAULTS), st.floats(0, 1), max_size=8),
    st.integers(0, 2**63 - 1),
    st.randoms(),
)
def test_identity_does_not_depend_on_order_types_or_absent_faults(
    faults: dict[str, float], seed: int, random: Any
) -> None:
    shuffled = list(faults.items())
    random.shuffle(shuffled)
    absent = {name: 0 for name in FAULTS if name not in faults}
    numpy = {name: np.float64(value) for name, value in shuffled} | absent
    one = {"clean": CLEAN, "faults": faults, "seed": seed}
    other = {"seed": np.int64(seed), "faults": numpy, "clean": CLEAN}
    assert recipe_sha256(one) == recipe_sha256(other)
    assert validate(validate(one)) == validate(one)
    assert severities(one) == tuple(faults.get(name, 0.0) for name in FAULTS)


def test_recipes_that_differ_have_other_identities() -> None:
    recipes = [
        synthetic_recipe(CLEAN, {"noise": 0.5}, 7),
        synthetic_recipe(CLEAN, {"noise": 0.5}, 8),
        synthetic_recipe(CLEAN, {"noise": 0.25}, 7),
        synthetic_recipe(CLEAN, {"defocus": 0.5}, 7),
        synthetic_recipe("cd" * 32, {"noise": 0.5}, 7),
        synthetic_recipe(CLEAN, {}, 7),
    ]
    assert len({recipe_sha256(recipe) for recipe in recipes}) == len(recipes)


def test_the_clean_start_is_one_version_whatever_its_seed() -> None:
    assert synthetic_recipe(CLEAN, {"noise": 0}, 7) == synthetic_recipe(CLEAN, {}, 9)


@pytest.mark.parametrize("name", FAULTS)
def test_make_is_what_the_chains_make(name: str) -> None:
    rgb = picture()
    before = rgb.copy()
    faults = {name: 0.7} | ({"noise": 0.2} if name != "noise" else {})
    made = make(rgb, synthetic_recipe(CLEAN, faults, 11))
    assert made.dtype == np.uint8 and made.shape == rgb.shape
    assert np.array_equal(made, apply_faults(rgb, faults, 11))
    assert np.array_equal(made, make(rgb, synthetic_recipe(CLEAN, faults, 11)))
    assert np.array_equal(rgb, before)
    assert not np.array_equal(made, rgb)


def test_make_without_faults_gives_a_copy_of_the_clean_picture() -> None:
    rgb = picture()
    made = make(rgb, synthetic_recipe(CLEAN, {}, 0))
    assert np.array_equal(made, rgb) and made is not rgb


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clean": "xyz"}, "64 lower-case hexadecimal"),
        ({"clean": "AB" * 32}, "64 lower-case hexadecimal"),
        ({"seed": -1}, "from 0"),
        ({"seed": 1.5}, "an integer"),
        ({"seed": True}, "an integer"),
        ({"faults": [("noise", 0.5)]}, "by the name"),
        ({"faults": {"fog": 0.5}}, "fog"),
        ({"faults": {"noise": 1.5}}, "noise is 1.5"),
        ({"faults": {"noise": float("nan")}}, "noise is nan"),
        ({"faults": {"noise": "much"}}, "much"),
        ({"gain": 2}, "nothing else"),
    ],
)
def test_a_wrong_recipe_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    recipe = {"clean": CLEAN, "faults": {"noise": 0.5}, "seed": 1} | change
    with pytest.raises(ValueError, match=message):
        validate(recipe)


def test_a_recipe_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ValueError, match="found list"):
        validate([1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rgb", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_a_picture_of_another_kind_is_refused(rgb: Any) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \[height, width, 3\]"):
        make(rgb, synthetic_recipe(CLEAN, {"noise": 0.5}, 1))
