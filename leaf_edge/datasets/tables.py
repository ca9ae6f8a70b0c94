"""Score tables of image sets (CSV, text, Excel) as rows that know their file and line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from leaf_edge.datasets.rated import RatedSetError
from leaf_edge.datasets.xlsx import read_xlsx

_HEADER_WITHIN = 20
"""Lines in which the header of an Excel sheet is looked for; some have a title above it."""


@dataclass(frozen=True)
class Row:
    """One line of a table. cells: by column name as `plain` writes it; values are stripped."""

    file: Path
    line: int
    cells: Mapping[str, str]

    @property
    def where(self) -> str:
        """`FILE, line N`."""
        return f"{self.file}, line {self.line}"

    def has(self, *names: str) -> bool:
        """Whether one of these columns is there and filled."""
        return any(self.cells.get(plain(name)) for name in names)

    def text(self, *names: str, default: str | None = None) -> str:
        """The first filled one of these columns. Raises `RatedSetError` without it and a default."""
        for name in names:
            value = self.cells.get(plain(name))
            if value:
                return value
        if default is None:
            raise RatedSetError(f"{self.where}: {names[0]} is empty")
        return default

    def number(self, *names: str, low: float, high: float) -> float:
        """A finite number in low..high. Raises `RatedSetError` naming the line for anything else."""
        text = self.text(*names)
        return number(text, names[0], self.where, low, high)

    def deviation(self, *names: str) -> float | None:
        """A standard deviation, 0 or more; None where no such column is filled."""
        return self.number(*names, low=0.0, high=1e6) if self.has(*names) else None


def number(text: str, name: str, where: str, low: float, high: float) -> float:
    """`text` as a finite number in low..high. Raises `RatedSetError` naming `where`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise RatedSetError(f"{where}: {name} is {text!r}; expected a number from {low:g} to {high:g}")
    return value


def plain(name: str) -> str:
    """A column's name in lower case with single underscores: `Image name` is `image_name`."""
    return "_".join(name.replace("_", " ").lower().split())


Columns = tuple[tuple[str, ...], ...]
"""What a table must have: for each item one of its names."""


def read_table(path: Path, columns: Columns, *, sheet: str | None = None) -> list[Row]:
    """Rows of a CSV, or of an Excel sheet (.xlsx), below the header that has `columns`.

    Raises FileNotFoundError, or `RatedSetError` for a file that cannot be decoded, other columns,
    lines of another length, or no rows.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found; expected a table with {_words(columns)}")
    excel = path.suffix.lower() == ".xlsx"
    lines = iter(read_xlsx(path, sheet)) if excel else _csv_lines(path)
    header: list[str] | None = None
    first: list[str] | None = None
    rows = []
    for seen, (line, cells) in enumerate(lines):
        cells = [cell.strip() for cell in cells]
        if header is None:
            names = [plain(cell) for cell in cells]
            first = first or cells
            if all(any(plain(name) in names for name in known) for known in columns):
                header = names
            elif not excel or seen >= _HEADER_WITHIN:
                break
            continue
        if not any(cells):
            continue
        if not excel and len(cells) != len(header):
            raise RatedSetError(f"{path}, line {line}: {len(cells)} values; the header has {len(header)}")
        row = Row(path, line, {name: cell for name, cell in zip(header, cells, strict=False) if name})
        if not excel or any(row.has(*known) for known in columns):  # a sheet may have notes beside it
            rows.append(row)
    if header is None:
        raise RatedSetError(
            f"{path}: columns are {', '.join(first or []) or 'none'}; expected {_words(columns)}"
        )
    if not rows:
        raise RatedSetError(f"{path} lists no pictures")
    return rows


def has_columns(path: Path, columns: Columns) -> bool:
    """Whether the first line of the CSV `path` has `columns`; False where it cannot be read."""
    try:
        names = [plain(cell) for cell in next(_csv_lines(path))[1]]
    except (OSError, StopIteration):
        return False
    return all(any(plain(name) in names for name in known) for known in columns)


def read_words(path: Path) -> list[tuple[str, list[str]]]:
    """`FILE, line N` and the words of each line that has any, of a text file without a header."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise RatedSetError(f"{path}: not a text file") from None
    return [(f"{path}, line {n}", line.split()) for n, line in enumerate(lines, start=1) if line.split()]


def _csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                yield reader.line_num, cells
    except (csv.Error, UnicodeDecodeError) as error:
        raise RatedSetError(f"{path}: not a readable CSV ({error})") from None


def _words(columns: Iterable[tuple[str, ...]]) -> str:
    return "the columns " + ", ".join(" or ".join(names) for names in columns)
