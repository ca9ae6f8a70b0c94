"""Which versions the project asks for, and whether those that are installed fit."""

from __future__ import annotations

import operator
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

BASE = ""
"""The key of what every install has."""

_REQUIREMENT = re.compile(
    r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;()]*)\)?\s*(?:;(.*))?$"
)
_CLAUSE = re.compile(r"^(==|>=|<=|!=|>|<)\s*([0-9][^\s,]*)$")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Requirement:
    """A distribution and the versions of it that fit, as `>=10.3,<12`; "" is any."""

    name: str
    versions: str

    def allows(self, version: str) -> bool:
        """Whether `version` fits, by its release numbers: a local part (`2.13.0+cpu`) does not count."""
        found = _numbers(version)
        for clause in filter(None, (part.strip() for part in self.versions.split(","))):
            match = _CLAUSE.match(clause)
            if match is None:
                raise ValueError(
                    f"{self.name}: the clause {clause!r} is none of {', '.join(_COMPARE)} VERSION"
                )
            wanted = _numbers(match[2])
            width = max(len(found), len(wanted))
            padded = [(*numbers, *[0] * (width - len(numbers))) for numbers in (found, wanted)]
            if not _COMPARE[match[1]](padded[0], padded[1]):
                return False
        return True

    def __str__(self) -> str:
        return self.name + self.versions


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def parse_requirement(text: str) -> tuple[str, Requirement]:
    """(extra, requirement) of a line as in pyproject.toml or in a package's metadata.

    extra: `BASE` where the line belongs to none. Raises ValueError for a line that is none.
    """
    match = _REQUIREMENT.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a requirement")
    extra = _EXTRA.search(match[3] or "")
    return extra[1] if extra else BASE, Requirement(match[1], match[2].strip())


def project_requirements(package: Path | None = None) -> dict[str, list[Requirement]]:
    """What leaf-edge asks for, by extra.

    package: its folder. In a source checkout pyproject.toml beside it counts, which an editable install's
    metadata may be older than; elsewhere the metadata that pip wrote. {} where there is neither.
    """
    package = package or Path(__file__).resolve().parents[1]
    try:
        project = tomllib.loads((package.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        if project["name"] == "leaf-edge":
            groups = {BASE: project["dependencies"], **project["optional-dependencies"]}
            return {extra: [parse_requirement(t)[1] for t in lines] for extra, lines in groups.items()}
    except (OSError, KeyError, ValueError):
        pass
    try:
        return by_extra(metadata.requires("leaf-edge") or [])
    except metadata.PackageNotFoundError:
        return {}


def by_extra(lines: Iterable[str]) -> dict[str, list[Requirement]]:
    """Requirements of a package's metadata by extra."""
    found: dict[str, list[Requirement]] = {}
    for line in lines:
        extra, requirement = parse_requirement(line)
        found.setdefault(extra, []).append(requirement)
    return found
