"""Optional packages: imported where they are used, with a one-line error that names the extra."""

from __future__ import annotations

import importlib
from typing import Any


class MissingExtraError(ImportError):
    """A package of an optional extra is not installed. The message says how to install it."""


def require(module: str, extra: str) -> Any:
    """Import `module`; it belongs to the optional dependencies `leaf-edge[extra]`.

    Raises `MissingExtraError` where the package is absent. A package that is there but fails to
    import raises its own error, which says more.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        if missing != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{missing} is not installed; it comes with: pip install 'leaf-edge[{extra}]'"
        ) from None
