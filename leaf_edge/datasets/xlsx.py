"""Cells of an Excel workbook (ECMA-376, .xlsx) as text, with the standard library alone.

Only what tables of scores need: shared and inline strings, numbers, cached results of formulas. A
workbook comes from the network: sizes are bounded before anything is unpacked, and a document type
declaration, which score tables never have and entity bombs need, is refused.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.parsers import expat

from leaf_edge.datasets.rated import RatedSetError

MAX_PART = 128 * 2**20
"""Most bytes of one part of the workbook, unpacked."""
MAX_ROWS, MAX_COLUMNS = 1_048_576, 16_384
"""Of a sheet, by the format."""
MAX_CELLS = 4_000_000

Start = Callable[[str, dict[str, str]], None]


def read_xlsx(path: Path, sheet: str | None = None) -> list[tuple[int, list[str]]]:
    """Rows of a sheet: number (from 1) and cells as text from column A on; empty cells are "".

    sheet: its name; None takes the first. Numbers keep the workbook's digits. Rows without cells
    are left out. Raises `RatedSetError` for what is not a workbook, has no such sheet or is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = _sheets(archive, path)
            if sheet is None:
                sheet = next(iter(names), None)
            if sheet not in names:
                raise RatedSetError(
                    f"{path}: no sheet {sheet!r}; its sheets are {', '.join(names) or 'none'}"
                )
            return _rows(archive, names[sheet], _strings(archive, path), path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise RatedSetError(f"{path}: not a readable .xlsx workbook ({error})") from None


def _part(archive: zipfile.ZipFile, name: str, path: Path) -> bytes | None:
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    if info.file_size > MAX_PART:
        raise RatedSetError(f"{path}: {name} unpacks to {info.file_size} bytes; expected at most {MAX_PART}")
    with archive.open(info) as file:
        data = file.read(MAX_PART + 1)
    if len(data) > MAX_PART:
        raise RatedSetError(
            f"{path}: {name} unpacks to more than it states; expected at most {MAX_PART} bytes"
        )
    return data


def _parse(
    data: bytes,
    name: str,
    path: Path,
    start: Start,
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Parse with callbacks; tags come without their namespace."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def local(tag: str) -> str:
        return tag.rpartition(" ")[2]

    def refuse(*_: Any) -> None:
        raise RatedSetError(f"{path}: {name} declares a document type; expected plain SpreadsheetML")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda tag, given: start(
        local(tag), {local(key): value for key, value in given.items()}
    )
    if end is not None:
        parser.EndElementHandler = lambda tag: end(local(tag))
    if text is not None:
        parser.CharacterDataHandler = text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise RatedSetError(f"{path}: {name} is not XML ({error})") from None


def _sheets(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    """Part of each sheet, by the sheet's name, in the workbook's order."""
    book, links = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
    found: list[tuple[str, str]] = []
    targets: dict[str, str] = {}

    def sheet(tag: str, given: dict[str, str]) -> None:
        if tag == "sheet":
            found.append((given.get("name", ""), given.get("id", "")))

    def link(tag: str, given: dict[str, str]) -> None:
        if tag == "Relationship":
            target = given.get("Target", "")
            targets[given.get("Id", "")] = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")

    for name, handler in ((book, sheet), (links, link)):
        data = _part(archive, name, path)
        if data is None:
            raise RatedSetError(f"{path}: {name} is missing; expected an .xlsx workbook")
        _parse(data, name, path, handler)
    return {name: targets[key] for name, key in found if key in targets}


def _strings(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """The workbook's table of shared strings; empty where it has none."""
    name = "xl/sharedStrings.xml"
    data = _part(archive, name, path)
    if data is None:
        return []
    strings: list[str] = []
    parts: list[str] = []
    inside = {"t": False, "rPh": False}

    def start(tag: str, given: dict[str, str]) -> None:
        if tag == "si":
            parts.clear()
        if tag in inside:
            inside[tag] = True

    def end(tag: str) -> None:
        if tag in inside:
            inside[tag] = False
        if tag == "si":
            strings.append("".join(parts))

    def text(piece: str) -> None:
        if inside["t"] and not inside["rPh"]:  # rPh: how to pronounce it
            parts.append(piece)

    _parse(data, name, path, start, end, text)
    return strings


def _rows(archive: zipfile.ZipFile, name: str, strings: list[str], path: Path) -> list[tuple[int, list[str]]]:
    data = _part(archive, name, path)
    if data is None:
        raise RatedSetError(f"{path}: {name} is missing; the workbook is damaged")
    rows: list[tuple[int, list[str]]] = []
    parts: list[str] = []
    state: dict[str, Any] = {"row": 0, "cells": [], "column": 0, "kind": "n", "value": False, "count": 0}

    def start(tag: str, given: dict[str, str]) -> None:
        if tag == "row":
            state["row"] = _whole(given.get("r"), state["row"] + 1, MAX_ROWS, name, path)
            state["cells"] = []
        elif tag == "c":
            state["column"] = _column(given.get("r"), len(state["cells"]), name, path)
            state["kind"] = given.get("t", "n")
            parts.clear()
        state["value"] = tag in ("v", "t")

    def end(tag: str) -> None:
        if tag in ("v", "t"):
            state["value"] = False
        elif tag == "c":
            cells = state["cells"]
            state["count"] += state["column"] + 1 - len(cells)
            if state["count"] > MAX_CELLS:
                raise RatedSetError(f"{path}: {name} has more than {MAX_CELLS} cells")
            cells.extend([""] * (state["column"] + 1 - len(cells)))
            text = "".join(parts)
            if state["kind"] == "s":
                text = strings[_whole(text, None, len(strings) - 1, name, path)]
            cells[state["column"]] = text
        elif tag == "row" and any(state["cells"]):
            rows.append((state["row"], state["cells"]))

    def text(piece: str) -> None:
        if state["value"]:
            parts.append(piece)

    _parse(data, name, path, start, end, text)
    return rows


def _whole(text: str | None, default: int | None, most: int, name: str, path: Path) -> int:
    if text is None and default is not None:
        return default
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > most:
        raise RatedSetError(f"{path}: {name} has the number {text!r} where 0 to {most} was expected")
    return int(text)


def _column(reference: str | None, default: int, name: str, path: Path) -> int:
    """Column, from 0, of a reference such as AB12."""
    if reference is None:
        return default
    letters = reference.rstrip("0123456789")
    column = 0
    for letter in letters[:4]:
        column = column * 26 + ord(letter) - ord("A") + 1
    if not (letters.isascii() and letters.isalpha() and letters.isupper()) or column > MAX_COLUMNS:
        raise RatedSetError(f"{path}: {name} has the cell {reference!r}; expected one such as AB12")
    return column - 1
