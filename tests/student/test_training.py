"""Runs on pictures made here: batches by step, resume, early stop, distillation, the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from leaf_edge.cli.main import main
from leaf_edge.contract import FAULTS
from leaf_edge.datasets import biq2021
from leaf_edge.student import run as running
from leaf_edge.student import train as training
from leaf_edge.student.data import Batch, Batches, pictures_in
from leaf_edge.student.distil import Teachers
from leaf_edge.student.group import Group
from leaf_edge.student.network import Student, StudentConfig, load_checkpoint, load_mean, save_checkpoint
from leaf_edge.student.run import Run
from leaf_edge.student.train import Photographs, TrainConfig, Validation, initial_student, run_training


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 pictures whose MOS falls with their blur."""
    folder = tmp_path_factory.mktemp("rated")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    rows = ["file,mos,subset,scene_group"]
    for i in range(32):
        image = rng.integers(0, 256, (72, 80, 3), dtype=np.uint8)
        sigma = 0.3 + (i % 8) * 0.5
        cv2.imwrite(str(folder / "images" / f"{i:02}.png"), cv2.GaussianBlur(image, (0, 0), sigma))
        rows.append(f"{i:02}.png,{0.95 - 0.1 * (i % 8):.3f},made,{i}")
    (folder / "mos.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks small enough to train in a test, under the names of the shipped sizes; one thread, as
    their convolutions are too small for two."""
    torch.set_num_threads(1)
    monkeypatch.setitem(training.SIZES, "leaf-m", StudentConfig(0.25, 2, 32, 16))
    monkeypatch.setitem(training.SIZES, "leaf-s", StudentConfig(0.25, 1.5, 16, 16))


CONFIG = TrainConfig(epochs=2, rated=8, chains=1, warmup=2, frozen_blocks=0, patience=2, seed=3)


def a_run(config: TrainConfig, folder: Path, student: Student) -> Run:
    """A run over nothing, for its folder."""
    objective = Photographs.__new__(Photographs)
    return Run(config.schedule(), config.__dict__, folder, student, objective)


def terms_of(batch: Batch, student: Student, teachers: Teachers | None) -> dict[str, float]:
    """The terms of the loss on a batch, without dropout."""
    objective = Photographs.__new__(Photographs)
    objective.teachers = teachers
    views = torch.from_numpy(batch.views)
    prediction = student.eval().predict(views)
    return {n: float(v.detach()) for n, v in objective.terms(batch, views, prediction, Group())}


def test_batches_depend_on_seed_and_step_alone(data: Path) -> None:
    train = [s for s in biq2021.load(data) if s.split == "train"]
    a, b = Batches(train, 4, 2, seed=1), Batches(train, 4, 2, seed=1)
    direct = a.at(5)
    streamed = list(b.stream(3, 7, workers=3))[2]
    assert np.array_equal(direct.views, streamed.views) and np.array_equal(direct.faults, streamed.faults)
    assert direct.views.shape == (4 + 2 * 4, 2, 3, 224, 224)
    assert not np.array_equal(direct.views, Batches(train, 4, 2, seed=2).at(5).views)
    # an epoch sees every photograph at most once
    order = np.concatenate([a.at(i).mos for i in range(a.steps_per_epoch)])
    assert len(order) == a.steps_per_epoch * 4
    with pytest.raises(ValueError, match="expected at least 99"):
        Batches(train, 99, 1, seed=1)


def test_a_run_that_was_stopped_ends_like_one_that_was_not(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SAVE_EVERY", 2)
    samples = biq2021.load(data)
    whole = run_training(CONFIG, samples, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(step: running.Progress) -> None:
        if step.step == 5:
            raise Stop

    with pytest.raises(Stop):
        run_training(CONFIG, samples, tmp_path / "parts", on_step=stop)
    seen: list[int] = []
    parts = run_training(CONFIG, samples, tmp_path / "parts", on_step=lambda p: seen.append(p.step))
    assert seen[0] == 5  # step 4 was saved, step 5 is done again
    a, b = (load_checkpoint(tmp_path / name / "best.pt") for name in ("whole", "parts"))
    assert parts == whole
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(p, q)
    # a finished run is not run again
    run_training(CONFIG, samples, tmp_path / "parts", on_step=lambda p: pytest.fail("trained again"))


def test_other_settings_do_not_go_on_with_a_run(data: Path, tmp_path: Path) -> None:
    a_run(CONFIG, tmp_path, initial_student(CONFIG, None, None)).save()
    other = TrainConfig(**{**CONFIG.__dict__, "lr": 1e-5})
    with pytest.raises(ValueError, match=r"other settings \(lr\)"):
        a_run(other, tmp_path, initial_student(other, None, None))


def test_training_learns_and_stops_when_it_no_longer_does(data: Path, tmp_path: Path) -> None:
    samples = biq2021.load(data)
    config = TrainConfig(
        epochs=40, rated=8, chains=1, warmup=2, frozen_blocks=0, patience=3, lr=1e-3, ema=0.9, seed=3
    )
    best = run_training(config, samples, tmp_path)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert min(entry["train"]["rated"] for entry in log) < 0.8 * log[0]["train"]["rated"]
    assert log[0]["validation"]["srcc"] < 0 and best.srcc > 0.6
    assert best.srcc == max(entry["validation"]["srcc"] for entry in log)
    assert len(log) < 40 and not any(entry["best"] for entry in log[-3:])
    assert {"loss", "rated", "order", "faults"} <= log[0]["train"].keys()
    held_out = Validation([s for s in samples if s.split == "val"])
    assert held_out.measure(load_checkpoint(tmp_path / "best.pt")).srcc == pytest.approx(best.srcc)


def test_distillation_measures_the_distance_to_the_teacher(data: Path, tmp_path: Path) -> None:
    batch = Batches([s for s in biq2021.load(data) if s.split == "train"], 4, 1, seed=1).at(0)
    teacher = initial_student(CONFIG, None, None)
    board = Teachers([teacher])
    same = terms_of(batch, initial_student(CONFIG, None, teacher, batch.views), board)
    other = terms_of(batch, initial_student(TrainConfig(**{**CONFIG.__dict__, "seed": 9}), None, None), board)
    assert same["teacher_features"] == pytest.approx(0, abs=1e-9)
    for name in ("teacher_mos", "teacher_features", "teacher_faults"):
        assert same[name] < other[name]


def test_a_small_student_is_distilled_from_a_large_one(data: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "teacher.pt", initial_student(CONFIG, None, None))
    config = TrainConfig(**{**CONFIG.__dict__, "size": "leaf-s", "epochs": 1})
    run_training(config, biq2021.load(data), tmp_path / "s", teachers=[tmp_path / "teacher.pt"])
    log = json.loads((tmp_path / "s" / "log.jsonl").read_text())
    assert {"teacher_mos", "teacher_features", "teacher_faults"} <= log["train"].keys()
    assert load_checkpoint(tmp_path / "s" / "best.pt").config == training.SIZES["leaf-s"]


def test_a_run_can_begin_from_any_checkpoint(data: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "start.pt", Student(CONFIG.student()))
    config = TrainConfig(**{**CONFIG.__dict__, "epochs": 1, "lr": 1e-9, "head_lr": 1e-9})
    run_training(config, biq2021.load(data), tmp_path / "run", start=[tmp_path / "start.pt"])
    before, after = load_checkpoint(tmp_path / "start.pt"), load_checkpoint(tmp_path / "run" / "best.pt")
    for p, q in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=1e-6, rtol=0)


def test_a_run_can_begin_from_the_mean_of_several(data: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "a.pt", tmp_path / "b.pt"]
    for path in paths:
        save_checkpoint(path, Student(CONFIG.student()))
    mean, a, b = load_mean(paths), *map(load_checkpoint, paths)
    for m, p, q in zip(mean.parameters(), a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(m, (p + q) / 2)
    config = TrainConfig(**{**CONFIG.__dict__, "epochs": 1, "lr": 1e-9, "head_lr": 1e-9})
    run_training(config, biq2021.load(data), tmp_path / "run", start=paths)
    after = load_checkpoint(tmp_path / "run" / "best.pt")
    for m, p in zip(mean.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(m, p, atol=1e-6, rtol=0)
    save_checkpoint(tmp_path / "c.pt", Student(StudentConfig(0.25, 1.5, 16, 16)))
    with pytest.raises(ValueError, match="only students of one shape have a mean"):
        load_mean([*paths, tmp_path / "c.pt"])
    with pytest.raises(ValueError, match="at least one"):
        load_mean([])


def test_no_epoch_keeps_and_measures_the_mean(data: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "a.pt", tmp_path / "b.pt"]
    for path in paths:
        save_checkpoint(path, Student(CONFIG.student()))
    config = TrainConfig(**{**CONFIG.__dict__, "epochs": 0})
    best = run_training(config, biq2021.load(data), tmp_path / "run", start=paths)
    for m, p in zip(
        load_mean(paths).parameters(), load_checkpoint(tmp_path / "run" / "best.pt").parameters(), strict=True
    ):
        torch.testing.assert_close(m, p)
    assert run_training(config, biq2021.load(data), tmp_path / "run", start=paths) == best
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 1
    with pytest.raises(ValueError, match="no student to start from"):
        run_training(config, biq2021.load(data), tmp_path / "other")


def test_several_teachers_teach_their_mean() -> None:
    students = [
        initial_student(TrainConfig(**{**CONFIG.__dict__, "seed": seed}), None, None) for seed in (1, 2)
    ]
    views = torch.randint(0, 256, (3, 2, 3, 224, 224), dtype=torch.uint8)
    taught = Teachers(students)(views)
    with torch.no_grad():
        each = [student(views) for student in students]
        first = students[0].predict(views).features
    torch.testing.assert_close(taught.mos, (each[0][0] + each[1][0]) / 2)
    torch.testing.assert_close(taught.faults, (each[0][2] + each[1][2]) / 2)
    torch.testing.assert_close(taught.features, first)
    assert not taught.mos.requires_grad
    with pytest.raises(ValueError, match="at least one"):
        Teachers([])


def test_unlabelled_pictures_are_the_teachers_alone(data: Path, tmp_path: Path) -> None:
    train = [s for s in biq2021.load(data) if s.split == "train"]
    plain, more = Batches(train, 4, 1, seed=1).at(3), Batches(train, 4, 1, seed=1, unlabelled=6).at(3)
    assert len(more.views) == 4 + 4 + 6 and len({v.tobytes() for v in more.views}) == 14
    assert np.array_equal(more.views[:8], plain.views)  # the rest of the batch is what it was
    student, board = Student(CONFIG.student()), Teachers([initial_student(CONFIG, None, None)])
    before, after = (terms_of(batch, student, board) for batch in (plain, more))
    for name in ("rated", "order", "faults"):
        assert after[name] == pytest.approx(before[name], rel=1e-4)
    assert after["teacher_mos"] != pytest.approx(before["teacher_mos"], rel=1e-4)
    with pytest.raises(ValueError, match="need a teacher"):
        run_training(TrainConfig(unlabelled=4), train, tmp_path / "none")


def write_pool(folder: Path, count: int) -> Path:
    """Pictures without ratings, in two folders below `folder`."""
    for i in range(count):
        path = folder / f"camera{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.random.default_rng(100 + i).integers(0, 256, (70, 90, 3), dtype=np.uint8))
    return folder


def test_unlabelled_pictures_come_from_the_pool(data: Path, tmp_path: Path) -> None:
    train = [s for s in biq2021.load(data) if s.split == "train"]
    folder = write_pool(tmp_path / "pool", 12)
    (folder / "camera0" / "._1.jpg").write_bytes(b"what an archive of another system leaves")
    (folder / "notes.txt").write_text("not a picture")
    pool = pictures_in([folder])
    assert [path.name for path in pool] == [f"{i}.png" for i in (0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11)]
    own, of_pool = (Batches(train, 4, 1, seed=1, unlabelled=6, pool=p).at(3) for p in ((), pool))
    assert np.array_equal(own.views[:8], of_pool.views[:8])  # rated pictures and chains are not of the pool
    assert not any(np.array_equal(a, b) for a, b in zip(own.views[8:], of_pool.views[8:], strict=True))
    one = Batches(train, 4, 0, seed=1, unlabelled=6, pool=pool[:1]).at(3).views[4:]
    read = {
        path for path in pool if np.array_equal(one, Batches(train, 4, 0, 1, 6, (), [path]).at(3).views[4:])
    }
    assert read == {pool[0]}


def test_a_run_goes_on_with_its_own_pool_alone(data: Path, tmp_path: Path) -> None:
    samples = biq2021.load(data)
    save_checkpoint(tmp_path / "teacher.pt", initial_student(CONFIG, None, None))
    pool = pictures_in([write_pool(tmp_path / "pool", 5)])
    config = replace(CONFIG, epochs=1, unlabelled=2)

    def run(pool: list[Path]) -> None:
        run_training(config, samples, tmp_path / "run", teachers=[tmp_path / "teacher.pt"], pool=pool)

    run(pool)
    run(pool)  # a finished run, again
    for other in (pool[:4], []):
        with pytest.raises(ValueError, match=r"a run with other settings \(pool\)"):
            run(other)
    mean = tmp_path / "mean"
    run_training(replace(config, epochs=0, unlabelled=0), samples, mean, start=[tmp_path / "run" / "best.pt"])
    told = torch.load(mean / "best.pt", weights_only=True)["train"]["pool"]  # its weights learnt from it too
    assert told.startswith("5 pictures, ") and ";" not in told
    with pytest.raises(ValueError, match="no batch has an unlabelled one"):
        run_training(CONFIG, samples, tmp_path / "none", teachers=[tmp_path / "teacher.pt"], pool=pool)


def test_a_pool_that_cannot_be_used_is_said_before_the_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "t.pt", initial_student(CONFIG, None, None))
    pool = write_pool(tmp_path / "pool", 3)
    (tmp_path / "empty").mkdir()
    words = ["train", "--data", str(data), "--output", str(tmp_path / "run"), "--rated", "8"]
    words += ["--teacher", str(tmp_path / "t.pt")]
    assert main([*words, "--pool", str(pool)]) == 2
    assert "say how many with --unlabelled" in capsys.readouterr().err
    words += ["--unlabelled", "2", "--pool", str(pool)]
    for folder, said in (("empty", "empty holds no image"), ("gone", "gone is no folder")):
        assert main([*words, str(tmp_path / folder)]) == 4
        assert said in capsys.readouterr().err
    (pool / "camera1" / "broken.jpg").write_bytes(b"no picture")
    assert main(words) == 4
    assert "1 of 4 pictures cannot be decoded" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_start_that_is_no_checkpoint_or_does_not_fit_is_an_input_that_cannot_be_read(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "a.pt", Student(CONFIG.student()))
    save_checkpoint(tmp_path / "small.pt", Student(StudentConfig(0.25, 1.5, 16, 16)))
    (tmp_path / "notes.pt").write_text("no checkpoint")
    words = ["train", "--data", str(data), "--rated", "8", "--output", str(tmp_path / "run"), "--start"]
    for start, said in (
        (["notes.pt"], "notes.pt is not a checkpoint of a student"),
        (["a.pt", "small.pt"], "only students of one shape have a mean"),
    ):
        assert main([*words, *(str(tmp_path / name) for name in start)]) == 4
        assert said in capsys.readouterr().err


def test_faults_under_emphasis_have_more_chains(data: Path) -> None:
    train = [s for s in biq2021.load(data) if s.split == "train"]

    def shares(steps: int, emphasis: tuple[str, ...] = ()) -> dict[str, float]:
        batches = Batches(train, 4, 3, seed=1, emphasis=emphasis)
        labels = np.stack([batches.at(n).faults.reshape(3, 4, -1) for n in range(steps)])
        grows = np.ptp(labels, axis=2) > 0  # the constant fault of a chain does not
        return dict(zip(FAULTS, grows.mean(axis=(0, 1)), strict=True))

    plain, more = shares(10), shares(6, ("under_exposure", "noise"))
    assert min(plain.values()) > 0 and min(more.values()) > 0  # no fault is left out
    assert more["under_exposure"] == 5 * more["defocus"] == more["noise"]
    assert TrainConfig(emphasis=" noise, banding,").emphasised() == ("noise", "banding")
    with pytest.raises(ValueError, match="emphasis names sharpness; expected between commas: defocus, "):
        TrainConfig(emphasis="noise,sharpness")


def test_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(tmp_path / "teacher.pt", initial_student(CONFIG, None, None))
    words = ["train", "--data", str(data), "--output", str(tmp_path / "run"), "--size", "leaf-s"]
    words += ["--teacher", str(tmp_path / "teacher.pt"), "--epochs", "1", "--rated", "8", "--json"]
    words += ["--frozen-blocks", "0"]
    assert main(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert Path(result["checkpoint"]).is_file() and result["validation"]["pictures"] > 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no initial weights"),
        (["--imagenet", "x", "--unlabelled", "4"], "needs a --teacher"),
        (["--imagenet", "x", "--epochs", "many"], "many"),
        (["--imagenet", "x", "--epochs", "-1"], "out of range"),
        (["--imagenet", "x", "--epochs", "0"], "no student to start from"),
        (["--imagenet", "x", "--size", "leaf-xl"], "expected one of: leaf-m, leaf-s"),
    ],
)
def test_command_usage(
    words: list[str], message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["train", "--data", str(data), "--output", str(tmp_path / "run")]
    assert main(base + words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
