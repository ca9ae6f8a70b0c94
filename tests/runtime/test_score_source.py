"""Any source to scores: images over all cores, streams in order, what is skipped told in its place."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import leaf_edge
from leaf_edge.frames import FolderSource, Roi, SourceError, SourceOptions, open_source
from leaf_edge.runtime.score_source import score_source
from leaf_edge.runtime.scorer import Scorer
from leaf_edge.runtime.series import Series, main_fault, summarise


@pytest.fixture(scope="module")
def scorer(tiny_bundle: Path) -> Scorer:
    return leaf_edge.load(tiny_bundle)


def image(path: Path, level: int, size: tuple[int, int] = (24, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), level, np.uint8))


def clip(path: Path, levels: list[int], cut: int = 0) -> None:
    frames = b"".join(
        b"FRAME\n" + bytes([level]) * (32 * 24) + bytes([128]) * (16 * 12 * 2) for level in levels
    )
    data = b"YUV4MPEG2 W32 H24 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n" + frames
    path.write_bytes(data[: len(data) - cut])


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Images around clips, two things that cannot be read whole, one stray file."""
    folder = tmp_path / "mixed"
    image(folder / "1.png", 10)
    image(folder / "2.png", 20)
    clip(folder / "3.y4m", [30, 31, 32])
    image(folder / "4" / "a.png", 40)
    clip(folder / "5.y4m", [50, 51, 52], cut=100)
    (folder / "6.jpg").write_bytes(b"\xff\xd8 no picture")
    image(folder / "10.png", 100)
    (folder / "notes.txt").write_text("not a source")
    return folder


OPTIONS = SourceOptions(every=2)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_folder_of_everything(scorer: Scorer, mixed: Path, workers: int) -> None:
    problems: list[str] = []
    with open_source(mixed, OPTIONS) as source:
        assert isinstance(source, FolderSource)
        found = list(score_source(scorer, source, lambda e: problems.append(str(e)), workers=workers))
    assert [(item.score.source, item.score.frame, item.still) for item in found] == [
        (str(mixed / name), frame, still)
        for name, frame, still in (
            ("1.png", 0, True),
            ("2.png", 0, True),
            ("3.y4m", 0, False),
            ("3.y4m", 2, False),
            ("4/a.png", 0, True),
            ("5.y4m", 0, False),
            ("10.png", 0, True),
        )
    ]
    for item in found:
        assert item.frame.source == item.score.source
    raws = {item.score.source[len(str(mixed)) + 1 :]: item.score.raw for item in found}
    assert raws["4/a.png"] == pytest.approx(40 / 255, abs=1e-5)
    assert len(problems) == 2
    assert all(any(name in text for text in problems) for name in ("5.y4m", "6.jpg"))


def test_the_first_problem_ends_it_if_asked(scorer: Scorer, mixed: Path) -> None:
    with (
        open_source(mixed, SourceOptions(on_error="fail")) as source,
        pytest.raises(SourceError, match=r"5\.y4m|6\.jpg"),
    ):
        list(score_source(scorer, source, lambda error: pytest.fail(str(error))))


def test_a_region_that_does_not_fit_names_the_file(scorer: Scorer, tmp_path: Path) -> None:
    image(tmp_path / "a.png", 9)
    image(tmp_path / "b.png", 9, (48, 64))
    clip(tmp_path / "c.y4m", [1, 2])
    problems: list[str] = []
    with open_source(tmp_path) as source:
        found = list(score_source(scorer, source, lambda e: problems.append(str(e)), Roi(0, 0, 64, 48)))
    assert [Path(item.score.source).name for item in found] == ["b.png"]
    assert [Path(text.split(": ")[0]).name for text in problems] == ["a.png", "c.y4m"]


def test_summaries_of_one_and_of_several(scorer: Scorer, mixed: Path) -> None:
    stills, stream = Series("images", stills=True), Series("stream", stills=False)
    with open_source(mixed) as source:
        for item in score_source(scorer, source, lambda error: None):
            (stills if item.still else stream).add(item.score, 0.5)
    together = summarise([stills, stream])
    mos = np.concatenate([stills.mos, stream.mos])
    assert together["frames"] == len(stills) + len(stream) == 9
    assert together["mos_mean"] == pytest.approx(mos.mean(), abs=1e-4)
    assert (together["mos_min"], together["mos_max"]) == (mos.min(), mos.max())
    assert together["mos_p10"] == pytest.approx(np.percentile(mos, 10), abs=1e-4)
    assert (together["reason"], together["reason_share"]) == ("under_exposure", 1.0)
    assert together["frames_per_second"] == 2.0
    assert len(stills.names) == 4
    assert stream.names == []
    assert stills.time_s is None
    assert stream.time_s is not None


@pytest.mark.parametrize(
    ("reason", "share", "text"),
    [
        (None, 0.0, "none"),
        ("motion_blur", 0.004, "motion blur <1%"),
        ("noise", 0.014, "noise 1%"),
        ("noise", 1.0, "noise 100%"),
    ],
)
def test_a_rare_fault_is_not_called_zero_percent(reason: str | None, share: float, text: str) -> None:
    assert main_fault({"reason": reason, "reason_share": share}) == text
