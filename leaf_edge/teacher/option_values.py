"""Options of a teacher, as they come from a command line (text) or a recipe file (numbers, true, false)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def refuse_unknown(teacher: str, options: Mapping[str, object], known: Sequence[str]) -> None:
    """Raises `ValueError` that names the options which `teacher` does not have, and those it has."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"the teacher {teacher} has no option {', '.join(unknown)}; it has: {', '.join(known)}"
        )


def number(options: Mapping[str, object], name: str, default: float, low: float, high: float) -> float:
    """A number from `low` to `high`. Raises `ValueError` for anything else."""
    value = options.get(name, default)
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        result = float(value)
    except ValueError:
        result = float("nan")
    if not low <= result <= high:
        raise ValueError(f"the option {name} is {value!r}; expected a number from {low:g} to {high:g}")
    return result


def whole(options: Mapping[str, object], name: str, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`. Raises `ValueError` for anything else."""
    value = number(options, name, default, low, high)
    if value != int(value):
        raise ValueError(f"the option {name} is {options[name]!r}; expected a whole number")
    return int(value)


def flag(options: Mapping[str, object], name: str, default: bool) -> bool:
    """True or false, or these words. Raises `ValueError` for anything else."""
    value = options.get(name, default)
    words = {"true": True, "false": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError(f"the option {name} is {value!r}; expected true or false")
    return value


def choice(options: Mapping[str, object], name: str, default: str, among: Sequence[str]) -> str:
    """One of some words. Raises `ValueError` for anything else."""
    value = options.get(name, default)
    if value not in among:
        raise ValueError(f"the option {name} is {value!r}; expected one of: {', '.join(among)}")
    return str(value)
