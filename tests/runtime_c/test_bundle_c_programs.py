"""The C++ tests of bundles and calibration, built with AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import unicodedata
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from bundle_programs import ROOT, programs, run  # noqa: F401

SOURCE = ROOT / "runtime" / "src" / "bundle"


@pytest.mark.parametrize(
    "name", ["bundle_test", "bundle_memory_test", "bundle_swap_test", "calibration_test"]
)
def test_the_program_finds_no_failure(programs: Path, name: str) -> None:  # noqa: F811
    assert b" 0 failures" in b" " + run([programs / name])


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="needs Python 3.11, which has Unicode 14")
def test_the_table_of_printable_characters_is_the_one_of_python() -> None:
    spec = spec_from_file_location("make_printable", SOURCE / "make_printable.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (SOURCE / "printable.inc").read_text() == module.text()
