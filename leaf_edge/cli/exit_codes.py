"""What the exit status of `leaf-edge` means: the one list, for scripts and for the help texts."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Status of the process. The text of each member is in `MEANING`."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    SKIPPED = 3
    INPUT = 4
    BUNDLE = 5
    EXTRA = 6
    REFUSED = 7
    OUTPUT = 8
    DEVICE = 9
    INTERRUPTED = 130
    PIPE = 141


MEANING: dict[ExitCode, str] = {
    ExitCode.OK: "done, every input was used",
    ExitCode.INTERNAL: "unexpected failure; LEAF_DEBUG=1 shows the traceback",
    ExitCode.USAGE: "wrong options or arguments",
    ExitCode.SKIPPED: "done, but some inputs could not be read and were skipped",
    ExitCode.INPUT: "an input could not be read, or none was left to use",
    ExitCode.BUNDLE: "the model bundle was refused",
    ExitCode.EXTRA: "an optional extra is not installed",
    ExitCode.REFUSED: "a check that the command makes did not pass",
    ExitCode.OUTPUT: "the output could not be written",
    ExitCode.DEVICE: "no NVIDIA driver or device here that can do this",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C, SIGTERM)",
    ExitCode.PIPE: "the reader of the output went away",
}


class UsageError(Exception):
    """Options that contradict each other or lack something; `main` prints it and exits with USAGE."""


class OutputError(Exception):
    """The output could not be written; `main` prints it and exits with OUTPUT."""


def epilog(examples: str, codes: tuple[ExitCode, ...] = tuple(ExitCode)) -> str:
    """Help text after the options: examples, then what `codes` mean."""
    lines = [f"  {int(code):>3}  {MEANING[code]}" for code in codes]
    return "examples:\n" + examples.rstrip("\n") + "\n\nexit codes:\n" + "\n".join(lines)
