"""Stores that merge, and travel as Parquet."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from store_inputs import KEYS, PICTURES, contents, dump, fill, sha

from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.judgment import PointJudgment
from leaf_edge.teacher.store import LabelStore, PictureRow, StoreError

POINT = PointJudgment.of([0.1, 0.2, 0.3, 0.25, 0.15])


def made(path: Path, content: list) -> Path:
    with LabelStore(path) as store:
        fill(store, content)
    return path


def merged(path: Path, *others: Path) -> Path:
    with LabelStore(path) as store:
        for other in others:
            store.merge(other)
    return path


@settings(max_examples=12, deadline=None)
@given(contents, contents)
def test_merging_is_commutative_and_idempotent_and_loses_nothing(one, two):
    with tempfile.TemporaryDirectory() as folder:
        a, b = made(Path(folder, "a"), one), made(Path(folder, "b"), two)
        ab, ba = merged(Path(folder, "ab"), a, b), merged(Path(folder, "ba"), b, a)
        whole = dump(ab)
        assert whole == dump(ba)
        with LabelStore(ab) as store:
            assert set(store.merge(a).values()) == set(store.merge(b).values()) == {0}
        assert dump(ab) == whole
        for name, key in (("points", 3), ("pairs", 4), ("faults", 3), ("plan", 4)):
            either = {row[:key] for source in (a, b) for row in dump(source)[name]}
            assert {row[:key] for row in whole[name]} == either


@settings(max_examples=6, deadline=None)
@given(contents, contents, contents)
def test_merging_is_associative(one, two, three):
    with tempfile.TemporaryDirectory() as folder:
        a, b, c = (made(Path(folder, name), x) for name, x in zip("abc", (one, two, three), strict=True))
        ab, bc = merged(Path(folder, "ab"), a, b), merged(Path(folder, "bc"), b, c)
        assert dump(merged(ab, c)) == dump(merged(Path(folder, "abc"), a, bc))


@settings(max_examples=10, deadline=None)
@given(contents)
def test_parquet_and_back_is_the_same_store_to_the_bit(content):
    parquet = pytest.importorskip("leaf_edge.teacher.label_parquet")
    pytest.importorskip("pyarrow")
    with tempfile.TemporaryDirectory() as folder:
        a = made(Path(folder, "a"), content)
        with LabelStore(a) as store:
            counts = parquet.export_parquet(store, Path(folder, "out"))
        with LabelStore(Path(folder, "b")) as store:
            new = parquet.import_parquet(store, Path(folder, "out"))
            again = parquet.import_parquet(store, Path(folder, "out"))
        assert dump(a) == dump(Path(folder, "b"))
        assert set(again.values()) == {0}
        assert new == counts


def test_of_two_labels_of_the_same_thing_the_older_one_stays(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    with LabelStore(a) as old, LabelStore(b) as new:
        old.add_pictures(PICTURES)
        new.add_pictures(PICTURES)
        old.put_points("t", "1", [(KEYS[0], POINT)])
        new.put_points("t", "1", [(KEYS[0], PointJudgment.of([1, 0, 0, 0, 0]))])
        assert old.points()[0].created < new.points()[0].created
        new.merge(a)
        assert new.points() == old.points()
        old.merge(b)
        assert old.points() == new.points()


def test_the_path_of_a_picture_that_both_have_stays_that_of_the_receiver(tmp_path):
    with LabelStore(tmp_path / "a") as a, LabelStore(tmp_path / "b") as b:
        a.add_pictures([PictureRow(sha(1), "/here/1.png")])
        b.add_pictures([PictureRow(sha(1), "/there/1.png"), PictureRow(sha(2), "/there/2.png")])
        assert a.merge(tmp_path / "b")["pictures"] == 1
        assert sorted(row.source for row in a.pictures()) == ["/here/1.png", "/there/2.png"]


def test_a_failure_goes_when_the_other_store_has_the_label(tmp_path):
    with LabelStore(tmp_path / "a") as a, LabelStore(tmp_path / "b") as b:
        for store in (a, b):
            store.add_pictures(PICTURES)
        a.put_failures("t", "1", "point", [(KEYS[0], Failure("away", True)), (KEYS[1], Failure("no"))])
        b.put_points("t", "1", [(KEYS[0], POINT)])
        a.merge(tmp_path / "b")
        assert [(row.key, row.reason, row.transient) for row in a.failures()] == [(KEYS[1], "no", False)]


def test_a_store_merged_with_itself_is_unchanged(tmp_path):
    with LabelStore(tmp_path / "a") as a:
        a.add_pictures(PICTURES)
        assert set(a.merge(tmp_path / "a").values()) == {0}


def corrupted(tmp_path: Path, table: str, change) -> Path:
    """An export with one table rewritten by `change(pa.Table) -> pa.Table`."""
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    from leaf_edge.teacher.label_parquet import export_parquet

    with LabelStore(tmp_path / "a") as store:
        store.add_pictures(PICTURES)
        store.put_points("t", "1", [(KEYS[0], POINT)])
        export_parquet(store, tmp_path / "out")
    file = tmp_path / "out" / f"{table}.parquet"
    pq.write_table(change(pq.read_table(file)), file)
    return tmp_path / "out"


def with_column(name, values):
    def change(table):
        import pyarrow as pa

        at = table.schema.get_field_index(name)
        return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))

    return change


@pytest.mark.parametrize(
    "table, change, message",
    [
        ("points", with_column("excellent", [0.9]), r"points.parquet, row 1: expected a distribution"),
        ("points", with_column("reliability", [1.5]), r"points.parquet, row 1: .*reliability"),
        ("points", with_column("expectation", [4.0]), r"points.parquet, row 1: its expectation is 4.0"),
        ("points", with_column("sha256", [sha(77)]), r"points.parquet: a row .* not in pictures.parquet"),
        ("points", lambda t: t.drop_columns(["poor"]), r"points.parquet: columns are .*; expected"),
        ("points", lambda t: t.replace_schema_metadata({}), "label schema version none"),
        (
            "points",
            lambda t: t.replace_schema_metadata({b"leaf_edge.labels.version": b"99"}),
            "label schema version 99; expected 1 to 1",
        ),
        ("pictures", with_column("sha256", ["x"] * len(PICTURES)), "pictures.parquet, row 1: .*SHA-256"),
    ],
)
def test_parquet_that_is_not_right_is_refused_whole(tmp_path, table, change, message):
    from leaf_edge.teacher.label_parquet import import_parquet

    folder = corrupted(tmp_path, table, change)
    with LabelStore(tmp_path / "b") as store:
        with pytest.raises(StoreError, match=message):
            import_parquet(store, folder)
        assert store.pictures() == [] and store.points() == []


def test_a_folder_without_an_export_and_a_file_that_is_no_parquet_are_refused(tmp_path):
    pytest.importorskip("pyarrow")
    from leaf_edge.teacher.label_parquet import import_parquet

    with LabelStore(tmp_path / "b") as store:
        with pytest.raises(FileNotFoundError, match=r"pictures\.parquet"):
            import_parquet(store, tmp_path)
        (tmp_path / "pictures.parquet").write_text("no")
        with pytest.raises(StoreError, match="cannot be read as Parquet"):
            import_parquet(store, tmp_path)
