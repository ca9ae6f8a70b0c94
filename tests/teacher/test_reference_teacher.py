"""The reference teacher: what is certain stays certain, what is not is believed less."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaf_edge.contract import FAULTS
from leaf_edge.ranks import spearman
from leaf_edge.teacher.expansion import expand, recipes_of
from leaf_edge.teacher.interface import Failure, KnowsFaults, NeedsClean, Picture, Rgb, Teacher
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.recipe import make, recipe_sha256, severities, synthetic_recipe
from leaf_edge.teacher.rows import PictureRow

pytest.importorskip("skimage", reason="needs scikit-image (leaf-edge[train])")

from leaf_edge.teacher.full_reference import compare, pyramid
from leaf_edge.teacher.reference import ReferenceTeacher, certain_order

CLEAN, OTHER = "ab" * 32, "cd" * 32


def scene(seed: int, height: int = 160, width: int = 200) -> Rgb:
    """Smooth areas, edges and texture in middle tones, as a photograph has them."""
    rng = np.random.default_rng(seed)
    patches = rng.uniform(60, 180, (5, 6, 3)).astype(np.float32)
    canvas = np.asarray(cv2.resize(patches, (width, height)), np.float32)
    for _ in range(25):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        color = tuple(float(v) for v in rng.uniform(30, 220, 3))
        cv2.circle(canvas, (x, y), int(rng.integers(3, 25)), color, -1, cv2.LINE_AA)
    canvas += np.asarray(cv2.GaussianBlur(rng.normal(0, 14, canvas.shape), (0, 0), 1.0), np.float32)
    return np.clip(canvas, 0, 255).astype(np.uint8)


PICTURES = {CLEAN: scene(1), OTHER: scene(2)}


def version(faults: dict[str, float], clean: str = CLEAN, seed: int = 5) -> Picture:
    recipe = synthetic_recipe(clean, faults, seed)
    return Picture(recipe_sha256(recipe), make(PICTURES[clean], recipe), recipe, f"{clean[:4]} {faults}")


@pytest.fixture
def teacher() -> ReferenceTeacher:
    made = ReferenceTeacher()
    made.with_clean(PICTURES.__getitem__)
    return made


def judged(teacher: ReferenceTeacher, *pictures: Picture) -> list[PointJudgment]:
    answers = teacher.points(pictures)
    assert all(isinstance(answer, PointJudgment) for answer in answers), answers
    return answers  # type: ignore[return-value]


def compared(teacher: ReferenceTeacher, a: Picture, b: Picture) -> PairJudgment:
    (answer,) = teacher.pairs([(a, b)])
    assert isinstance(answer, PairJudgment), answer
    return answer


def test_it_is_a_teacher_that_needs_clean_pictures_and_knows_faults(teacher: ReferenceTeacher) -> None:
    assert isinstance(teacher, Teacher) and isinstance(teacher, NeedsClean)
    assert isinstance(teacher, KnowsFaults)
    assert teacher.name.startswith("reference:")


@pytest.mark.parametrize("fault", FAULTS)
def test_quality_falls_as_a_fault_grows(teacher: ReferenceTeacher, fault: str) -> None:
    steps = [0.0, 0.15, 0.35, 0.6, 0.8, 1.0]
    mos = [judgment.mos for judgment in judged(teacher, *(version({fault: s}) for s in steps))]
    assert all(a > b + 0.05 for a, b in itertools.pairwise(mos)), mos
    assert mos[0] > 4.7
    assert mos[-1] < 2.6


def test_a_second_fault_makes_it_worse(teacher: ReferenceTeacher) -> None:
    one, both = judged(teacher, version({"noise": 0.3}), version({"noise": 0.3, "defocus": 0.3}))
    assert both.mos < one.mos - 0.2


def test_ruined_and_clean_pictures_are_judged_most_reliably(teacher: ReferenceTeacher) -> None:
    clean, middle, ruined = judged(
        teacher, version({}), version({"defocus": 0.5}), version({"under_exposure": 1.0})
    )
    assert clean.reliability > 0.8 and ruined.reliability > 0.7
    assert middle.reliability < 0.6


def test_reliability_is_lower_where_metric_and_severity_disagree(teacher: ReferenceTeacher) -> None:
    # weak banding and strong under-exposure of one severity: SSIM sees the first much less
    gaps, trust = [], []
    for fault in FAULTS:
        picture = version({fault: 0.7})
        (judgment,) = judged(teacher, picture)
        metric = compare(pyramid(PICTURES[CLEAN]), pyramid(picture.rgb)).quality
        gaps.append(abs(metric - 0.3))
        trust.append(judgment.reliability)
    assert spearman(gaps, trust) < -0.99


def test_pairs_along_one_fault_are_certain_and_have_no_position(teacher: ReferenceTeacher) -> None:
    weak, strong = version({"banding": 0.50}), version({"banding": 0.51})
    judgment = compared(teacher, weak, strong)
    assert judgment.forward == judgment.backward == 0.99
    assert judgment.reliability > 0.95
    assert compared(teacher, strong, weak) == judgment.swapped()


def test_pairs_of_other_faults_go_by_metric_and_are_believed_less(teacher: ReferenceTeacher) -> None:
    near = compared(teacher, version({"noise": 0.5}), version({"defocus": 0.5}))
    far = compared(teacher, version({"noise": 0.1}), version({"under_exposure": 0.9}, OTHER))
    assert near.forward == near.backward and far.forward == far.backward
    certain = compared(teacher, version({"noise": 0.4}), version({"noise": 0.5}))
    assert near.reliability < far.reliability - 0.1 < far.reliability < certain.reliability - 0.1
    assert far.preference > 0.98


def test_order_of_severities_is_told_only_where_it_is_known() -> None:
    none, noise, more = (0.0,) * 8, (0, 0, 0.2, 0, 0, 0, 0, 0), (0, 0, 0.4, 0, 0, 0, 0, 0.1)
    assert certain_order(none, noise) == 1 and certain_order(more, noise) == 2
    assert certain_order(noise, noise) == 0
    assert certain_order((0.3, 0, 0, 0, 0, 0, 0, 0), more) is None


def test_the_same_version_twice_is_a_toss_up_without_weight(teacher: ReferenceTeacher) -> None:
    judgment = compared(teacher, version({"noise": 0.4}), version({"noise": 0.4}, seed=9))
    assert (judgment.preference, judgment.reliability) == (0.5, 0.0)


def test_faults_are_known_as_the_recipe_states_them(teacher: ReferenceTeacher) -> None:
    known = teacher.fault_severities(version({"noise": 0.4, "defocus": 0.2}))
    assert known == (0.2, 0, 0.4, 0, 0, 0, 0, 0)
    assert teacher.fault_severities(Picture(CLEAN, PICTURES[CLEAN])) is None


def test_a_picture_of_a_camera_cannot_be_judged_unless_taken_for_clean(teacher: ReferenceTeacher) -> None:
    picture = Picture(CLEAN, PICTURES[CLEAN], source="photo.jpg")
    (answer,) = teacher.points([picture])
    assert isinstance(answer, Failure) and not answer.transient
    assert "photo.jpg" in answer.reason and "assume_clean" in answer.reason
    (pair,) = teacher.pairs([(version({}), picture)])
    assert pair == answer
    trusting = ReferenceTeacher.from_options({"assume_clean": "true"})
    (judgment,) = judged(trusting, picture)
    assert judgment.mos > 4.2 and judgment.reliability <= 0.25
    assert trusting.fault_severities(picture) == (0.0,) * 8
    assert trusting.version != teacher.version


def test_failures_cost_no_other_picture(teacher: ReferenceTeacher) -> None:
    lost = version({"noise": 0.5})
    lost = Picture("22" * 32, lost.rgb, {**lost.recipe, "clean": "ef" * 32}, "lost")
    small = Picture("00" * 32, scene(1, 80, 100), version({"noise": 0.5}).recipe, "small")
    broken = Picture("11" * 32, scene(1), {"clean": CLEAN}, "broken")
    answers = teacher.points([lost, version({"noise": 0.5}), small, broken])
    assert [isinstance(a, Failure) for a in answers] == [True, False, True, True]
    reasons = [a.reason if isinstance(a, Failure) else "" for a in answers]
    assert "efef" in reasons[0] and "100x80" in reasons[2] and "recipe has" in reasons[3]


def test_judgments_are_the_same_whatever_the_batch(teacher: ReferenceTeacher) -> None:
    pictures = [version({"noise": 0.3}), version({"compression": 0.6}, OTHER), version({}, OTHER)]
    fresh = ReferenceTeacher()
    fresh.with_clean(PICTURES.__getitem__)
    assert judged(teacher, *pictures) == [judged(fresh, p)[0] for p in reversed(pictures)][::-1]


def test_a_picture_in_many_pairs_is_compared_once() -> None:
    asked: list[str] = []

    def lookup(sha256: str) -> Rgb:
        asked.append(sha256)
        return PICTURES[sha256]

    teacher = ReferenceTeacher()
    teacher.with_clean(lookup)
    a, b, c = version({"noise": 0.3}), version({"compression": 0.6}, OTHER), version({"banding": 0.9})
    first = teacher.pairs([(a, b), (b, c), (a, c)])
    assert sorted(asked) == sorted({CLEAN, OTHER})
    teacher.close()
    assert teacher.pairs([(a, b), (b, c), (a, c)]) == first and len(asked) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sharpness": 1}, "no option sharpness; it has: per_picture, deviation, assume_clean"),
        ({"deviation": "wide"}, "deviation is 'wide'"),
        ({"deviation": 0}, "from 0.1 to 2"),
        ({"deviation": True}, "deviation is True"),
        ({"assume_clean": "perhaps"}, "expected true or false"),
        ({"per_picture": 65}, "from 1 to 64"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReferenceTeacher.from_options(options)


def test_a_wider_deviation_gives_flatter_levels() -> None:
    wide = ReferenceTeacher.from_options({"deviation": "1.2"})
    narrow = ReferenceTeacher.from_options({"deviation": 0.3})
    for made in (wide, narrow):
        made.with_clean(PICTURES.__getitem__)
    picture = version({"noise": 0.4})
    assert max(judged(wide, picture)[0].levels) < max(judged(narrow, picture)[0].levels) - 0.2


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 63), st.binary(min_size=32, max_size=32))
def test_versions_of_a_picture_differ_and_extend(seed: int, count: int, sha: bytes) -> None:
    recipes = recipes_of(sha.hex(), seed, count)
    assert len({recipe_sha256(r) for r in recipes}) == count
    assert recipes_of(sha.hex(), seed, count + 1)[:count] == recipes
    assert recipes[0]["faults"] == {}


def test_expansion_depends_on_each_picture_alone() -> None:
    rows = [PictureRow(f"{i:064x}", f"{i}.png", width=64, height=48) for i in range(40)]
    forward, backward = expand(rows, 3), expand(rows[::-1], 3)
    assert {row.sha256 for row in forward} == {row.sha256 for row in backward}
    assert expand([*rows, *forward], 3) == forward
    assert expand(rows, 4) != forward
    assert ReferenceTeacher.from_options({"per_picture": "3"}).expand(rows, 3) == expand(rows, 3, 3)
    assert len(forward) == 40 * 8
    assert all(row.sha256 == recipe_sha256(row.recipe) and row.width == 64 for row in forward)
    strongest = np.array([severities(row.recipe) for row in forward])
    uses = (strongest > 0.5).sum(axis=0)  # the last of a chain is beyond a half, a second fault never
    assert uses.min() > 0.4 * uses.mean()
    assert 0.05 < ((strongest > 0).sum(axis=1) == 2).mean() < 0.25


@pytest.mark.parametrize(
    ("count", "seed", "message"), [(0, 1, "1 to 64"), (65, 1, "1 to 64"), (8, -1, "0 or")]
)
def test_expansion_out_of_range_is_refused(count: int, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipes_of(CLEAN, seed, count)


def test_large_pictures_are_compared_at_a_size_at_which_people_look() -> None:
    clean = np.asarray(cv2.resize(scene(4), (2600, 2200), interpolation=cv2.INTER_CUBIC), np.uint8)
    prepared = pyramid(clean)
    assert prepared.luma[0].shape == (550, 650)
    assert compare(prepared, prepared).quality == 1.0


def test_colour_that_luma_cannot_see_is_held_down_by_psnr() -> None:
    clean = np.full((64, 64, 3), 128, np.uint8)
    tinted = clean.copy()
    tinted[..., 0], tinted[..., 2] = 235, 20  # luma nearly the same
    tinted[..., 1] = 95
    likeness = compare(pyramid(clean), pyramid(tinted))
    assert likeness.similarity > 0.95
    assert likeness.quality < 0.6


def test_order_holds_on_photographs(shared: Path) -> None:
    from leaf_edge.student.data import read_rgb

    teacher = ReferenceTeacher()
    files = sorted((shared / "data" / "kodak").glob("*.png"))[:2]
    clean = {f"{i:064x}": read_rgb(f)[:256, :256] for i, f in enumerate(files)}
    teacher.with_clean(clean.__getitem__)
    severity, mos = [], []
    for sha, rgb in clean.items():
        for recipe in recipes_of(sha, 7, 16):
            picture = Picture(recipe_sha256(recipe), make(rgb, recipe), recipe)
            mos.append(judged(teacher, picture)[0].mos)
            severity.append(max(severities(recipe)))
    assert spearman(severity, mos) < -0.9
