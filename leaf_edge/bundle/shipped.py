"""The models that come inside the package."""

from __future__ import annotations

from pathlib import Path

from leaf_edge.bundle.errors import BundleCode, BundleError

SHIPPED: tuple[str, ...] = ("leaf-s", "leaf-m")
"""Names of the models, smallest first; the first is the default."""

_FOLDER = Path(__file__).resolve().parents[1] / "models"


def shipped(name: str) -> Path:
    """The bundle folder of a shipped model. Raises `BundleError` NOT_FOUND where there is none."""
    folder = _FOLDER / f"{name}.leaf"
    if name not in SHIPPED or not folder.is_dir():
        there = ", ".join(known for known in SHIPPED if (_FOLDER / f"{known}.leaf").is_dir()) or "none"
        raise BundleError(
            BundleCode.NOT_FOUND, f"no model {name!r} in this installation of leaf-edge (it has: {there})"
        )
    return folder


def locate(model: str | Path) -> Path:
    """The path of a bundle: a shipped model by name, anything else a path as given.

    A folder that happens to be called `leaf-s` is meant by `./leaf-s`.
    """
    return shipped(model) if isinstance(model, str) and model in SHIPPED else Path(model)
