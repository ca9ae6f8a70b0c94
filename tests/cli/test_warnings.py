"""Warnings of the command: a line for who typed it, without the place in the code."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np

from leaf_edge.cli.main import _in_a_line, main

MARKED = Path(__file__).parents[1] / "bundle" / "fixtures" / "schema2.leaf"


def test_a_bundle_that_was_not_accepted_is_one_line(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((64, 64, 3), 90, np.uint8))
    words = ["score", str(tmp_path / "a.png"), "--model", str(MARKED)]
    ran = subprocess.run([sys.executable, "-m", "leaf_edge.cli.main", *words], capture_output=True, text=True)
    assert ran.returncode == 0
    (line,) = [line for line in ran.stderr.splitlines() if line.strip()]
    assert line.startswith(f"leaf-edge: warning: {MARKED}: this bundle failed its acceptance")
    assert "mos_max 0.31" in line and ".py" not in line


def test_warnings_of_others_and_of_the_program_around_stay_as_they_are(capsys) -> None:
    before = warnings.formatwarning
    assert main(["bundle", "verify", str(MARKED)]) == 0
    assert warnings.formatwarning is before
    text = _in_a_line(DeprecationWarning("old"), DeprecationWarning, "library.py", 7, "")
    assert "library.py:7: DeprecationWarning: old" in text
