"""Writes small Excel workbooks, as Excel lays them out, for tests of the reader."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"

Cell = str | int | float


def parts_of(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> dict[str, str]:
    """The XML of each part; words go to the shared strings, numbers into the cells."""
    strings: list[str] = []
    parts = {}
    for number, rows in enumerate(sheets.values(), start=1):
        body = []
        for r, row in enumerate(rows, start=1):
            cells = []
            for c, value in enumerate(row):
                reference = f"{chr(ord('A') + c)}{r}"
                if isinstance(value, str):
                    if value == "":
                        continue
                    strings.append(value)
                    cells.append(f'<c r="{reference}" t="s"><v>{len(strings) - 1}</v></c>')
                else:
                    cells.append(f'<c r="{reference}"><v>{value!r}</v></c>')
            body.append(f'<row r="{r}">{"".join(cells)}</row>')
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(body)}</sheetData></worksheet>'
        )
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"/>'
        for n, name in enumerate(sheets, start=1)
    )
    links = "".join(
        f'<Relationship Id="rId{n}" Type="x" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    items = "".join(f"<si><t>{escape(word)}</t></si>" for word in strings)
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}">{links}</Relationships>'
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{items}</sst>'
    return parts


def write_parts(path: Path, parts: Mapping[str, str | bytes]) -> None:
    """A zip archive of these parts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def write_xlsx(path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> None:
    """A workbook with these sheets, row by row."""
    write_parts(path, parts_of(sheets))
