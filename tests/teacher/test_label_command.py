"""`leaf-edge label`, whole: files into labels, whatever happens in between."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from label_teachers import KIND, TEACHER, VERSION
from store_inputs import dump

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.teacher import registry
from leaf_edge.teacher.pictures import PictureReader, open_picture
from leaf_edge.teacher.store import LabelStore

TIMES = ("created", "updated")


def write_images(folder: Path, levels: list[int]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(levels):
        image = np.full((12, 16, 3), level, np.uint8)
        image[0, 0] = number  # no two files alike
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


def write_clip(path: Path, levels: list[int]) -> Path:
    frames = [np.full(16 * 12 * 3 // 2, level, np.uint8).tobytes() for level in levels]
    path.write_bytes(b"YUV4MPEG2 W16 H12 F25:1 C420jpeg\n" + b"".join(b"FRAME\n" + frame for frame in frames))
    return path


@pytest.fixture
def label(tmp_path, monkeypatch):
    """The command in this process, with the teacher `brightness`, in an empty folder."""
    monkeypatch.setitem(registry.KINDS, "brightness", KIND)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, store: str = "labels.sqlite") -> int:
        return main(["label", "--store", store, "--teacher", "brightness", *map(str, arguments)])

    return run


def opened(name: str = "labels.sqlite") -> LabelStore:
    return LabelStore(name, create=False)


def test_images_and_every_nth_frame_become_labelled_pictures(label, tmp_path, capsys):
    write_images(tmp_path / "photos", [30, 90, 150, 210])
    clip = write_clip(tmp_path / "clip.y4m", [40, 80, 120, 160, 200])
    assert label("photos", "clip.y4m", "--every", 2, "--pairs-per-picture", 4, "--json") == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert report["new_pictures"] == report["pictures"] == report["points"] == 7 and report["pairs"] == 14
    with opened() as store:
        rows = {(row.source, row.frame): row for row in store.pictures()}
        assert set(rows) == {(f"photos/{n}.png", None) for n in range(4)} | {
            ("clip.y4m", n) for n in (0, 2, 4)
        }
        image = rows["photos/2.png", None]
        assert image.sha256 == hashlib.sha256(Path("photos/2.png").read_bytes()).hexdigest()
        assert (image.width, image.height) == (16, 12)
        of_clip = hashlib.sha256(clip.read_bytes()).hexdigest()
        frame = rows["clip.y4m", 4]
        assert frame.sha256 == hashlib.sha256(f"{of_clip}#4".encode()).hexdigest()
        assert abs(int(open_picture(frame).rgb.mean()) - 214) < 3  # limited range: (200 - 16) * 255 / 219
        points = {row.sha256: row.judgment for row in store.points(TEACHER, VERSION)}
        assert points[rows["photos/0.png", None].sha256].mos < points[image.sha256].mos
        for pair in store.pairs():
            better = points[pair.first].mos > points[pair.second].mos
            assert better == (pair.judgment.preference > 0.5)
        before = dump(Path("labels.sqlite"))
    assert label("photos", "clip.y4m", "--every", 2, "--pairs-per-picture", 4) == ExitCode.OK
    assert dump(Path("labels.sqlite")) == before  # times included: nothing was asked again


def test_more_pictures_and_more_pairs_add_to_what_is_there(label, tmp_path):
    write_images(tmp_path / "one", [30, 90, 150, 210])
    assert label("one", "--pairs-per-picture", 2) == ExitCode.OK
    with opened() as store:
        first = store.pairs()
    write_images(tmp_path / "two", [31, 91, 151, 211, 250])
    assert label("two", "--pairs-per-picture", 4) == ExitCode.OK
    with opened() as store:
        assert len(store.points()) == 9 and len(store.pairs()) == 18
        assert set(first) < set(store.pairs())


def test_points_or_pairs_alone(label, tmp_path):
    write_images(tmp_path / "photos", [30, 90, 150, 210])
    assert label("photos", "--no-points", "--pairs-per-picture", 2) == ExitCode.OK
    with opened() as store:
        assert store.points() == [] and len(store.pairs()) == 4
    assert label("--no-pairs") == ExitCode.OK  # no source: what is in the store
    with opened() as store:
        assert len(store.points()) == 4 and len(store.pairs()) == 4
    assert label("--no-pairs", "--no-points") == ExitCode.USAGE


def test_files_that_cannot_be_read_are_named_and_the_rest_is_labelled(label, tmp_path, capsys):
    write_images(tmp_path / "photos", [30, 90, 150])
    (tmp_path / "photos" / "1.png").write_bytes((tmp_path / "photos" / "0.png").read_bytes()[:60])
    assert label("photos", "--pairs-per-picture", 2) == ExitCode.SKIPPED
    assert "1.png: PNG file is cut short" in capsys.readouterr().err
    with opened() as store:
        assert len(store.points()) == 2 and len(store.pairs()) == 1


def test_a_file_that_was_changed_is_not_labelled_as_what_it_was(label, tmp_path, capsys):
    folder = write_images(tmp_path / "photos", [30, 90, 150])
    assert label("photos", "--no-pairs") == ExitCode.OK
    cv2.imwrite(str(folder / "1.png"), np.zeros((12, 16, 3), np.uint8))
    (folder / "2.png").unlink()
    assert label("--no-points", "--attempts", 1, "--pairs-per-picture", 2) == ExitCode.SKIPPED
    said = capsys.readouterr().err
    assert "photos/1.png: has changed" in said
    with opened() as store:
        failed = {row.reason.split(":")[0]: row.transient for row in store.failures()}
        assert failed == {"photos/1.png": False, "photos/2.png": True}  # a file may come back


def test_what_fails_for_now_is_tried_again_in_the_run_and_in_the_next(label, tmp_path):
    write_images(tmp_path / "photos", [5, 90, 150, 210])
    away = tmp_path / "away"
    away.touch()
    dark = ("--option", f"dark={away}", "--option", f"log={tmp_path / 'log'}", "--pairs-per-picture", 2)
    assert label("photos", *dark, "--attempts", 2) == ExitCode.SKIPPED
    with opened() as store:
        (failure,) = store.failures()
        assert (failure.kind, failure.reason, failure.transient) == ("point", "the server is away", True)
        assert failure.attempts == 2 and len(store.points()) == 3
        assert failure.key not in {key for pair in store.plan(TEACHER, VERSION) for key in pair}
    asked = (tmp_path / "log").read_text().count(f"{failure.key}\n")
    assert asked == 2
    away.unlink()
    assert label("photos", *dark) == ExitCode.OK
    with opened() as store:
        assert store.failures() == [] and len(store.points()) == 4
        assert failure.key in {key for pair in store.pairs() for key in (pair.first, pair.second)}


def test_what_failed_for_good_is_asked_again_only_when_told_to(label, tmp_path):
    write_images(tmp_path / "photos", [5, 90, 150, 210])
    log = tmp_path / "log"
    refused = ("--option", "dark=refused", "--option", f"log={log}", "--pairs-per-picture", 2)
    assert label("photos", *refused) == ExitCode.SKIPPED
    with opened() as store:
        (failure,) = store.failures()
        assert (failure.reason, failure.transient, failure.attempts) == ("too dark to judge", False, 1)
    asked = len(log.read_text().splitlines())
    assert label("photos", *refused) == ExitCode.SKIPPED
    assert len(log.read_text().splitlines()) == asked
    assert label("photos", *refused, "--retry-failed") == ExitCode.SKIPPED
    assert len(log.read_text().splitlines()) == asked + 1
    assert label("photos", "--retry-failed", "--pairs-per-picture", 2) == ExitCode.OK
    with opened() as store:
        assert store.failures() == []


def process(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    script = Path(__file__).with_name("label_teachers.py")
    command = [sys.executable, script, "label", "--teacher", "brightness", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        list(map(str, command)), cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )


def test_killed_at_any_moment_and_run_again_it_has_the_labels_of_an_unbroken_run(label, tmp_path):
    """SIGKILL at moments spread over reading, points and pairs, until a run comes through."""
    write_images(tmp_path / "photos", list(range(10, 250, 10)))
    write_clip(tmp_path / "clip.y4m", [40, 80, 120])
    sources = ("photos", "clip.y4m", "--pairs-per-picture", 4)
    assert label(*sources, store="whole.sqlite") == ExitCode.OK
    arguments = (*sources, "--store", "broken.sqlite", "--option", "delay=0.02", "--option", "batch=2")
    database = tmp_path / "broken.sqlite"
    kills = 0
    seen: list[tuple[int, int, int]] = []

    def count() -> tuple[int, int, int]:
        try:
            found = dump(database)
        except sqlite3.OperationalError:  # no file yet, or no table in it
            return 0, 0, 0
        return len(found["pictures"]), len(found["points"]), len(found["pairs"])

    for target in (1, 29, 38, 51, 58, 75, 92):  # rows in the store at which it is killed
        running = process(tmp_path, *arguments)
        while running.poll() is None and sum(count()) < target:
            time.sleep(0.005)
        if running.poll() is None:
            running.send_signal(signal.SIGKILL)
            kills += 1
        running.communicate(timeout=60)
        seen.append(count())
    last = process(tmp_path, *arguments)
    last.communicate(timeout=60)
    assert last.returncode == 0 and kills >= 6
    assert seen == sorted(seen)  # nothing that was stored was lost
    assert any(0 < points < 27 for _, points, _ in seen) and any(0 < pairs < 54 for _, _, pairs in seen)
    assert dump(database, TIMES) == dump(tmp_path / "whole.sqlite", TIMES)


def test_several_processes_share_the_work_and_double_none_of_it(label, tmp_path):
    write_images(tmp_path / "photos", list(range(10, 250, 10)))
    assert label("photos", "--pairs-per-picture", 4, store="one.sqlite") == ExitCode.OK
    log = tmp_path / "log"
    arguments = ("photos", "--pairs-per-picture", 4, "--store", "many.sqlite", "--option", "delay=0.05")
    running = [process(tmp_path, *arguments, "--option", f"log={log}") for _ in range(2)]
    errors = [each.communicate(timeout=100)[1] for each in running]
    assert [each.returncode for each in running] == [0, 0], errors
    assert dump(tmp_path / "many.sqlite", TIMES) == dump(tmp_path / "one.sqlite", TIMES)
    asked = [line.split(" ", 1) for line in log.read_text().splitlines()]
    assert len({text for _, text in asked}) == len(asked) == 24 + 48
    assert len({pid for pid, _ in asked}) == 2


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (("absent",), ExitCode.INPUT, "absent: no such file or folder"),
        ((), ExitCode.INPUT, "no label store there"),
        (("photos", "--option", "colour=7"), ExitCode.USAGE, "unknown option ['colour']"),
        (("photos", "--option", "colour"), ExitCode.USAGE, "expected key=value"),
        (("photos", "--pairs-per-picture", "1"), ExitCode.USAGE, "expected 2 or more"),
        (("photos", "--every", "0"), ExitCode.USAGE, "--every is 0"),
        (("-",), ExitCode.INPUT, "a pipe cannot be read a second time"),
        (("photos", "--teacher", "oracle"), ExitCode.USAGE, "unknown teacher 'oracle'; expected one of"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(label, tmp_path, capsys, arguments, code, said):
    write_images(tmp_path / "photos", [30])
    assert label(*arguments) == code
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_config_file_names_the_teacher_and_its_options(tmp_path, monkeypatch, capsys):
    pytest.importorskip("yaml")
    monkeypatch.setitem(registry.KINDS, "brightness", KIND)
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos", [5, 90, 150])
    config = tmp_path / "teacher.yaml"
    config.write_text("teacher: brightness\noptions:\n  dark: refused\n  batch: 3\n")
    run = ["label", "photos", "--store", "a.sqlite", "--config", "teacher.yaml", "--no-pairs"]
    assert main(run) == ExitCode.SKIPPED
    assert main([*run, "--option", "dark=judged", "--retry-failed"]) == ExitCode.OK  # --option wins
    config.write_text("teacher: brightness\nmodel: x\n")
    capsys.readouterr()
    assert main(run) == ExitCode.USAGE
    assert "expected the keys teacher and options" in capsys.readouterr().err


def test_paths_are_kept_as_given_and_belong_to_the_root(label, tmp_path, monkeypatch):
    write_images(tmp_path / "data" / "photos", [30, 90, 150])
    assert label("photos", "--root", "data", "--no-pairs") == ExitCode.OK
    monkeypatch.chdir("/")
    store = tmp_path / "labels.sqlite"
    with LabelStore(store) as found:
        assert [row.source for row in found.pictures() if not row.source.startswith("photos/")] == []
    assert label("--root", tmp_path / "data", "--pairs-per-picture", 2, store=str(store)) == ExitCode.OK


def test_the_reference_teacher_labels_versions_with_faults_and_others_leave_them_alone(label, tmp_path):
    pytest.importorskip("skimage")
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        small = rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(small, (96, 96), interpolation=cv2.INTER_CUBIC))
    reference = ["label", "photos", "--store", "labels.sqlite", "--teacher", "reference"]
    assert main([*reference, "--pairs-per-picture", "2"]) == ExitCode.OK
    assert label("--pairs-per-picture", 2) == ExitCode.OK
    with opened() as store:
        versions = {row.sha256: row for row in store.pictures() if row.recipe}
        (name,) = {row.teacher for row in store.faults()}
        assert {row.sha256 for row in store.points(name)} == set(versions)
        assert {row.sha256 for row in store.faults(name)} == set(versions) and len(versions) > 4
        assert len(store.points(TEACHER)) == 2
        with PictureReader() as reader:
            row = next(row for row in versions.values() if row.recipe["faults"])
            clean = next(other for other in store.pictures() if other.sha256 == row.recipe["clean"])
            assert not np.array_equal(reader.read(row).rgb, reader.read(clean).rgb)
    assert label("--versions", "--no-pairs") == ExitCode.OK
    with opened() as store:
        assert len(store.points(TEACHER)) == 2 + len(versions)


def test_frames_of_clips_are_the_same_in_any_order_and_each_clip_is_decoded_once(tmp_path):
    from leaf_edge.teacher.frame_spool import FrameSpool
    from leaf_edge.teacher.ingest import ingest

    write_clip(tmp_path / "a.y4m", list(range(20, 220, 20)))
    write_clip(tmp_path / "b.y4m", list(range(25, 225, 20)))
    with LabelStore(tmp_path / "labels.sqlite") as store:
        ingest(store, ["a.y4m", "b.y4m"], root=tmp_path)
        rows = store.pictures()
    rows = [rows[number] for number in np.random.default_rng(0).permutation(len(rows))]
    with PictureReader(tmp_path, cache_bytes=1, spool=tmp_path) as reader:
        reader.expect(rows)
        for name in ("a.y4m", "b.y4m"):
            reader.read(max((row for row in rows if row.source == name), key=lambda row: row.frame or 0))
        reader._open_clip = None  # type: ignore[assignment, method-assign] - no clip is opened from here on
        for row in rows:
            assert np.array_equal(reader.read(row).rgb, open_picture(row, tmp_path).rgb)
    assert {path.name for path in tmp_path.iterdir()} == {"a.y4m", "b.y4m", "labels.sqlite"}
    full = FrameSpool(tmp_path, most_bytes=1)
    full.put(("a", 0), np.zeros((4, 4, 3), np.uint8))
    full.put(("a", 1), np.zeros((4, 4, 3), np.uint8))
    assert ("a", 0) in full and full.get(("a", 1)) is None
    full.close()


def test_the_rate_counts_from_where_this_run_began():
    from leaf_edge.cli.label import Rate

    assert Rate(100.0, 500).text(160.0, 620, 1220) == "7,200/hour, 0:05:00 left"
    assert Rate(100.0, 500).text(160.0, 500, 1220) == ""


def test_a_log_that_is_no_terminal_gets_a_line_now_and_then(label, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("leaf_edge.cli.label._LINE_S", 0.0)
    write_images(tmp_path / "photos", [30, 90, 150])
    assert label("photos", "--no-pairs", "--option", "batch=1") == ExitCode.OK
    assert "leaf-edge: points 2/3 " in capsys.readouterr().err
