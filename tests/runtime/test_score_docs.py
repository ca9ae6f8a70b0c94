"""docs/score.md says what the code does."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.score import add_parser
from leaf_edge.runtime.score import COLUMNS

TEXT = (Path(__file__).parents[2] / "docs" / "score.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.split(r"\n##+ ", TEXT.split(f"## {title}\n", 1)[1], maxsplit=1)[0]


def first_cells(title: str) -> list[str]:
    return [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| ")][1:]


def test_fields_are_the_columns_in_their_order() -> None:
    cells = first_cells("Fields")
    assert tuple(name for cell in cells for name in re.findall(r"`(\w+)`", cell)) == COLUMNS


def test_options_and_exit_codes_are_those_of_the_command() -> None:
    parser = add_parser(argparse.ArgumentParser().add_subparsers())
    known = {option for action in parser._actions for option in action.option_strings if option[:2] == "--"}
    assert set(re.findall(r"--[a-z][a-z-]+", section("Options"))) == known - {"--help"}
    stated = {int(cell) for cell in first_cells("Exit codes")}
    assert stated == {int(code) for code in re.findall(r"^ +(\d+)  ", parser.epilog or "", re.MULTILINE)}
    assert stated == {int(code) for code in ExitCode} - {ExitCode.REFUSED}


def test_the_example_runs(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.y4m"
    frame = b"FRAME\n" + bytes([90]) * (32 * 24) + bytes([128]) * (16 * 12 * 2)
    clip.write_bytes(b"YUV4MPEG2 W32 H24 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n" + 3 * frame)
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code is not None
    source = code[1].replace('"leaf-s"', repr(str(tiny_bundle))).replace('"clip.mp4"', repr(str(clip)))
    assert source.count(str(tmp_path)) == 1
    exec(compile(source, "docs/score.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5  # the frame, what is taken by default for the clip, three frames of it
    assert lines[0].startswith("2.")
    assert [line.split()[:2] for line in lines[2:]] == [["0", "0.0"], ["1", "0.04"], ["2", "0.08"]]
