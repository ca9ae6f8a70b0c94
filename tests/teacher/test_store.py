"""The label store: what goes in comes out, once, whoever writes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from store_inputs import KEYS, PICTURES, contents, dump, fill, sha

from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.leases import is_gone, new_owner
from leaf_edge.teacher.schema import SCHEMA_VERSION
from leaf_edge.teacher.store import Identity, LabelStore, PictureRow, StoreError

POINT = PointJudgment.of([0.1, 0.2, 0.3, 0.25, 0.15])
PAIR = PairJudgment.of(0.9, 0.7)


@settings(max_examples=20, deadline=None)
@given(contents)
def test_what_goes_in_comes_out_exactly_and_the_first_label_stays(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.sqlite")
        with LabelStore(path) as store:
            fill(store, content)
        first = dump(path)
        with LabelStore(path, create=False) as store:
            fill(store, [item for item in content if item[0] != "failure"])
            points = {(row.teacher, row.sha256): row.judgment for row in store.points()}
            pairs = {(row.teacher, row.first, row.second): row.judgment for row in store.pairs()}
            faults = {(row.teacher, row.sha256): row.severities for row in store.faults()}
            assert store.pictures() == sorted(PICTURES, key=lambda row: row.sha256)
            assert {t.teacher for t in store.teachers()} == {
                item[1] for item in content if item[0] in ("point", "pair", "fault")
            }
        assert dump(path) == first
    expected_points, expected_pairs, expected_faults = {}, {}, {}
    for kind, teacher, key, value in content:
        if kind == "point":
            expected_points.setdefault((teacher, key), value)
        elif kind == "pair":
            turned = key[0] > key[1]
            expected_pairs.setdefault((teacher, *sorted(key)), value.swapped() if turned else value)
        elif kind == "fault":
            expected_faults.setdefault((teacher, key), tuple(value))
    assert (points, pairs, faults) == (expected_points, expected_pairs, expected_faults)


@pytest.fixture
def store(tmp_path: Path):
    with LabelStore(tmp_path / "labels.sqlite") as opened:
        opened.add_pictures(PICTURES)
        yield opened


def test_adding_again_adds_nothing(store):
    assert store.add_pictures(PICTURES) == 0
    assert store.put_points("t", "1", [(KEYS[0], POINT)]) == 1
    assert store.put_points("t", "1", [(KEYS[0], PointJudgment.of([1, 0, 0, 0, 0])), (KEYS[1], POINT)]) == 1
    assert [row.judgment for row in store.points()] == [POINT, POINT]


def test_rows_of_one_teacher_and_version_are_selected(store):
    store.put_points("t", "1", [(KEYS[0], POINT)])
    store.put_points("t", "2", [(KEYS[1], POINT)])
    store.put_pairs("u", "1", [(KEYS[1], KEYS[0], PAIR)])
    assert store.teachers() == [Identity("t", "1"), Identity("t", "2"), Identity("u", "1")]
    assert [row.sha256 for row in store.points("t", "2")] == [KEYS[1]]
    assert len(store.points("t")) == len(store.points()) == 2 and not store.points("u")
    assert store.labelled("pairs", "u", "1") == {f"{KEYS[0]} {KEYS[1]}"}
    assert store.has("pairs", "u", "1", f"{KEYS[0]} {KEYS[1]}")
    assert not store.has("points", "t", "1", KEYS[1])


def test_a_label_of_an_unknown_picture_is_refused_with_all_of_its_batch(store):
    with pytest.raises(ValueError, match="not in the store"):
        store.put_points("t", "1", [(KEYS[0], POINT), (sha(99), POINT)])
    assert store.points() == []


@pytest.mark.parametrize(
    "row, message",
    [
        (PictureRow("abc", "x.png"), "expected a SHA-256"),
        (PictureRow(sha(50), "x.png", None, PICTURES[-1].recipe), "expected the same"),
        (PictureRow(sha(50), "x.png", None, {"clean": sha(1)}), "a recipe has"),
    ],
)
def test_a_picture_whose_identity_cannot_be_is_refused(store, row, message):
    with pytest.raises(ValueError, match=message):
        store.add_pictures([row])


def test_a_pair_of_a_picture_with_itself_and_wrong_severities_are_refused(store):
    with pytest.raises(ValueError, match="two pictures"):
        store.put_pairs("t", "1", [(KEYS[0], KEYS[0], PAIR)])
    with pytest.raises(ValueError, match="8 severities"):
        store.put_faults("t", "1", [(KEYS[0], (0.5,) * 7)])
    with pytest.raises(ValueError, match="8 severities"):
        store.put_faults("t", "1", [(KEYS[0], (0.5,) * 7 + (1.5,))])


def test_a_store_of_a_newer_version_is_refused_by_name_and_version(tmp_path):
    path = tmp_path / "labels.sqlite"
    LabelStore(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match=f"labels.sqlite has schema version {SCHEMA_VERSION + 1}"):
        LabelStore(path)


def test_what_is_no_label_store_is_refused_and_stays_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="no label store there"):
        LabelStore(tmp_path / "absent.sqlite", create=False)
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but longer than a header of one " * 10)
    with pytest.raises(StoreError, match="not a database"):
        LabelStore(text)
    other = tmp_path / "other.sqlite"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE birds (name)")
    db.close()
    before = other.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        LabelStore(other)
    assert other.read_bytes() == before


def test_two_owners_never_hold_the_same_key_and_an_expired_lease_is_free(store):
    assert store.claim("k", ["a", "b", "c"], "one", 60, limit=2) == ["a", "b"]
    assert store.claim("k", ["a", "b", "c"], "two", 0.05) == ["c"]
    assert store.claim("other", ["a"], "two", 60) == ["a"]
    store.release("k", ["a", "b", "c"], "two")  # its own only
    assert store.claim("k", ["a", "b"], "two", 60) == []
    assert store.claim("k", ["a", "b"], "one", 0.01) == ["a", "b"]  # its own again, renewed
    time.sleep(0.05)
    assert store.claim("k", ["a", "b"], "two", 60) == ["a", "b"]


def test_the_lease_of_a_process_that_has_ended_is_free_at_once(store):
    program = "from leaf_edge.teacher.leases import new_owner; print(new_owner())"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    owner = ended.stdout.strip()
    assert store.claim("k", ["a"], owner, 3600) == ["a"]
    assert is_gone(owner) and not is_gone(new_owner())
    assert not is_gone(owner.replace(owner.split(":")[0], "elsewhere"))  # cannot be seen from here
    assert store.claim("k", ["a"], new_owner(), 3600) == ["a"]


def test_a_number_of_a_process_that_is_used_again_is_not_the_owner(store):
    host, pid, _, mark = new_owner().split(":")
    assert is_gone(f"{host}:{pid}:1:{mark}")  # this process, but of another start


def test_several_processes_make_one_store_and_write_at_once(tmp_path):
    path = tmp_path / "labels.sqlite"
    program = f"""
import hashlib
from leaf_edge.teacher.store import LabelStore, PictureRow
from leaf_edge.teacher.judgment import PointJudgment
shas = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(60)]
new = 0
with LabelStore({str(path)!r}) as store:
    for sha in shas:
        store.add_pictures([PictureRow(sha, "x")])
        new += store.put_points("t", "1", [(sha, PointJudgment.of([1, 2, 3, 4, 5]))])
print(new)
"""
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    counts = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(counts) == 60  # each label was new to one of them
    with LabelStore(path, create=False) as store:
        assert len(store.points()) == 60


def test_a_store_that_another_is_just_making_is_never_taken_for_a_strange_file(tmp_path):
    threads = 6
    together = threading.Barrier(threads)

    def open_each(_: int) -> int:
        opened = 0
        for n in range(30):
            together.wait(timeout=20)
            LabelStore(tmp_path / f"{n}.sqlite").close()
            opened += 1
        return opened

    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(open_each, range(threads))) == [30] * threads


def test_a_transaction_that_fails_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.transaction():
        store.put_points("t", "1", [(KEYS[0], POINT)])
        store.put_pairs("t", "1", [(KEYS[0], KEYS[1], PAIR)])
        raise RuntimeError
    assert store.points() == [] and store.pairs() == []
