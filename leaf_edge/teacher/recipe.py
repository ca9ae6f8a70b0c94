"""Recipes of synthetic versions of a clean picture: what is stored of them instead of their pixels.

A recipe is `{"clean": SHA-256 of the clean picture, "faults": {fault: severity}, "seed": int}`. The same
recipe and clean picture give the same bytes, so the SHA-256 of its canonical JSON identifies the version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from leaf_edge.contract import FAULTS
from leaf_edge.datasets.synthetic import apply_faults
from leaf_edge.teacher.interface import Rgb

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = ("clean", "faults", "seed")
_SEED_END = 1 << 63  # what SQLite and JSON readers hold in one integer

Recipe = dict[str, Any]
"""As JSON: "clean" str, "faults" dict of name to float above 0, "seed" int."""


def synthetic_recipe(clean: str, faults: Mapping[str, float], seed: int) -> Recipe:
    """A valid recipe in canonical form: faults in order of their names, those of severity 0 left out.

    clean: SHA-256 of the clean picture. faults: severity 0 to 1 of each; none of them makes the clean
    picture itself, as a start of a chain. seed: from 0, of grain, direction and veil; without faults it
    decides nothing and becomes 0. Raises `ValueError` that says what is wrong.
    """
    return validate({"clean": clean, "faults": dict(faults), "seed": seed})


def validate(recipe: Mapping[str, Any]) -> Recipe:
    """`recipe` in canonical form. Raises `ValueError` that says what was expected and what was found."""
    if not isinstance(recipe, Mapping) or set(recipe) != set(_KEYS):
        found = sorted(map(str, recipe)) if isinstance(recipe, Mapping) else type(recipe).__name__
        raise ValueError(f"a recipe has {', '.join(_KEYS)} and nothing else; found {found}")
    clean, faults, seed = recipe["clean"], recipe["faults"], recipe["seed"]
    if not isinstance(clean, str) or not _SHA256.fullmatch(clean):
        raise ValueError(f"a recipe's clean picture is {clean!r}; expected 64 lower-case hexadecimal digits")
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < _SEED_END:
        raise ValueError(f"a recipe's seed is {seed!r}; expected an integer from 0 to 2**63 - 1")
    if not isinstance(faults, Mapping):
        raise ValueError(f"a recipe's faults are {faults!r}; expected severities by the name of the fault")
    severities = {str(name): _severity(name, faults[name]) for name in sorted(faults, key=str)}
    kept = {name: severity for name, severity in severities.items() if severity > 0}
    return {"clean": clean, "faults": kept, "seed": int(seed) if kept else 0}


def _severity(name: object, value: object) -> float:
    if name not in FAULTS:
        raise ValueError(f"a recipe has the fault {name!r}; expected some of {', '.join(FAULTS)}")
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not 0 <= float(value) <= 1:  # type: ignore[arg-type]
        raise ValueError(f"a recipe's severity of {name} is {value!r}; expected 0 to 1")
    return float(value)  # type: ignore[arg-type]


def canonical_json(recipe: Mapping[str, Any]) -> str:
    """The one text of a recipe: canonical form, sorted keys, no spaces, ASCII."""
    return json.dumps(validate(recipe), sort_keys=True, separators=(",", ":"), allow_nan=False)


def recipe_sha256(recipe: Mapping[str, Any]) -> str:
    """Identity of the synthetic version: SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(recipe).encode("ascii")).hexdigest()


def make(clean_rgb: Rgb, recipe: Mapping[str, Any]) -> Rgb:
    """The synthetic version. clean_rgb: uint8 [height, width, 3], the picture that `recipe["clean"]` names
    (the caller's to ensure); it is not changed. Returns uint8 of the same shape."""
    if clean_rgb.dtype != np.uint8 or clean_rgb.ndim != 3 or clean_rgb.shape[2] != 3 or clean_rgb.size == 0:
        raise ValueError(
            f"a clean picture is {clean_rgb.dtype} {list(clean_rgb.shape)}; expected uint8 [height, width, 3]"
        )
    valid = validate(recipe)
    made = apply_faults(clean_rgb, valid["faults"], valid["seed"])
    return made.copy() if made is clean_rgb else made


def severities(recipe: Mapping[str, Any]) -> tuple[float, ...]:
    """Severity of each of `contract.FAULTS`, in their order; 0 where the recipe has none."""
    faults = validate(recipe)["faults"]
    return tuple(faults.get(name, 0.0) for name in FAULTS)
