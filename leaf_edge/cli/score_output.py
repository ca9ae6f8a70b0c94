"""Writing scores: CSV or JSON Lines, to a file that appears whole or to standard output."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from leaf_edge.cli.exit_codes import OutputError, UsageError
from leaf_edge.runtime.score import COLUMNS, Score

Write = Callable[[Score], None]

STDOUT = "-"
FORMATS = ("csv", "jsonl")
_PART = ".part"


def format_of(name: str) -> str:
    """One of `FORMATS`, by the extension; CSV for standard output. Raises `UsageError` for another."""
    kind = FORMATS[0] if name == STDOUT else Path(name).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise UsageError(
            f"--output {name}: expected a name that ends in .csv or .jsonl, or - for standard output "
            "(or state --output-format)"
        )
    return kind


class PartFile:
    """A file that is written as NAME.part and appears under its name with `finish`.

    A link is followed: what it points to is replaced. A pipe or a device is written as it is.
    Raises `OutputError` for a folder.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise OutputError(f"{path}: cannot be written: it is a folder")
        self.path = path
        self._stream = path.exists() and not path.is_file()
        self._target = path if self._stream else path.resolve()
        self.part = path if self._stream else self._target.with_name(self._target.name + _PART)

    def finish(self) -> None:
        """Give the file its name. Raises `OutputError`."""
        if not self._stream:
            with output_errors():
                self.part.replace(self._target)

    def discard(self) -> None:
        """Remove what was written, if it is still there under the name of a part."""
        if not self._stream:
            with suppress(OSError):
                self.part.unlink(missing_ok=True)


@contextmanager
def score_writer(name: str | None, kind: str) -> Iterator[tuple[Write, Callable[[], None]]]:
    """(write, finish) for `--output name` in the format `kind`; None writes nowhere.

    Each row is flushed as it is written. Without a call of `finish` nothing is left under the name,
    and a file that was there before stays as it was. Raises `OutputError`.
    """
    if name is None:
        yield lambda score: None, lambda: None
        return
    if name == STDOUT:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="surrogateescape")  # file names are bytes, not always UTF-8
        yield _rows(sys.stdout, kind), lambda: None
        return
    target = PartFile(Path(name))
    with output_errors():
        file = target.part.open("w", encoding="utf-8", errors="surrogateescape", newline="")

    def finish() -> None:
        with output_errors():
            file.close()
        target.finish()

    try:
        yield _rows(file, kind), finish
    finally:
        with suppress(OSError):
            file.close()
        target.discard()


def _rows(file: TextIO, kind: str) -> Write:
    if kind == "jsonl":

        def write_line(score: Score) -> None:
            with output_errors():
                file.write(json.dumps(score.to_dict(), allow_nan=False) + "\n")
                file.flush()

        return write_line
    table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    with output_errors():
        table.writeheader()

    def write_row(score: Score) -> None:
        row: dict[str, Any] = score.to_row()
        with output_errors():
            table.writerow(row)
            file.flush()

    return write_row


@contextmanager
def output_errors() -> Iterator[None]:
    """Failures to write are the output's, not the input's."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = "" if error.filename is None else f"{str(error.filename).removesuffix(_PART)}: "
        raise OutputError(f"{where}cannot be written: {error.strerror or error}") from None
