"""Teachers by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from leaf_edge.teacher.interface import Teacher

KINDS: dict[str, tuple[str, str]] = {
    "transformers": ("leaf_edge.teacher.transformers_vlm", "TransformersTeacher"),
    "openai": ("leaf_edge.teacher.openai_api", "OpenAITeacher"),
    "reference": ("leaf_edge.teacher.reference", "ReferenceTeacher"),
    "simulated": ("leaf_edge.teacher.simulated", "SimulatedTeacher"),
}
"""Kind of a teacher to module and class; the module is imported when such a teacher is made."""


def make_teacher(kind: str, options: Mapping[str, object]) -> Teacher:
    """A teacher of `kind`, ready to judge.

    options: of that teacher; its `from_options` says which there are. Raises ValueError for an unknown
    kind, an unknown option or a value that cannot be, `MissingExtraError` where a package is absent.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown teacher {kind!r}; expected one of: {', '.join(KINDS)}")
    module, name = KINDS[kind]
    teacher: Teacher = getattr(importlib.import_module(module), name).from_options(options)
    return teacher
