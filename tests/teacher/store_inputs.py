"""Hypothesis strategies for label stores."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from hypothesis import strategies as st

from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.recipe import recipe_sha256, synthetic_recipe
from leaf_edge.teacher.schema import TABLES
from leaf_edge.teacher.store import LabelStore, PictureRow

unit = st.floats(0, 1)
names = st.sampled_from(["a", "b"])


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def camera_row(number: int) -> PictureRow:
    return PictureRow(sha(number), f"photos/{number}.jpg", None if number % 2 else number, {}, 640, 480)


def version_row(number: int) -> PictureRow:
    recipe = synthetic_recipe(sha(number), {"noise": 0.1 + number / 100, "defocus": 1 / 3}, number)
    return PictureRow(recipe_sha256(recipe), f"photos/{number}.jpg", None, recipe, 640, 480)


PICTURES = [camera_row(number) for number in range(4)] + [version_row(number) for number in range(2)]
KEYS = sorted(row.sha256 for row in PICTURES)

point_judgments = st.builds(
    lambda levels, reliability: PointJudgment(
        PointJudgment.of(levels).levels,
        reliability,  # of() normalises
    ),
    st.lists(st.floats(0.001, 1), min_size=5, max_size=5),
    unit,
)
pair_judgments = st.builds(PairJudgment, unit, unit, unit)
labels = st.one_of(
    st.tuples(st.just("point"), names, st.sampled_from(KEYS), point_judgments),
    st.tuples(
        st.just("pair"),
        names,
        st.lists(st.sampled_from(KEYS), min_size=2, max_size=2, unique=True).map(tuple),
        pair_judgments,
    ),
    st.tuples(st.just("fault"), names, st.sampled_from(KEYS), st.lists(unit, min_size=8, max_size=8)),
    st.tuples(
        st.just("plan"),
        names,
        st.lists(st.sampled_from(KEYS), min_size=2, max_size=2, unique=True).map(tuple),
        st.none(),
    ),
    st.tuples(
        st.just("failure"),
        names,
        st.sampled_from(KEYS),
        st.builds(Failure, st.sampled_from(["away", "refused"]), st.booleans()),
    ),
)
contents = st.lists(labels, max_size=12)


def fill(store: LabelStore, content: list) -> None:
    """A store with some pictures and `content`, each item in a transaction of its own."""
    store.add_pictures(PICTURES)
    for kind, teacher, key, value in content:
        if kind == "point":
            store.put_points(teacher, "1", [(key, value)])
        elif kind == "pair":
            store.put_pairs(teacher, "1", [(*key, value)])
        elif kind == "fault":
            store.put_faults(teacher, "1", [(key, value)])
        elif kind == "plan":
            store.add_plan(teacher, "1", [key])
        else:
            store.put_failures(teacher, "1", "point", [(key, value)])


def dump(path: Path, without: tuple[str, ...] = ()) -> dict[str, list[tuple]]:
    """Every row of every table, read past the store's own code. without: columns left out."""
    db = sqlite3.connect(path)
    try:
        return {
            name: sorted(
                db.execute(f"SELECT {', '.join(c for c in table.columns if c not in without)} FROM {name}"),
                key=repr,
            )
            for name, table in TABLES.items()
        }
    finally:
        db.close()
