"""Joint distillation from a store: what it learns from, that it resumes, that processes share it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from joint_inputs import TINY, make_pictures, make_store, quality_of

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.recipes import RecipeError, load_recipe, parse
from leaf_edge.student import joint_run, train
from leaf_edge.student import run as running
from leaf_edge.student.group import Group
from leaf_edge.student.joint_recipe import DistillRecipe
from leaf_edge.student.joint_run import read_labels, run_distillation
from leaf_edge.student.network import Student, load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_pictures(tmp_path_factory.mktemp("joint") / "pictures")


@pytest.fixture(scope="module")
def store(pictures: list[Path]) -> Path:
    return make_store(pictures[0].parent.parent / "labels.sqlite", pictures)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(train.SIZES, "leaf-s", TINY)
    monkeypatch.setattr(joint_run, "_BANK", 12)


def recipe(store: Path, **changes: object) -> DistillRecipe:
    base: dict[str, object] = {
        "size": "leaf-s",
        "labels": {"stores": [str(store)], "held_out": 0.35},
        "batch": {"pictures": 6, "pairs": 3, "chains": 1},
        "schedule": {"epochs": 2, "warmup": 2, "frozen_blocks": 0, "seed": 3, "precision": "fp32"},
        "tensorboard": False,
    }
    return parse(base | changes, DistillRecipe)


def test_held_out_scenes_share_nothing_with_training(store: Path) -> None:
    training, held_out = read_labels(recipe(store))
    assert not set(training.keys) & set(held_out.keys) and len(held_out.keys) >= 5
    for labels in (training, held_out):
        assert labels.pairs.max() < len(labels.keys)
        a, b = (
            np.array([quality_of(Path(labels.rows[i].source)) for i in labels.pairs[:, k]]) for k in (0, 1)
        )
        assert ((a > b) == (labels.preference > 0.5 + 1e-6)).all()


@pytest.mark.parametrize("kind", ["both", "points", "pairs"])
def test_each_kind_of_label_teaches_quality(kind: str, pictures: list[Path], tmp_path: Path) -> None:
    store = make_store(tmp_path / "s.sqlite", pictures, points=kind != "pairs", pairs=kind != "points")
    chains = 0 if kind == "pairs" else 1  # which picture is clean is not known of pairs alone
    best = run_distillation(
        recipe(
            store,
            batch={"pictures": 8, "pairs": 8, "chains": chains},
            schedule={
                "epochs": 7,
                "lr": 2e-3,
                "ema": 0.9,
                "warmup": 2,
                "frozen_blocks": 0,
                "patience": 7,
                "precision": "fp32",
            },
        ),
        tmp_path / "run",
    )
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    terms = log[0]["train"].keys()
    main_term = "pair" if kind == "pairs" else "expectation"
    assert log[-1]["train"][main_term] < 0.7 * log[0]["train"][main_term]
    assert ("distribution" in terms) == ("expectation" in terms) == (kind != "pairs")
    assert ("pair" in terms) == (kind != "points")
    assert best.srcc > 0.8
    # the effective recipe is stored, and is one
    again = load_recipe(tmp_path / "run" / "recipe.yaml", DistillRecipe)
    assert again.labels.stores == (store,) and again.schedule.patience == 7


def test_a_distillation_that_was_stopped_ends_like_one_that_was_not(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SAVE_EVERY", 2)
    whole = run_distillation(recipe(store), tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(step: running.Progress) -> None:
        if step.step == 5:
            raise Stop

    with pytest.raises(Stop):
        run_distillation(recipe(store), tmp_path / "parts", on_step=stop)
    assert run_distillation(recipe(store), tmp_path / "parts") == whole
    a, b = (load_checkpoint(tmp_path / name / "best.pt") for name in ("whole", "parts"))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    with pytest.raises(ValueError, match="other settings"):
        run_distillation(recipe(store, batch={"pictures": 5, "pairs": 3, "chains": 1}), tmp_path / "parts")


def test_a_frozen_backbone_trains_the_heads_alone(store: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "start.pt", Student(TINY))
    run_distillation(
        recipe(store, backbone="frozen", variants=2, start={"student": str(tmp_path / "start.pt")}),
        tmp_path / "run",
    )
    before, after = load_checkpoint(tmp_path / "start.pt"), load_checkpoint(tmp_path / "run" / "best.pt")
    for (name, p), q in zip(before.named_parameters(), after.parameters(), strict=True):
        assert torch.equal(p, q) == (name.split(".")[0] not in running.HEADS), name


def test_alignment_features_and_board_are_terms_of_their_own(store: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    save_checkpoint(tmp_path / "larger.pt", Student(TINY))
    np.save(tmp_path / "levels.npy", np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32))
    run_distillation(
        recipe(
            store,
            terms={
                "align": 0.1,
                "level_embeddings": str(tmp_path / "levels.npy"),
                "features": 0.1,
                "larger": str(tmp_path / "larger.pt"),
                "board": 1.0,
                "students": [str(tmp_path / "larger.pt")],
                "pair_model": "thurstone",
            },
        ),
        tmp_path / "run",
    )
    terms = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])["train"]
    assert {"align", "features", "board_mos", "board_order", "board_faults"} <= terms.keys()
    assert terms["align"] > 0 and terms["features"] > 0


WORKER = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from leaf_edge.recipes import load_recipe
from leaf_edge.student import train
from leaf_edge.student.group import Group
from leaf_edge.student.joint_recipe import DistillRecipe
from leaf_edge.student.joint_run import run_distillation
from leaf_edge.student.network import StudentConfig
train.SIZES["leaf-s"] = StudentConfig(0.25, 2, 32, 16)
run_distillation(load_recipe(sys.argv[1], DistillRecipe), Path(sys.argv[2]))
Group.from_environment().close()
"""


def test_two_processes_give_the_result_of_one(store: Path, tmp_path: Path) -> None:
    from leaf_edge.recipes import dump_recipe

    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe(store)))
    (tmp_path / "worker.py").write_text(WORKER)
    alone = run_distillation(recipe(store), tmp_path / "one")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [str(tmp_path / n) for n in ("worker.py", "recipe.yaml", "two")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [*torchrun, *arguments], capture_output=True, text=True, timeout=240, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (
        torch.load(tmp_path / name / "last.pt", weights_only=True)["state"] for name in ("one", "two")
    )
    start = joint_run.start_student(recipe(store), lambda count: np.zeros(0, np.uint8)).state_dict()
    # Adam divides by the size of a gradient, so that rounding moves weights whose gradient is near zero
    moved = sum(float((one[n] - start[n]).square().sum()) for n in start) ** 0.5
    apart = sum(float((one[n] - two[n]).square().sum()) for n in start) ** 0.5
    assert moved > 0.01 and apart < 0.02 * moved, (moved, apart)
    logs = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert len(logs[0]) == len(logs[1]) == 2  # the second process writes nothing
    assert logs[1][1]["train"]["loss"] == pytest.approx(logs[0][1]["train"]["loss"], rel=1e-4)
    assert logs[1][1]["validation"]["srcc"] == pytest.approx(alone.srcc, abs=0.05)


def test_parts_of_a_batch_cover_it_once() -> None:
    for count in (2, 5, 16, 17):
        for size in (1, 2, 3, 4):
            if count < size:
                with pytest.raises(ValueError, match="enlarge the batch"):
                    Group(0, size).part(count)
                continue
            parts = [list(range(count))[Group(rank, size).part(count)] for rank in range(size)]
            assert [i for part in parts for i in part] == list(range(count))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_command(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["distill", "--defaults"]) == 0
    defaults = capsys.readouterr().out
    path = tmp_path / "recipe.yaml"
    path.write_text(defaults)
    assert load_recipe(path, DistillRecipe) == DistillRecipe()
    changes = [f"labels.stores=[{store}]", "labels.held_out=0.35", "schedule.epochs=1", "tensorboard=true"]
    changes += ["batch.pictures=6", "batch.pairs=2", "schedule.frozen_blocks=0"]
    words = ["distill", str(path), "--output", str(tmp_path / "run"), "--json"]
    assert main(words + [w for change in changes for w in ("--set", change)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert Path(result["checkpoint"]).is_file() and result["held_out"]["pictures"] >= 5
    assert list((tmp_path / "run" / "tensorboard").iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size: [1]", "size is [1]; expected a text"),
        ("schedule: {epochs: many}", "schedule: epochs is 'many'; expected a whole number"),
        ("schedule: {speed: 1}", "unknown key 'speed'"),
        ("terms: {pair_model: elo}", "expected one of: fidelity, thurstone, bradley-terry"),
        ("terms: {distribution: 0, expectation: 0, pair: 0}", "nothing to learn from"),
        ("terms: {align: 1}", "align needs level_embeddings"),
        ("labels: {held_out: 1.5}", "held_out is 1.5"),
        ("start: {imagenet: a, student: b}", "not both"),
        ("backbone: {a: 1}", "expected one of: train, frozen"),
        ("{a: ]", "is not YAML"),
        ("- 1", "expected keys"),
        ("{}", "names no label store"),
        ("labels: {stores: [nowhere.sqlite]}", "nowhere.sqlite"),
        ("size: leaf-xl\nlabels: {stores: [STORE]}", "expected one of: leaf-m, leaf-s"),
        ("labels: {stores: [STORE], teachers: [oracle]}", "no labels by oracle"),
    ],
)
def test_recipes_that_cannot_be_used_are_explained(
    text: str, message: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text.replace("STORE", str(store)))
    assert main(["distill", str(path), "--output", str(tmp_path / "run")]) in (ExitCode.USAGE, ExitCode.INPUT)
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "run" / "best.pt").exists()


def test_changes_must_be_keys_and_values(store: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("size: leaf-s\n")
    with pytest.raises(RecipeError, match="is not KEY=VALUE"):
        load_recipe(tmp_path / "r.yaml", DistillRecipe, ["size"])
    with pytest.raises(RecipeError, match=r"size\.x cannot be set"):
        load_recipe(tmp_path / "r.yaml", DistillRecipe, ["size.x=1"])
