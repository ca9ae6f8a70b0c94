"""The `leaf-edge` command: finds the verb, runs it, turns errors into one line and an exit code.

A verb is a module of this package with two functions:
    add_parser(subparsers) -> argparse.ArgumentParser    its options and help
    run(args: argparse.Namespace) -> int                 its work; returns an `ExitCode`
and a line in `VERBS`. Only the module of the verb that was asked for is imported.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from leaf_edge import __version__
from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog

VERBS: dict[str, tuple[str, str]] = {
    # verb: (module, one line for the list of verbs)
    "score": ("leaf_edge.cli.score", "score images, folders, videos and raw streams"),
    "gate": ("leaf_edge.cli.gate", "accept or reject the frames of a stream by their quality"),
    "train": ("leaf_edge.cli.train", "train a student on rated photographs and synthetic faults"),
    "distill": ("leaf_edge.cli.distill", "distil a student from a teacher's labels"),
    "pipeline": ("leaf_edge.cli.pipeline", "frames and a few ratings to a bundle, in one command"),
    "budget": ("leaf_edge.cli.budget", "what labels and ratings are worth, on rated data"),
    "evaluate": ("leaf_edge.cli.evaluate", "agreement with MOS, response to known faults"),
    "export": ("leaf_edge.cli.export", "quantise a student and write its bundle"),
    "bundle": ("leaf_edge.cli.bundle", "inspect, verify, sign, pack and compare bundles"),
    "build-engine": ("leaf_edge.cli.build_engine", "build a TensorRT engine and put it into a bundle"),
    "calibrate": ("leaf_edge.cli.calibrate", "from raw quality to MOS with the human ratings at hand"),
    "recalibrate": ("leaf_edge.cli.recalibrate", "fit a bundle's curve and intervals to one camera"),
    "label": ("leaf_edge.cli.label", "ask a teacher for labels of pictures and pairs"),
    "labels": ("leaf_edge.cli.labels", "look into, export, import and merge label stores"),
    "tune-teacher": ("leaf_edge.cli.tune_teacher", "tune a vision-language teacher on ratings or labels"),
    "suggest": ("leaf_edge.cli.suggest", "which frames to have rated next"),
    "bench": ("leaf_edge.cli.bench", "time per stage of scoring a frame"),
    "compare": ("leaf_edge.cli.compare", "the same frames through two engines of a bundle"),
    "doctor": ("leaf_edge.cli.doctor", "what this machine can run, and why not the rest"),
    "demo": ("leaf_edge.cli.demo", "make a clip with known faults, score it, gate it"),
}

_EXAMPLES = """\
  leaf-edge score clip.mp4                              scores to the terminal
  leaf-edge score photos/ --output scores.csv           one row for each image
  leaf-edge score clip.mp4 --every 5 --plot clip.png    every fifth frame, and a picture"""


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser with all verbs by name and the options of `chosen` only."""
    parser = argparse.ArgumentParser(
        prog="leaf-edge",
        description="Image quality for cameras: score frames, gate streams, train and export the models.",
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"leaf-edge {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, title="verbs")
    for name, (module, summary) in VERBS.items():
        if name == chosen:
            importlib.import_module(module).add_parser(verbs)
        else:
            verbs.add_parser(name, help=summary)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status; never raises for a foreseen failure."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    formatted = warnings.formatwarning
    try:
        warnings.formatwarning = _in_a_line
        _interrupt_on_sigterm()
        args = build_parser(chosen if chosen in VERBS else None).parse_args(arguments)
        status = int(importlib.import_module(VERBS[args.verb][0]).run(args))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.PIPE
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # as rich ends a program
            return ExitCode.PIPE
        raise
    except KeyboardInterrupt:
        print("leaf-edge: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception as error:
        if os.environ.get("LEAF_DEBUG") == "1":
            raise
        print(f"leaf-edge: {_describe(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _forget_stdout()
        return _exit_code(error)
    finally:
        warnings.formatwarning = formatted


_plainly = warnings.formatwarning


def _in_a_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Our own warnings are for who typed the command: without the place in the code."""
    if category.__module__.startswith("leaf_edge."):
        return f"leaf-edge: warning: {message}\n"
    return _plainly(message, category, filename, lineno, line)


def _forget_stdout() -> None:
    """What is still buffered cannot be written: keep the interpreter's last flush quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _interrupt_on_sigterm() -> None:
    """SIGTERM unwinds as Ctrl-C does, so that temporary files go."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        return  # not the main thread: the host program owns the signals


_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""Only writing fails so: the output is at fault, whatever it was."""


def _exit_code(error: Exception) -> ExitCode:
    if isinstance(error, OSError) and error.errno in _WRITING:
        return ExitCode.OUTPUT
    from leaf_edge.bundle.errors import BundleError
    from leaf_edge.extras import MissingExtraError
    from leaf_edge.frames.frame import FrameError
    from leaf_edge.recipes import RecipeError

    table: tuple[tuple[type[Exception], ExitCode], ...] = (
        (UsageError, ExitCode.USAGE),
        (RecipeError, ExitCode.USAGE),
        (OutputError, ExitCode.OUTPUT),
        (BundleError, ExitCode.BUNDLE),
        (MissingExtraError, ExitCode.EXTRA),
        (FrameError, ExitCode.INPUT),
        (OSError, ExitCode.INPUT),
    )
    if isinstance(error, BundleError) and error.code.value.startswith("LEAF_E_DEVICE_"):
        return ExitCode.DEVICE
    return next((code for kind, code in table if isinstance(error, kind)), ExitCode.INTERNAL)


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _WRITING:
        return f"the output cannot be written: {error.strerror}"
    text = str(error) or type(error).__name__
    if _exit_code(error) is ExitCode.INTERNAL:
        return f"unexpected {type(error).__name__}: {text} (LEAF_DEBUG=1 shows where)"
    return text


if __name__ == "__main__":
    sys.exit(main())
