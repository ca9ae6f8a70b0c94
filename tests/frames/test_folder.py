"""Folders: order, what is taken, what is left out, how problems come through."""

from __future__ import annotations

import os
import random
from pathlib import Path, PurePath

import pytest
from frame_inputs import corners, encoded, fill, random_bytes, write_video, y4m

from leaf_edge.frames import (
    ColorMatrix,
    FolderSource,
    PixelFormat,
    SourceError,
    SourceOptions,
    kind_of,
    open_source,
)
from leaf_edge.frames.folder import natural_key

PNG = encoded(".png", corners())


def fill_folder(root: Path, names: list[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PNG)


def test_natural_order_whatever_the_disk_says(tmp_path: Path) -> None:
    names = [
        "IMG1.png",
        "img2.PNG",
        "img10.png",
        "img010.png",
        "sub/1.jpg",
        "sub/2/x.png",
        "sub/10.bmp",
        "z.png",
    ]
    shuffled = names.copy()
    random.Random(1).shuffle(shuffled)
    fill_folder(tmp_path, shuffled)
    source = open_source(tmp_path)
    assert isinstance(source, FolderSource)
    found = [file.relative_to(tmp_path).as_posix() for file in source.files]
    assert found == [
        "IMG1.png",
        "img2.PNG",
        "img010.png",
        "img10.png",
        "sub/1.jpg",
        "sub/2/x.png",
        "sub/10.bmp",
        "z.png",
    ]
    assert source.length == len(names)
    frames = list(source)
    assert [frame.source for frame in frames] == [str(tmp_path / name) for name in found]
    assert {(frame.index, frame.time_s) for frame in frames} == {(0, None)}
    assert source.problems == []


def test_natural_key_is_total() -> None:
    """Names of digits, letters and other scripts compare with each other."""
    names = ["1", "a", "1a", "a1", "٣", "²", "A1", "a01", "-", "é9", ""]
    once = sorted((PurePath(name) for name in names), key=natural_key)
    again = sorted(reversed(once), key=natural_key)
    assert once == again


def test_source_is_the_path_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_folder(tmp_path, ["photos/a.png"])
    monkeypatch.chdir(tmp_path)
    assert next(iter(open_source("photos/"))).source == "photos/a.png"
    assert next(iter(open_source("photos/a.png"))).source == "photos/a.png"
    assert next(iter(open_source("."))).source == "photos/a.png"


def test_others_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    fill_folder(
        tmp_path, ["a.png", ".b.png", "._a.png", ".thumbs/c.png", "notes.txt", "frames.raw", "scores.csv"]
    )
    source = open_source(tmp_path)
    assert [frame.source for frame in source] == [str(tmp_path / "a.png")]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    fill_folder(tmp_path, ["in/a.png"])
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    assert len(list(open_source(tmp_path / "in"))) == 1


def test_a_folder_with_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    for on_error in ("skip", "fail"):
        with pytest.raises(SourceError, match="holds no image, video or y4m file"):
            open_source(tmp_path, SourceOptions(on_error=on_error))  # type: ignore[arg-type]


def test_images_videos_and_y4m_together(tmp_path: Path) -> None:
    fill_folder(tmp_path, ["1.png", "4.png"])
    pictures = [fill("yuv420p", 16, 12, seed) for seed in range(5)]
    write_video(tmp_path / "2.mkv", pictures)
    (tmp_path / "3.y4m").write_bytes(y4m("F10:1", [random_bytes(36, seed) for seed in range(4)]))
    said: list[str] = []
    source = open_source(tmp_path, SourceOptions(every=2), notice=said.append)
    assert source.length is None
    found = [(Path(frame.source).name, frame.index) for frame in source]
    assert found == [
        ("1.png", 0),
        *(("2.mkv", i) for i in (0, 2, 4)),
        ("3.y4m", 0),
        ("3.y4m", 2),
        ("4.png", 0),
    ]
    assert source.problems == []
    # One default for two files is one thing to know.
    assert len(said) == 1 and "2.mkv: states no range" in said[0]


def test_damaged_files_are_skipped_by_name_or_end_it(tmp_path: Path) -> None:
    fill_folder(tmp_path, ["1.png", "3.png", "6.png"])
    (tmp_path / "2.png").write_bytes(PNG[:-20])
    (tmp_path / "4.mp4").write_bytes(random_bytes(500))
    (tmp_path / "5.y4m").write_bytes(y4m("", [bytes(36), bytes(5)]))
    source = open_source(tmp_path)
    for _ in range(2):
        assert [Path(frame.source).name for frame in source] == ["1.png", "3.png", "5.y4m", "6.png"]
        assert [Path(problem.source).name for problem in source.problems] == ["2.png", "4.mp4", "5.y4m"]
    with pytest.raises(SourceError, match=r"2\.png: PNG file is cut short"):
        list(open_source(tmp_path, SourceOptions(on_error="fail")))


def test_a_file_that_went_away_is_a_problem(tmp_path: Path) -> None:
    fill_folder(tmp_path, ["1.png", "2.png"])
    (tmp_path / "3.y4m").write_bytes(y4m("", [bytes(36)]))
    source = open_source(tmp_path)
    (tmp_path / "1.png").unlink()
    (tmp_path / "3.y4m").unlink()
    assert [Path(frame.source).name for frame in source] == ["2.png"]
    assert [Path(problem.source).name for problem in source.problems] == ["1.png", "3.y4m"]


def test_one_file_of_it_can_be_opened_alone(tmp_path: Path) -> None:
    fill_folder(tmp_path, ["1.png"])
    (tmp_path / "2.y4m").write_bytes(y4m("", [bytes(36)] * 5))
    source = open_source(tmp_path, SourceOptions(every=2))
    assert isinstance(source, FolderSource)
    with source.open(source.files[1]) as member:
        assert [frame.index for frame in member] == [0, 2, 4]
        assert member.kind == "y4m"


@pytest.mark.skipif(os.geteuid() == 0, reason="the super-user may read everything")
def test_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    fill_folder(tmp_path, ["a.png", "locked/b.png"])
    (tmp_path / "locked").chmod(0)
    try:
        source = open_source(tmp_path)
        assert len(list(source)) == 1
        assert [problem.source for problem in source.problems] == [str(tmp_path / "locked")]
        with pytest.raises(SourceError, match="locked: cannot be read"):
            open_source(tmp_path, SourceOptions(on_error="fail"))
    finally:
        (tmp_path / "locked").chmod(0o755)


def test_layout_is_refused_for_what_is_not_raw(tmp_path: Path) -> None:
    fill_folder(tmp_path, ["a.png"])
    options = SourceOptions(format=PixelFormat.NV12, size=(6, 4))
    with pytest.raises(SourceError, match="is a folder; format, size"):
        open_source(tmp_path, options)
    with pytest.raises(SourceError, match="is an image by its name; format, size"):
        open_source(tmp_path / "a.png", options)


def test_stated_colour_is_announced_once_for_many_images(tmp_path: Path) -> None:
    fill_folder(tmp_path, [f"{i}.png" for i in range(5)])
    said: list[str] = []
    list(open_source(tmp_path, SourceOptions(matrix=ColorMatrix.BT709), notice=said.append))
    assert len(said) == 1


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("nothing/here.png", "no such file or folder"),
        ("a\0b", "no such file"),
        ("rtsp://camera/1", "addresses cannot be opened"),
        ("x" * 5000, "cannot be read"),
    ],
)
def test_what_cannot_be_opened_always_raises(spec: str, expected: str) -> None:
    for on_error in ("skip", "fail"):
        with pytest.raises(SourceError, match=expected):
            open_source(spec, SourceOptions(on_error=on_error))  # type: ignore[arg-type]


def test_kind_of() -> None:
    kinds = {"a.JPG": "image", "a.tiff": "image", "a.MP4": "video", "a.mkv": "video", "a.y4m": "y4m"}
    assert {name: kind_of(Path(name)) for name in kinds} == kinds
    assert kind_of(Path("a.txt")) is None and kind_of(Path("jpg")) is None
