"""Strict reading of JSON objects: every field by name and type, and none left over."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TypeGuard

from leaf_edge.bundle.errors import BundleCode, BundleError

MAX_LINE = 1000
_NOTHING = object()


def fail(where: str, expected: str, found: object = _NOTHING) -> NoReturn:
    """Refuse the manifest because of the field `where`; without `found`, because it is absent."""
    shown = "nothing" if found is _NOTHING else _show(found)
    # A name in it may come from the manifest: no escapes for the terminal, no pages of text.
    name = where if where.isprintable() and len(where) <= 120 else ascii(where)[:120] + "..."
    raise BundleError(BundleCode.MANIFEST, f"manifest field {name}: expected {expected}; found {shown}")


def is_line(value: object) -> TypeGuard[str]:
    """Whether it is a string of at most `MAX_LINE` characters that can be shown as it is."""
    return isinstance(value, str) and value.isprintable() and len(value) <= MAX_LINE


MAX_DEPTH = 200
"""Far beyond any manifest, and what the C runtime keeps a place for (runtime/src/bundle/json.h)."""


def parse_json(data: bytes) -> Fields:
    """The object that `data` holds. No duplicate names, no number beyond float64's range, no half characters,
    at most `MAX_DEPTH` lists and objects within each other.

    Raises `BundleError` MANIFEST.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a field is given twice in one object")
        return members

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not a number of JSON")

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=constant)
        # 1e999 reads as infinity, and half a surrogate pair as a character: neither can be written again.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        if _depth(value) > MAX_DEPTH:
            raise ValueError(f"lists and objects are nested more than {MAX_DEPTH} deep")
    except (ValueError, RecursionError) as error:
        raise BundleError(BundleCode.MANIFEST, f"the manifest is not valid JSON ({error})") from None
    return Fields(value, "")


def _depth(value: object) -> int:
    """Lists and objects within each other; 0 of a plain value."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


class Fields:
    """One JSON object while it is read. Take each field once, then call `done`.

    Every method raises `BundleError` MANIFEST that names the field, what was expected and what was found.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            fail(where or "(top)", "an object", value)
        self._members: dict[str, Any] = dict(value)
        self._where = where

    def path(self, name: str) -> str:
        """Full name of a field of this object."""
        return f"{self._where}.{name}" if self._where else name

    def take(self, name: str) -> Any:
        """The field's value, of any type."""
        if name not in self._members:
            fail(self.path(name), "a value")
        return self._members.pop(name)

    def text(self, name: str) -> str:
        """A string of at most `MAX_LINE` characters, none a control character."""
        value = self.take(name)
        if not is_line(value):
            fail(self.path(name), f"one line of text, {MAX_LINE} characters at most", value)
        return value

    def match(self, name: str, pattern: re.Pattern[str], expected: str) -> str:
        """A string that `pattern` matches whole; `expected` says so in words."""
        value = self.take(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            fail(self.path(name), expected, value)
        return value

    def boolean(self, name: str) -> bool:
        """true or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            fail(self.path(name), "true or false", value)
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number, low to high."""
        value = self.take(name)
        if type(value) is not int or not low <= value <= high:
            fail(self.path(name), f"a whole number, {low} to {high}", value)
        return value

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number, low to high."""
        return self._number(self.take(name), self.path(name), low, high)

    def optional_number(self, name: str) -> float | None:
        """A finite number, or None where the field is absent (null is refused)."""
        return self.number(name) if name in self._members else None

    def numbers(self, name: str, low: float = -math.inf, high: float = math.inf) -> tuple[float, ...]:
        """A list of finite numbers, each low to high."""
        values = self.take_list(name)
        where = self.path(name)
        return tuple(self._number(value, f"{where}[{i}]", low, high) for i, value in enumerate(values))

    def take_list(self, name: str) -> list[Any]:
        """A list of anything."""
        value = self.take(name)
        if not isinstance(value, list):
            fail(self.path(name), "a list", value)
        return value

    def inner(self, name: str) -> Fields:
        """An object, to be read in turn."""
        return Fields(self.take(name), self.path(name))

    def inners(self, name: str) -> list[Fields]:
        """A list of objects."""
        where = self.path(name)
        return [Fields(value, f"{where}[{i}]") for i, value in enumerate(self.take_list(name))]

    def items(self) -> Iterator[tuple[str, Fields]]:
        """Every remaining field, each an object."""
        for name in list(self._members):
            yield name, self.inner(name)

    def done(self) -> None:
        """Refuse fields that the schema does not know: a misspelt one must not pass unseen."""
        for name, value in self._members.items():
            fail(self.path(name), "no field of this name in the schema", value)

    @staticmethod
    def _number(value: object, where: str, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            fail(where, "a number", value)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not (math.isfinite(number) and low <= number <= high):
            span = "a finite number" if math.isinf(low) else f"a number, {low:g} to {high:g}"
            fail(where, span, value)
        return number


def _show(value: object) -> str:
    """`value` for an error message, on one short line."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
