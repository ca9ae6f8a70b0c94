"""The benchmark of the views: what it reports, and what it refuses. No figure is a test."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from leaf_edge.bench.views import PLANES_FIRST, READ, USUAL, main, run
from leaf_edge.frames import PixelFormat
from leaf_edge.views import available_isas


@pytest.mark.parametrize("fmt", list(PixelFormat))
def test_every_format(fmt: PixelFormat) -> None:
    for width, height in ((64, 48), (65, 47)):
        report = run(width, height, fmt, repeats=2)
        times = report["milliseconds"]
        assert [f"views {isa}" for isa in available_isas()] == [name for name in times if "views" in name]
        assert all(0 < figures["min"] <= figures["median"] for figures in times.values())
        even = width % 2 == 0
        assert (USUAL in times) == (fmt is not PixelFormat.P010 and (even or not fmt.is_yuv))
        assert (PLANES_FIRST in times) == (fmt in (PixelFormat.NV12, PixelFormat.NV21, PixelFormat.I420))
        for isa, ratios in report["ratios"].items():
            own = times[f"views {isa}"]["min"]
            assert ratios[READ] == pytest.approx(own / times[READ]["min"])
            for name in (PLANES_FIRST, USUAL):
                if name in times:
                    assert ratios[name] == pytest.approx(times[name]["min"] / own)


def test_json_and_table(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "64x48", "--repeats", "1", "--format", "i420"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["settings"]["format"] == "i420" and report["machine"]["opencv"]
    assert main(arguments) == 0
    table = capsys.readouterr().out
    for isa in available_isas():
        assert f"views {isa}: " in table
    assert "x faster than opencv planes first" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "1920"], "expected WIDTHxHEIGHT"),
        (["--size", "0x48"], "width is 0"),
        (["--format", "yuv9"], "unknown pixel format 'yuv9'"),
        (["--repeats", "0"], "repeats is 0; expected 1 or more"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_as_a_module() -> None:
    command = [sys.executable, "-m", "leaf_edge.bench.views", "--size", "32x32", "--repeats", "1"]
    assert "one thread" in subprocess.run(command, capture_output=True, check=True, text=True).stdout
