"""Types of the Python module, as nanobind's stubgen reads them from the module that is installed.

python runtime/binding/stub.py            writes leaf_edge/_native.pyi
python runtime/binding/stub.py --check    fails where that is not what it would write
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

STUB = Path(__file__).parents[2] / "leaf_edge" / "_native.pyi"


def generate() -> str:
    """The stub of the installed module, in the house format."""
    module = importlib.import_module("leaf_edge._native")
    generator = importlib.import_module("nanobind.stubgen").StubGen(module)
    generator.put(module)
    text: str = "# Written by runtime/binding/stub.py.\n" + generator.get()
    for step in (("format",), ("check", "--fix", "--quiet"), ("format",)):
        command = [sys.executable, "-m", "ruff", *step, "--stdin-filename", str(STUB), "-"]
        text = subprocess.run(command, input=text, capture_output=True, check=True, text=True).stdout
    return text


def main() -> int:
    """Write or compare."""
    text = generate()
    if "--check" in sys.argv[1:]:
        if STUB.read_text() == text:
            return 0
        print(f"{STUB} is not of the module that is installed; run {Path(__file__).name}", file=sys.stderr)
        return 1
    STUB.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
