"""Image sets with ratings, each from a small tree in its official layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbooks import write_xlsx

from leaf_edge.datasets.kadid import DISTORTIONS as KADID_DISTORTIONS
from leaf_edge.datasets.rated import READERS, RatedSet, RatedSetError, Scale, open_rated
from leaf_edge.datasets.tid2013 import DISTORTIONS as TID_DISTORTIONS


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def text(folder: Path, name: str, *lines: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


KONIQ_HEADER = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD"


def koniq(folder: Path) -> None:
    touch(folder, "1024x768/1.jpg", "1024x768/2.jpg", "512x384/1.jpg")
    scores = ("1.jpg,0,0,2,2,0,4,3.5,0.5", "2.jpg,0,0,0,0,4,4,5,0")
    text(folder, "koniq10k_scores_and_distributions.csv", KONIQ_HEADER, *scores)
    sides = ("2.jpg,training", "1.jpg,test")
    text(folder, "koniq10k_distributions_sets.csv", "image_name,set", *sides)


def spaq(folder: Path) -> None:
    touch(folder, "TestImage/00001.jpg", "TestImage/00002.jpg")
    rows = [["Image name", "MOS", "Brightness"], ["00001.jpg", 25, 30.5], ["00002.jpg", 100, 1]]
    (folder / "Annotations").mkdir()
    write_xlsx(folder / "Annotations" / "MOS and Image attribute scores.xlsx", {"Sheet1": rows})


def kadid(folder: Path) -> None:
    touch(folder, "images/I01_01_01.png", "images/I01_25_05.png", "images/I01.png")
    rows = ("I01_01_01.png,I01.png,4.57,0.496", "I01_25_05.png,I01.png,1,0")
    text(folder, "dmos.csv", "dist_img,ref_img,dmos,var", *rows)


def live(folder: Path) -> None:
    from scipy.io import savemat

    touch(folder, *(f"jp2k/img{k}.bmp" for k in (1, 2, 10)), "gblur/img1.bmp", "fastfading/img1.bmp")
    text(folder, "jp2k/info.txt", *(f"bikes.bmp img{k}.bmp 1.5" for k in range(1, 4)))
    (folder / "jp2k" / "img10.bmp").rename(folder / "jp2k" / "img3.bmp")
    names = np.array([["bikes.bmp", "bikes.bmp", "sea.bmp", "sea.bmp", "sea.bmp"]], dtype=object)
    scores = {
        "dmos_new": [[0.0, 50.0, 0.0, 104.0, 25.0]],
        "dmos_std": [[0.0, 10.0, 0.0, 5.0, 20.0]],
        "orgs": [[0, 0, 1, 0, 0]],
    }
    savemat(folder / "dmos_realigned.mat", scores)
    savemat(folder / "refnames_all.mat", {"refnames_all": names})


CSIQ_ROWS = [
    ["", "title of the sheet"],
    [],
    ["", "", "", "image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"],
    ["", "", "", 1600, 1, "noise", 1, 0.125, 0.25],
    ["", "", "", "sea", 6, "jpeg 2000", 5, 0.0, 1],
    ["a note"],
]


def csiq(folder: Path) -> None:
    touch(folder, "dst_imgs/awgn/1600.AWGN.1.png", "dst_imgs/jpeg2000/sea.jpeg2000.5.png")
    write_xlsx(folder / "csiq.DMOS.xlsx", {"about": [["x"]], "all_by_image": CSIQ_ROWS})


def tid2013(folder: Path) -> None:
    touch(folder, "distorted_images/i01_01_1.bmp", "distorted_images/I01_24_5.bmp")
    text(folder, "mos_with_names.txt", "4.5 I01_01_1.bmp", "9.0 i01_24_5.bmp")
    text(folder, "mos_std.txt", "0.18", "0.0")


def agiqa3k(folder: Path) -> None:
    touch(folder, "Images/sd1.5_highcorr_096.jpg", "Images/AttnGAN_normal_096.jpg")
    header = "name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align"
    rows = (
        'sd1.5_highcorr_096.jpg,"a cat,  sitting",,,,2.5,1.25,1,1',
        "AttnGAN_normal_096.jpg,a house,,,,0,0,5,1",
    )
    text(folder, "data.csv", header, *rows)


def aigiqa20k(folder: Path) -> None:
    touch(folder, "train/DALLE2_0001.png", "val/SD_XL_0002.png", "test/DALLE2_0003.png")
    text(folder, "info_train.csv", "name,prompt,mos", "DALLE2_0001.png,a tree,5")
    text(folder, "info_val.csv", "name,prompt,mos", "SD_XL_0002.png,A  tree,2.5")
    text(folder, "info_test.csv", "name,prompt", "DALLE2_0003.png,a tree")


def biq2021(folder: Path) -> None:
    touch(folder, "images/a.jpg", "images/b.jpg")
    text(folder, "mos.csv", "file,mos,subset,scene_group", "a.jpg,0.25,ss01,1", "b.jpg,1,ss02,2")


def biq2021_official(folder: Path) -> None:
    touch(folder, "Images/a.jpg", "Images/b.jpg")
    text(folder, "Train (Images and MOS).csv", "Image Name,MOS", "a.jpg,0.25")
    text(folder, "Test (Images and MOS).csv", "Image Name,MOS", "b.jpg,1")


def plain(folder: Path) -> None:
    touch(folder, "a.png", "deep/b.png")
    rows = ("a.png,2,0.5,night,s1,train", "deep/b.png,5,,day,s2,validation")
    text(folder, "labels.csv", "file,mos,std,subset,group,split", *rows)


Maker = Callable[[Path], None]
# maker: kind, then of each sample (file, mos, label, deviation, subset, group, split)
EXPECTED: dict[Maker, tuple[str, list[tuple[object, ...]]]] = {
    koniq: (
        "koniq10k",
        [("1.jpg", 3.5, 3.5, 0.5, "", "1.jpg", "test"), ("2.jpg", 5.0, 5.0, 0.0, "", "2.jpg", "train")],
    ),
    spaq: (
        "spaq",
        [
            ("00001.jpg", 2.0, 25.0, None, "", "00001.jpg", None),
            ("00002.jpg", 5.0, 100.0, None, "", "00002.jpg", None),
        ],
    ),
    kadid: (
        "kadid10k",
        [
            ("I01_01_01.png", 4.57, 4.57, 0.496, "gaussian blur", "I01.png", None),
            ("I01_25_05.png", 1.0, 1.0, 0.0, "contrast change", "I01.png", None),
        ],
    ),
    live: (
        "live",
        [
            ("img1.bmp", 5.0, 0.0, 0.0, "JPEG 2000", "bikes.bmp", None),
            ("img2.bmp", 3.0, 50.0, 0.4, "JPEG 2000", "bikes.bmp", None),
            ("img1.bmp", 0.84, 104.0, 0.2, "gaussian blur", "sea.bmp", None),
            ("img1.bmp", 4.0, 25.0, 0.8, "fast fading", "sea.bmp", None),
        ],
    ),
    csiq: (
        "csiq",
        [
            ("1600.AWGN.1.png", 4.0, 0.25, 0.5, "white noise", "1600", None),
            ("sea.jpeg2000.5.png", 1.0, 1.0, 0.0, "JPEG 2000", "sea", None),
        ],
    ),
    tid2013: (
        "tid2013",
        [
            ("i01_01_1.bmp", 3.0, 4.5, 0.08, "gaussian noise", "i01", None),
            ("I01_24_5.bmp", 5.0, 9.0, 0.0, "sparse sampling", "i01", None),
        ],
    ),
    agiqa3k: (
        "agiqa3k",
        [
            ("sd1.5_highcorr_096.jpg", 3.0, 2.5, 1.0, "sd1.5", "a cat, sitting", None),
            ("AttnGAN_normal_096.jpg", 1.0, 0.0, 0.0, "AttnGAN", "a house", None),
        ],
    ),
    aigiqa20k: (
        "aigiqa20k",
        [
            ("DALLE2_0001.png", 5.0, 5.0, None, "DALLE2", "a tree", "train"),
            ("SD_XL_0002.png", 3.0, 2.5, None, "SD_XL", "a tree", "val"),
        ],
    ),
    biq2021: (
        "biq2021",
        [("a.jpg", 2.0, 0.25, None, "ss01", "1", "val"), ("b.jpg", 5.0, 1.0, None, "ss02", "2", "train")],
    ),
    biq2021_official: (
        "biq2021",
        [("a.jpg", 2.0, 0.25, None, "", "a.jpg", "train"), ("b.jpg", 5.0, 1.0, None, "", "b.jpg", "test")],
    ),
    plain: (
        "csv",
        [("a.png", 2.0, 2.0, 0.5, "night", "s1", "train"), ("b.png", 5.0, 5.0, None, "day", "s2", "val")],
    ),
}


def rows_of(rated: RatedSet) -> list[tuple[object, ...]]:
    return [(s.path.name, s.mos, s.label, s.deviation, s.subset, s.group, s.split) for s in rated.samples]


@pytest.mark.parametrize("make", EXPECTED, ids=lambda make: make.__name__)
def test_each_layout_is_recognised_and_read(make: Maker, tmp_path: Path) -> None:
    make(tmp_path)
    kind, expected = EXPECTED[make]
    rated = open_rated(tmp_path)
    assert rated == open_rated(tmp_path, kind)
    assert all(s.path.is_file() for s in rated.samples)
    for found, wanted in zip(rows_of(rated), expected, strict=True):
        assert _same(found, wanted), found


def _same(found: tuple[object, ...], wanted: tuple[object, ...]) -> bool:
    return all(
        f == pytest.approx(w) if isinstance(w, float) else f == w for f, w in zip(found, wanted, strict=True)
    )


def test_every_reader_has_a_layout_here() -> None:
    assert {kind for kind, _ in EXPECTED.values()} == set(READERS)


def test_names_of_distortions_are_complete_and_distinct() -> None:
    assert len(set(KADID_DISTORTIONS)) == 25 and len(set(TID_DISTORTIONS)) == 24


@pytest.mark.parametrize(
    ("make", "side", "files"),
    [
        (koniq, None, ["1.jpg"]),
        (koniq, "training", ["2.jpg"]),
        (koniq, "all", ["1.jpg", "2.jpg"]),
        (biq2021, None, ["a.jpg"]),
        (biq2021_official, None, ["b.jpg"]),
        (aigiqa20k, None, ["SD_XL_0002.png"]),
        (kadid, None, ["I01_01_01.png", "I01_25_05.png"]),
    ],
)
def test_the_default_side_is_the_official_one(
    make: Maker, side: str | None, files: list[str], tmp_path: Path
) -> None:
    make(tmp_path)
    assert [s.path.name for s in open_rated(tmp_path).of_split(side)] == files


def test_a_side_that_is_not_there_is_named(tmp_path: Path) -> None:
    koniq(tmp_path)
    with pytest.raises(RatedSetError, match=r"KonIQ-10k has no split 'val'; expected train, test, all"):
        open_rated(tmp_path).of_split("val")
    with pytest.raises(RatedSetError, match="no split 'nonsense'"):
        open_rated(tmp_path).of_split("nonsense")


def test_koniq_labels_above_five_are_on_the_scale_of_a_hundred(tmp_path: Path) -> None:
    touch(tmp_path, "512x384/1.jpg", "512x384/2.jpg")
    rows = ("1.jpg,0,0,2,2,0,4,75,9,validation", "2.jpg,,,,,,,25,9,test")
    text(tmp_path, "koniq10k_distributions_sets.csv", KONIQ_HEADER + ",set", *rows)
    assert [(s.mos, s.deviation, s.split) for s in open_rated(tmp_path).samples] == [
        (4.0, 0.5, "val"),
        (2.0, None, "test"),
    ]


def test_csiq_is_read_from_its_text_list_and_flat_folder_too(tmp_path: Path) -> None:
    touch(tmp_path, "dst_imgs_all/1600.AWGN.1.png")
    text(tmp_path, "csiq_label.txt", "1600.AWGN.1.png 0.25")
    (sample,) = open_rated(tmp_path).samples
    assert (sample.mos, sample.group, sample.subset) == (4.0, "1600", "white noise")


def test_spaq_is_read_from_a_csv_too(tmp_path: Path) -> None:
    touch(tmp_path, "TestImage/00001.jpg")
    text(tmp_path, "MOS and Image attribute scores.csv", "Image name,MOS", "00001.jpg,25")
    assert open_rated(tmp_path).samples[0].mos == 2.0


def test_a_csv_file_is_a_set_of_its_own(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png")
    text(tmp_path, "night.csv", "file,mos100", "a.png,25")
    assert open_rated(tmp_path / "night.csv").samples[0].mos == 2.0


BAD: list[tuple[Maker, str, tuple[str, str], str]] = [
    # maker, file to change, (what, by what), what the message says
    (koniq, "koniq10k_scores_and_distributions.csv", ("3.5,", "nan,"), "line 2: MOS is 'nan'; expected"),
    (
        koniq,
        "koniq10k_scores_and_distributions.csv",
        ("2.jpg", "1.jpg"),
        "line 3: 1.jpg is listed twice, first",
    ),
    (koniq, "koniq10k_distributions_sets.csv", ("1.jpg", "3.jpg"), "line 2: 1.jpg is not in .*sets.csv"),
    (koniq, "koniq10k_distributions_sets.csv", ("training", "mine"), "line 2: set is 'mine'"),
    (kadid, "dmos.csv", ("4.57", ""), "line 2: dmos is empty"),
    (kadid, "dmos.csv", ("I01_25", "I01_26"), "line 3: dist_img is 'I01_26_05.png'"),
    (kadid, "dmos.csv", ("0.496", "0.496,9"), "line 2: 5 values; the header has 4"),
    (tid2013, "mos_with_names.txt", ("4.5", "inf"), "line 1: MOS is 'inf'; expected a number from 0 to 9"),
    (tid2013, "mos_with_names.txt", ("9.0 ", ""), "line 2: expected MOS and a picture"),
    (tid2013, "mos_std.txt", ("0.0\n", ""), "1 deviations; mos_with_names.txt has 2 lines"),
    (agiqa3k, "data.csv", ("2.5", "5.5"), "line 2: mos_quality is '5.5'; expected a number from 0 to 5"),
    (aigiqa20k, "info_val.csv", (",2.5", ",x"), "line 2: mos is 'x'"),
    (biq2021, "mos.csv", ("0.25", "nan"), "line 2: mos is 'nan'"),
    (biq2021, "mos.csv", ("b.jpg", "a.jpg"), "line 3: a.jpg is listed twice, first in line 2"),
    (biq2021_official, "Test (Images and MOS).csv", (",1", ",7"), "line 2: MOS is '7'"),
    (biq2021_official, "Test (Images and MOS).csv", ("b.jpg", "A.JPG"), "A.JPG is listed twice|not found"),
    (plain, "labels.csv", ("a.png,2", "a.png,0"), "line 2: mos is '0'; expected a number from 1 to 5"),
    (plain, "labels.csv", ("validation", "later"), "line 3: split is 'later'"),
    (plain, "labels.csv", ("0.5", "-1"), "line 2: std is '-1'"),
]


@pytest.mark.parametrize(("make", "file", "change", "match"), BAD)
def test_bad_lists_are_refused_with_file_and_line(
    make: Maker, file: str, change: tuple[str, str], match: str, tmp_path: Path
) -> None:
    make(tmp_path)
    path = tmp_path / file
    before = path.read_text()
    path.write_text(before.replace(*change))
    assert path.read_text() != before
    with pytest.raises(OSError, match=match):
        open_rated(tmp_path, EXPECTED[make][0])


@pytest.mark.parametrize("make", [m for m in EXPECTED if m is not live], ids=lambda make: make.__name__)
def test_a_missing_picture_is_named_with_its_line(make: Maker, tmp_path: Path) -> None:
    make(tmp_path)
    victim = open_rated(tmp_path).samples[0].path
    victim.unlink()
    (tmp_path / "512x384" / "1.jpg").unlink(missing_ok=True)  # KonIQ's smaller copy
    with pytest.raises(FileNotFoundError, match=rf"(?i){victim.name}, named in .*line \d"):
        open_rated(tmp_path)


def test_live_vectors_and_folders_must_agree(tmp_path: Path) -> None:
    from scipy.io import savemat

    live(tmp_path)
    (tmp_path / "gblur" / "img1.bmp").unlink()
    with pytest.raises(RatedSetError, match=r"5 scores, but the folders .* list 4 pictures"):
        open_rated(tmp_path)
    savemat(tmp_path / "dmos_realigned.mat", {"dmos_new": [[np.nan] * 4], "orgs": [[0] * 4]})
    savemat(tmp_path / "refnames_all.mat", {"refnames_all": np.array([["a"] * 4], dtype=object)})
    with pytest.raises(RatedSetError, match=r"dmos_realigned.mat, entry 1: dmos is 'nan'"):
        open_rated(tmp_path)
    (tmp_path / "dmos_realigned.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(RatedSetError, match="not a readable MATLAB file"):
        open_rated(tmp_path)


def test_an_unknown_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no rated image set recognised.*csiq.DMOS.xlsx.*labels.csv"):
        open_rated(tmp_path)
    with pytest.raises(FileNotFoundError, match="not found; expected the folder of an image set"):
        open_rated(tmp_path / "absent")
    with pytest.raises(ValueError, match="unknown image set 'ava'; expected one of: biq2021, koniq10k"):
        open_rated(tmp_path, "ava")


def test_a_folder_that_looks_like_two_sets_asks_which(tmp_path: Path) -> None:
    kadid(tmp_path)
    agiqa3k(tmp_path)
    with pytest.raises(RatedSetError, match="looks like kadid10k and agiqa3k; say which with --set"):
        open_rated(tmp_path)
    assert open_rated(tmp_path, "agiqa3k").name == "AGIQA-3K"


@given(
    st.floats(-50, 50), st.floats(0.01, 200), st.booleans(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 9)
)
def test_a_scale_maps_its_ends_to_one_and_five_and_keeps_order(
    low: float, width: float, up: bool, a: float, b: float, spread: float
) -> None:
    scale = Scale(low, low + width, up)
    bad, good = (scale.low, scale.high) if up else (scale.high, scale.low)
    assert scale.to_mos(bad) == pytest.approx(1) and scale.to_mos(good) == pytest.approx(5)
    worse, better = sorted((bad + a * (good - bad), bad + b * (good - bad)), reverse=not up)
    assert scale.to_mos(worse) <= scale.to_mos(better) + 1e-9
    shifted = abs(scale.to_mos(low + spread) - scale.to_mos(low))
    assert scale.deviation_to_mos(spread) == pytest.approx(shifted, abs=1e-6 * (1 + shifted))
