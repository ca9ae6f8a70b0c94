"""A teacher's options from a command line and a YAML file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leaf_edge.extras import require


def parse_options(texts: Sequence[str]) -> dict[str, object]:
    """`key=value` texts as a mapping. A value that is JSON (a number, true, false, a list) is read as such,
    any other is text; a key that comes again makes a list. Raises ValueError for a text without `=`."""
    options: dict[str, object] = {}
    repeated: set[str] = set()
    for text in texts:
        key, sign, value = text.partition("=")
        key = key.strip()
        if not sign or not key:
            raise ValueError(f"option {text!r}; expected key=value")
        try:
            parsed: Any = json.loads(value)
        except ValueError:
            parsed = value
        if key not in options:
            options[key] = parsed
            continue
        before = options[key]
        options[key] = [*before, parsed] if key in repeated and isinstance(before, list) else [before, parsed]
        repeated.add(key)
    return options


def read_config(path: Path) -> tuple[str | None, dict[str, object]]:
    """(kind of the teacher where stated, options) of a YAML file: `teacher: KIND` and `options:` below it.

    Raises FileNotFoundError, or ValueError that names what is not understood.
    """
    yaml = require("yaml", "train")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected YAML with teacher: and options:")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, Mapping) or set(found) - {"teacher", "options"}:
        names = sorted(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        raise ValueError(f"{path}: expected the keys teacher and options; found {names}")
    kind, options = found.get("teacher"), found.get("options") or {}
    if kind is not None and not isinstance(kind, str):
        raise ValueError(f"{path}: teacher is {kind!r}; expected its kind")
    if not isinstance(options, Mapping):
        raise ValueError(f"{path}: options are {options!r}; expected names with values")
    return kind, {str(name): value for name, value in options.items()}
