"""The workbook reader: what Excel writes, and what an attacker would."""

from __future__ import annotations

from pathlib import Path

import pytest
from workbooks import MAIN, parts_of, write_parts, write_xlsx

from leaf_edge.datasets import xlsx
from leaf_edge.datasets.rated import RatedSetError
from leaf_edge.datasets.xlsx import read_xlsx


def test_words_numbers_and_gaps_come_back_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_xlsx(path, {"one": [["x"]], "two": [["", "a & b"], [], [1600, 0.062, "", "z"]]})
    assert read_xlsx(path, "two") == [(1, ["", "a & b"]), (3, ["1600", "0.062", "", "z"])]
    assert read_xlsx(path) == [(1, ["x"])]


def test_inline_rich_and_formula_cells_are_read(tmp_path: Path) -> None:
    parts = parts_of({"s": [["word"]]})
    parts["xl/sharedStrings.xml"] = (
        f'<sst xmlns="{MAIN}"><si><r><t>Im</t></r><r><t>age</t></r><rPh><t>no</t></rPh></si></sst>'
    )
    parts["xl/worksheets/sheet1.xml"] = (
        f'<worksheet xmlns="{MAIN}"><sheetData><row><c t="s"><v>0</v></c>'
        '<c t="inlineStr"><is><t>name</t></is></c><c r="AA1" t="str"><f>A1+1</f><v>7.5</v></c></row>'
        "</sheetData></worksheet>"
    )
    write_parts(tmp_path / "a.xlsx", parts)
    ((line, cells),) = read_xlsx(tmp_path / "a.xlsx")
    assert (line, cells[:2], cells[26], len(cells)) == (1, ["Image", "name"], "7.5", 27)


BOMB = (
    '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f'<worksheet xmlns="{MAIN}"><sheetData><row><c t="str"><v>&b;</v></c></row></sheetData></worksheet>'
)


def sheet(body: str) -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'


@pytest.mark.parametrize(
    ("part", "data", "match"),
    [
        ("xl/worksheets/sheet1.xml", BOMB, "declares a document type"),
        ("xl/worksheets/sheet1.xml", BOMB.encode("utf-16"), "declares a document type"),
        ("xl/worksheets/sheet1.xml", sheet('<row r="1"><c r="ZZZZ1"/></row>'), "the cell 'ZZZZ1'"),
        ("xl/worksheets/sheet1.xml", sheet('<row r="9999999"/>'), "the number '9999999'"),
        ("xl/worksheets/sheet1.xml", sheet('<row r="-1"/>'), "the number '-1'"),
        ("xl/worksheets/sheet1.xml", sheet('<row><c t="s"><v>7</v></c></row>'), "the number '7'"),
        ("xl/worksheets/sheet1.xml", "<worksheet>", "is not XML"),
        ("xl/workbook.xml", f'<workbook xmlns="{MAIN}"/>', "no sheet None; its sheets are none"),
    ],
)
def test_hostile_workbooks_are_refused(part: str, data: str | bytes, match: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_parts(path, {**parts_of({"s": [["word"]]}), part: data})
    with pytest.raises(RatedSetError, match=match):
        read_xlsx(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_PART", 10_000)
    path = tmp_path / "a.xlsx"
    write_parts(path, {**parts_of({"s": [["w"]]}), "xl/sharedStrings.xml": " " * 20_000})
    assert path.stat().st_size < 10_000
    with pytest.raises(
        RatedSetError, match=r"sharedStrings.xml unpacks to 20000 bytes; expected at most 10000"
    ):
        read_xlsx(path)


def test_wide_rows_cannot_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_CELLS", 1000)
    rows = "".join(f'<row r="{r}"><c r="CV{r}"><v>1</v></c></row>' for r in range(1, 20))
    write_parts(tmp_path / "a.xlsx", {**parts_of({"s": []}), "xl/worksheets/sheet1.xml": sheet(rows)})
    with pytest.raises(RatedSetError, match="more than 1000 cells"):
        read_xlsx(tmp_path / "a.xlsx")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 nothing", b"name,mos\n"])
def test_what_is_no_workbook_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(data)
    with pytest.raises(RatedSetError, match=r"not a readable \.xlsx workbook"):
        read_xlsx(tmp_path / "a.xlsx")


def test_damaged_archives_never_end_in_another_error(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_xlsx(path, {"s": [["word", 1.5]] * 40})
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            read_xlsx(path)
        except RatedSetError as error:
            assert str(path) in str(error)
