"""Runs a script of this package in a process of its own, which may crash or hang without harm."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What a child said. text: after its mark; None where it said nothing. trouble: why, in one line, else
    "".
    errors: the end of what it printed to standard error."""

    text: str | None
    trouble: str = ""
    errors: str = ""


def ask_child(
    script: str, arguments: list[str], mark: str, *, timeout_s: float, data: bytes = b"", bare: bool = False
) -> Answer:
    """Run `script` and return the last line that begins with `mark`. Never raises, never waits for ever.

    data: for its standard input. bare: no site-packages, no environment of Python's.
    """
    if not sys.executable:
        return Answer(None, "sys.executable names no Python interpreter")
    options = ["-I", "-S"] if bare else ["-P"]
    # What this process found under sys.path, the child must find too.
    environment = dict(os.environ) if bare else {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(
            [sys.executable, *options, script, *arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment,
        )
    except OSError as error:
        return Answer(None, f"{sys.executable}: {error.strerror}")
    try:
        output, errors = child.communicate(data, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        # A child that is stuck inside the kernel's driver does not die: it is left, not waited for.
        with suppress(subprocess.TimeoutExpired):
            child.wait(1.0)
        for file in (child.stdin, child.stdout, child.stderr):
            if file is not None:
                with suppress(OSError):
                    file.close()
        return Answer(None, f"gave no answer within {timeout_s:g} s")
    tail = errors.decode("utf-8", "replace").strip()[-2000:]
    if child.returncode < 0:
        return Answer(None, f"crashed (signal {-child.returncode})", tail)
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.startswith(mark)]
    if not lines:
        return Answer(None, f"ended the process that asked it (status {child.returncode})", tail)
    return Answer(lines[-1].removeprefix(mark), "", tail)
