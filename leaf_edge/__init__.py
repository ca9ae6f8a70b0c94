"""Image quality assessment for cameras: see README.md.

    scorer = leaf_edge.load("leaf-s")
    score = scorer.score(frame)

`load`, `Scorer`, `Score` and `Frame` are imported when they are first used, so that `import
leaf_edge` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaf_edge.frames.frame import Frame
    from leaf_edge.runtime.score import Score
    from leaf_edge.runtime.scorer import Scorer, load

__version__ = "0.1.0"

__all__ = ["Frame", "Score", "Scorer", "__version__", "load"]

_LAZY = {
    "Frame": "leaf_edge.frames.frame",
    "Score": "leaf_edge.runtime.score",
    "Scorer": "leaf_edge.runtime.scorer",
    "load": "leaf_edge.runtime.scorer",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
