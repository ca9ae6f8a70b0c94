"""The options that say how to read a source, the same for every verb that takes one."""

from __future__ import annotations

import argparse
import re

from leaf_edge.cli.exit_codes import UsageError
from leaf_edge.frames.frame import ColorMatrix, ColorRange, FrameError, PixelFormat
from leaf_edge.frames.source import SourceOptions


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --format --size --pitch --fps --matrix --range --every --on-error to `parser`."""
    formats = ", ".join(name.lower() for name in PixelFormat.__members__)
    group = parser.add_argument_group("reading the source")
    group.add_argument("--format", metavar="FORMAT", help=f"pixel format of raw frames: {formats}")
    group.add_argument("--size", metavar="WxH", help="size of raw frames, as 1920x1080")
    group.add_argument(
        "--pitch",
        metavar="BYTES[,BYTES...]",
        help="bytes from row to row of raw frames, one value or one for each plane (default: packed)",
    )
    group.add_argument("--fps", metavar="RATE", help="frames per second of raw frames, for times")
    group.add_argument(
        "--matrix",
        metavar="MATRIX",
        help="colour matrix of YUV: bt601, bt709 or bt2020 (default: as the source states; if it does not, "
        "bt709 from 1280 columns or 720 rows on, else bt601)",
    )
    group.add_argument(
        "--range",
        metavar="RANGE",
        help="range of the samples: limited or full (default: as the source states; if it does not, "
        "limited for YUV, full for RGB and grey)",
    )
    group.add_argument(
        "--every", metavar="N", default="1", help="use frames 0, N, 2N, ... of videos (default: 1, all)"
    )
    group.add_argument(
        "--on-error",
        choices=("skip", "fail"),
        default="skip",
        help="what cannot be read is skipped and listed at the end, or ends the run (default: skip)",
    )


def options_from_args(args: argparse.Namespace) -> SourceOptions:
    """The options as `SourceOptions`. Raises `UsageError` naming the option that is wrong."""
    for needs in ("size", "pitch"):
        if getattr(args, needs) is not None and args.format is None:
            raise UsageError(f"--{needs} describes raw frames and needs --format")
    if args.format is not None and args.size is None:
        raise UsageError("--format describes raw frames and needs --size, as in --size 1920x1080")
    try:
        return SourceOptions(
            format=None if args.format is None else PixelFormat.parse(args.format),
            size=None if args.size is None else _size(args.size),
            pitch=None if args.pitch is None else tuple(_whole("--pitch", t) for t in args.pitch.split(",")),
            fps=None if args.fps is None else _rate(args.fps),
            matrix=None if args.matrix is None else ColorMatrix.parse(args.matrix),
            range=None if args.range is None else ColorRange.parse(args.range),
            every=_whole("--every", args.every),
            on_error=args.on_error,
        )
    except FrameError as error:
        raise UsageError(str(error)) from None


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*[xX]\s*([0-9]{1,9})\s*", text)
    if match is None:
        raise UsageError(f"--size is {text!r}; expected WIDTHxHEIGHT, as 1920x1080")
    return int(match[1]), int(match[2])


def _whole(option: str, text: str) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
        raise UsageError(f"{option} has {text!r}; expected a whole number")
    return int(text)


def _rate(text: str) -> float:
    """`25`, `29.97` or `30000/1001`."""
    match = re.fullmatch(r"\s*([0-9.]+)\s*(?:/\s*([0-9]+)\s*)?", text)
    try:
        return float(match[1]) / float(match[2] or 1) if match else float("nan")
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--fps is {text!r}; expected a number such as 25 or 30000/1001") from None
