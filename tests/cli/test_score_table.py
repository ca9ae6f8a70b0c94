"""What `leaf-edge score` prints: whole figures and the useful end of names, at any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from leaf_edge.cli.score_table import print_scores, print_summary
from leaf_edge.contract import FAULTS
from leaf_edge.runtime.score import Score, StageTimes
from leaf_edge.runtime.series import Series

FOLDER = "/data/cameras/north entrance/2026-01-31"
CLIP = f"{FOLDER}/clip_with_a_long_name_0123.mp4"


def series(name: str, sources: list[str], *, stills: bool, frames: int = 1) -> Series:
    found = Series(name, stills=stills)
    faults = tuple(0.987 if fault in ("under_exposure", "over_exposure") else 0.0 for fault in FAULTS)
    for source in sources:
        for frame in range(frames):
            score = Score(
                3.456, 2.123, 4.789, 0.6, faults, "under_exposure", frame, frame / 25, source, StageTimes()
            )
            found.add(score, 0.01)
    return found


SERIES = [
    series(FOLDER, [f"{FOLDER}/{n}.png" for n in ("a", "inner/b")], stills=True),
    series(CLIP, [CLIP], stills=False, frames=12345),
]


def printed(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_scores(console, SERIES)
    print_summary(console, SERIES)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 300])
def test_no_figure_is_cut_at_any_width(width: int) -> None:
    lines = printed(width)
    images = [line for line in lines if "2.12 to 4.79" in line]
    assert len(images) == 2
    assert all(line.endswith("under exposure 0.99, over exposure 0.99") for line in images)
    rows = [line.split()[-9:] for line in lines if line.endswith(" 100")]
    figures = ["3.46"] * 4 + ["under", "exposure", "100%", "100"]
    assert rows == [[n, *figures] for n in ("2", "12345", "12347")]
    if width >= 80:
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("width", "folder", "clip"),
    [
        (80, ".../2026-01-31", "..._long_name_0123.mp4"),  # 22 characters are left beside the figures
        (88, ".../2026-01-31", "clip_with_a_long_name_0123.mp4"),
        (97, FOLDER, ".../clip_with_a_long_name_0123.mp4"),
        (300, FOLDER, CLIP),
    ],
)
def test_names_keep_their_end(width: int, folder: str, clip: str) -> None:
    starts = [line.split("  ")[0] for line in printed(width)]
    assert starts[starts.index("image") + 2 :][:2] == ["a.png", "inner/b.png"]
    assert starts[starts.index("source") + 2 :][:2] == [folder, clip]


def test_a_name_does_not_command_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=80)
    print_summary(console, [series("x\x1b[2J[red].mp4", ["x"], stills=False)])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in text
    assert "[2J[red].mp4" in text
