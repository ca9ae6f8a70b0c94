"""Writes printable.inc: where characters that can be shown begin and end. Run it with Python 3.11:

python runtime/src/bundle/make_printable.py > runtime/src/bundle/printable.inc
"""

from __future__ import annotations

import sys
import unicodedata


def edges() -> list[int]:
    """Code points at which `str.isprintable` changes, from U+0000 (not printable) upwards."""
    found, before = [], False
    for code in range(sys.maxunicode + 1):
        if (now := chr(code).isprintable()) != before:
            found.append(code)
            before = now
    return found


def text() -> str:
    """The file: lines of at most 100 characters."""
    lines = [f"// Made by make_printable.py, Unicode {unicodedata.unidata_version}.\n"]
    line = ""
    for edge in edges():
        item = f"0x{edge:X}, "
        if len(line) + len(item) > 100:
            lines.append(line.rstrip() + "\n")
            line = ""
        line += item
    return "".join([*lines, line.rstrip() + "\n"])


if __name__ == "__main__":
    sys.stdout.write(text())
