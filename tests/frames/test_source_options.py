"""The options of the command line that say how to read a source."""

from __future__ import annotations

import argparse

import pytest

from leaf_edge.cli.exit_codes import UsageError
from leaf_edge.cli.source_options import add_source_arguments, options_from_args
from leaf_edge.frames import ColorMatrix, ColorRange, PixelFormat, SourceOptions


def parse(text: str) -> SourceOptions:
    parser = argparse.ArgumentParser()
    add_source_arguments(parser)
    return options_from_args(parser.parse_args(text.split()))


def test_no_options_are_the_defaults() -> None:
    assert parse("") == SourceOptions()


def test_all_options() -> None:
    text = "--format NV12 --size 1920x1080 --pitch 2048,2048 --fps 30000/1001 --matrix BT.709 --range tv"
    assert parse(text + " --every 5 --on-error fail") == SourceOptions(
        format=PixelFormat.NV12,
        size=(1920, 1080),
        pitch=(2048, 2048),
        fps=30000 / 1001,
        matrix=ColorMatrix.BT709,
        range=ColorRange.LIMITED,
        every=5,
        on_error="fail",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--format nv13 --size 4x4", "unknown pixel format 'nv13'; expected one of: nv12, nv21"),
        ("--format nv12", "--format describes raw frames and needs --size"),
        ("--size 4x4", "--size describes raw frames and needs --format"),
        ("--pitch 64", "--pitch describes raw frames and needs --format"),
        ("--format nv12 --size 4", "--size is '4'; expected WIDTHxHEIGHT"),
        ("--format nv12 --size 0x4", "size is 0x4; expected 1 to 16384"),
        ("--format nv12 --size 99999x4", "size is 99999x4; expected 1 to 16384"),
        ("--format nv12 --size 4x4 --pitch a", "--pitch has 'a'; expected a whole number"),
        ("--format nv12 --size 4x4 --pitch 4,", "--pitch has ''; expected a whole number"),
        ("--format nv12 --size 4x4 --pitch 0", "pitch is [0]"),
        ("--fps fast", "fps is nan"),
        ("--fps 0", "fps is 0.0; expected a number above 0"),
        ("--fps 1/0", "--fps is '1/0'"),
        ("--fps 1.2.3", "--fps is '1.2.3'"),
        ("--matrix bt1886", "unknown colour matrix 'bt1886'; expected one of: bt601, bt709, bt2020"),
        ("--range medium", "unknown colour range 'medium'; expected one of: limited, full"),
        ("--every 0", "every is 0; expected 1 or more"),
        ("--every x", "--every has 'x'; expected a whole number"),
        ("--every 1.5", "--every has '1.5'"),
    ],
)
def test_what_is_wrong_is_a_usage_error(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert expected in str(caught.value)
