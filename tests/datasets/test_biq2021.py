"""Reading the rated photographs, and their fixed split."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaf_edge.datasets import biq2021


def write(folder: Path, rows: list[str], header: str = "file,mos,subset,scene_group") -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.jpg").write_bytes(b"")
    (folder / "mos.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_mos_is_on_the_five_point_scale(tmp_path: Path) -> None:
    (sample,) = biq2021.load(write(tmp_path / "d", ["a.jpg,0.25,ss01,7"]))
    assert (sample.mos, sample.subset, sample.group) == (2.0, "ss01", "7")
    assert sample.path.name == "a.jpg"


def test_split_depends_on_the_group_alone_and_keeps_its_share() -> None:
    sides = [biq2021.split_of(str(g)) for g in range(4000)]
    assert sides.count("val") / 4000 == pytest.approx(biq2021.VALIDATION_PERCENT / 100, abs=0.02)
    # fixed for ever: published figures depend on it
    assert [biq2021.split_of(g) for g in ("1", "2", "11", "14", "8821")] == EXPECTED


EXPECTED = ["val", "train", "val", "val", "train"]


@pytest.mark.parametrize(
    ("rows", "error", "match"),
    [
        (["a.jpg,1.2,ss01,7"], ValueError, "line 2: mos is '1.2'; expected 0 to 1"),
        (["a.jpg,good,ss01,7"], ValueError, "line 2: mos is 'good'"),
        (["a.jpg,nan,ss01,7"], ValueError, "line 2: mos is 'nan'"),
        (["b.jpg,0.5,ss01,7"], FileNotFoundError, "b.jpg, named in .* line 2"),
        ([], ValueError, "lists no photographs"),
    ],
)
def test_bad_lists_are_named(tmp_path: Path, rows: list[str], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        biq2021.load(write(tmp_path / "d", rows))


def test_missing_list_and_other_columns(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a folder with mos\.csv"):
        biq2021.load(tmp_path)
    with pytest.raises(ValueError, match="columns are"):
        biq2021.load(write(tmp_path / "d", ["a.jpg,0.5"], header="file,mos"))


def test_the_real_set(shared: Path) -> None:
    samples = biq2021.load(shared / "data" / "biq2021")
    groups = {side: {s.group for s in samples if s.split == side} for side in ("train", "val")}
    assert len(samples) == 4998 and not groups["train"] & groups["val"]
    assert sum(s.split == "val" for s in samples) == 748
