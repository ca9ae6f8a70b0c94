"""Recipes: small YAML files that become frozen dataclasses, every key and value checked.

An unknown key, a missing one or a value of another type is an error that names the key by its path and says
what was expected; nothing is guessed or dropped.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from leaf_edge.extras import require

R = TypeVar("R")


class RecipeError(ValueError):
    """A recipe that cannot be used. The message names the key, what was found and what was expected."""


def load_recipe(path: str | Path, kind: type[R], changes: Sequence[str] = ()) -> R:
    """The recipe in a YAML file as a `kind` (a dataclass).

    changes: `KEY=VALUE`, KEY a path such as `schedule.epochs` and VALUE as in YAML, in place of the file's
    values. Raises FileNotFoundError and `RecipeError`.
    """
    yaml = require("yaml", "train")
    path = Path(path)
    try:
        data = _load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    data = {} if data is None else data
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key:
            raise RecipeError(f"{change!r} is not KEY=VALUE")
        try:
            _change(data, key.split("."), _load(value), key)
        except yaml.YAMLError as error:
            raise RecipeError(f"{change!r}: the value is not YAML: {' '.join(str(error).split())}") from None
    return parse(data, kind, str(path))


def _load(text: str) -> Any:
    """YAML's plain values. A key that is given twice is an error: one of both would be dropped."""
    yaml = require("yaml", "train")

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined, misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key, _ in node.value:
                if key.value in seen and isinstance(key.value, str):
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value} twice", key.start_mark)
                seen.add(str(key.value))
            return super().construct_mapping(node, deep)

    return yaml.load(text, Loader)


def _change(data: Any, path: Sequence[str], value: Any, key: str) -> None:
    for name in path[:-1]:
        data = data.setdefault(name, {}) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise RecipeError(f"{key} cannot be set: what is before its last dot has no keys")
    data[path[-1]] = value


def dump_recipe(recipe: Any) -> str:
    """YAML of a recipe with every default written out; loads to an equal one."""
    text: str = require("yaml", "train").safe_dump(as_plain(recipe), sort_keys=False)
    return text


def as_plain(recipe: Any) -> Any:
    """A recipe as mappings, lists and plain values, as JSON and YAML have them."""
    if dataclasses.is_dataclass(recipe):
        return {f.name: as_plain(getattr(recipe, f.name)) for f in dataclasses.fields(recipe)}
    if isinstance(recipe, Mapping):
        return {str(k): as_plain(v) for k, v in recipe.items()}
    if isinstance(recipe, list | tuple):
        return [as_plain(v) for v in recipe]
    return str(recipe) if isinstance(recipe, Path) else recipe


def parse(data: Any, kind: type[R], where: str = "recipe") -> R:
    """`data`, as YAML gives it, as a `kind`. where: what to call it in messages. Raises `RecipeError`."""
    value: R = _value(data, kind, where)
    return value


def _value(data: Any, kind: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _dataclass(data, kind, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        (inner,) = (a for a in arguments if a is not type(None))
        return _value(data, inner, where)
    if origin is typing.Literal:
        if data not in arguments:
            raise RecipeError(f"{where} is {data!r}; expected one of: {', '.join(map(str, arguments))}")
        return data
    if origin is tuple:
        if not isinstance(data, list):
            raise RecipeError(f"{where} is {data!r}; expected a list")
        return tuple(_value(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, Mapping):
            raise RecipeError(f"{where} is {data!r}; expected keys and values")
        return {str(k): _value(v, arguments[1], f"{where}.{k}") for k, v in data.items()}
    if kind is Any:
        return data
    if kind is Path and isinstance(data, str) and data:
        return Path(data)
    if kind is float and isinstance(data, str) and _EXPONENT.fullmatch(data):
        return float(data)  # 1e-4, which YAML 1.1 takes for a text
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is float and isinstance(data, float) and not math.isfinite(data):
        raise RecipeError(f"{where} is {data}; expected a finite number")
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise RecipeError(f"{where} is {data!r}; expected {_NAMES.get(kind, kind.__name__)}")
    return data


_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def _dataclass(data: Any, kind: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise RecipeError(f"{where} is {data!r}; expected keys: {', '.join(_keys(kind))}")
    unknown = [str(key) for key in data if key not in _keys(kind)]
    if unknown:
        raise RecipeError(f"{where} has an unknown key {unknown[0]!r}; expected: {', '.join(_keys(kind))}")
    hints = typing.get_type_hints(kind)
    given = {str(key): _value(value, hints[str(key)], f"{where}: {key}") for key, value in data.items()}
    missing = [
        f.name
        for f in dataclasses.fields(kind)
        if f.name not in given
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"{where} lacks {missing[0]!r}")
    try:
        return kind(**given)
    except ValueError as error:
        raise error if isinstance(error, RecipeError) else RecipeError(f"{where}: {error}") from None


def _keys(kind: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(kind)]
