"""The machine as the checks see it: files below a root, an environment, commands with a time limit."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

TIMEOUT_S = 15.0
"""For one external command. A Jetson's tools take one or two seconds on a busy machine."""
IMPORT_TIMEOUT_S = 120.0
"""For an import in a Python of its own: PyTorch from a cold SD card takes most of a minute."""
MARK = "leaf-edge-doctor "
"""Begins the line with the answer of a Python of its own: libraries print lines of their own."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended. error: one line, None where it did what it should; output: its stdout."""

    output: str
    error: str | None = None


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Host:
    """root: where the file system begins. env: environment of the commands, `PATH` included.
    machine: the processor's architecture, `x86_64` or `aarch64`. python: the interpreter in which imports
    are tried. installed: the version of an installed distribution by its name, None where it is not there.
    """

    root: Path = Path("/")
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    machine: str = field(default_factory=platform.machine)
    python: str = sys.executable
    installed: Callable[[str], str | None] = _installed

    def path(self, name: str) -> Path:
        """The path of an absolute name below the root."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """Text of a file, stripped; None where it cannot be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def which(self, command: str) -> str | None:
        """Path of a command on this environment's PATH, None where it is not there."""
        return shutil.which(command, path=self.env.get("PATH", os.defpath))

    def run(self, command: Sequence[str], timeout_s: float = TIMEOUT_S) -> Outcome:
        """Run a command; never raises. One that hangs is ended after `timeout_s`."""
        name = Path(command[0]).name
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                env=dict(self.env),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome("", f"{name} gave no answer within {timeout_s:g} s")
        except OSError as error:
            return Outcome("", f"{name} does not run ({error.strerror})")
        output = done.stdout.decode("utf-8", "replace")
        if done.returncode < 0:
            return Outcome(output, f"{name} was ended by {signal_name(-done.returncode)}")
        if done.returncode:
            lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines()]
            last = next((line for line in reversed(lines) if line), f"status {done.returncode}")
            return Outcome(output, last[:200])
        return Outcome(output)

    def ask_python(self, code: str) -> Outcome:
        """What `code` prints as its answer (`print(MARK + ...)`, see `MARK`), in an interpreter of its own.

        A library that crashes takes that interpreter with it and not the doctor.
        """
        # -P: modules in the working directory are not taken for installed ones
        command = [self.python, "-P", "-c", f"MARK = {MARK!r}\n{code}"]
        outcome = self.run(command, IMPORT_TIMEOUT_S)
        answers = [line for line in outcome.output.splitlines() if line.startswith(MARK)]
        if outcome.error is None and not answers:
            return Outcome("", "Python ended without an answer")
        return Outcome(answers[-1].removeprefix(MARK) if answers else "", outcome.error)


def signal_name(number: int) -> str:
    """`SIGILL (an instruction that this processor does not have)`, for people."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    meaning = {
        "SIGILL": " (an instruction that this processor does not have)",
        "SIGSEGV": " (it crashed)",
        "SIGABRT": " (it gave up)",
        "SIGKILL": " (by someone else, or memory ran out)",
    }
    return name + meaning.get(name, "")
