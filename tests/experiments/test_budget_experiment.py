"""A budget experiment on a small made set: its rows, that it goes on, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (leaf-edge[train])")

import torch
import yaml

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.datasets import biq2021
from leaf_edge.experiments import budget as experiments
from leaf_edge.experiments.budget import Experiment
from leaf_edge.experiments.budget_data import photographs, simulated_labels
from leaf_edge.experiments.budget_recipe import METHODS, BudgetRecipe
from leaf_edge.recipes import RecipeError, parse
from leaf_edge.student import train
from leaf_edge.student.network import Student, StudentConfig, load_checkpoint, save_checkpoint

pytestmark = pytest.mark.timeout(1200)  # seconds on a machine that is free, minutes on one that is not
TINY = StudentConfig(0.25, 2, 32, 16)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(train.SIZES, "leaf-m", TINY)
    monkeypatch.setattr(experiments, "STRENGTHS", (0.3,))  # one of three, for the time it takes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as BIQ2021's: 120 pictures that differ in blur, MOS 0 to 1, a scene each."""
    folder = tmp_path_factory.mktemp("set")
    (folder / "images").mkdir()
    rng = np.random.default_rng(4)
    with (folder / "mos.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "mos", "subset", "scene_group"])
        for i in range(120):
            blur = float(rng.uniform(0, 3))
            image = np.kron(rng.integers(0, 256, (12, 14, 3), dtype=np.uint8), np.ones((6, 6, 1), np.uint8))
            cv2.imwrite(str(folder / "images" / f"{i}.png"), cv2.GaussianBlur(image, (0, 0), 0.2 + blur))
            table.writerow([f"{i}.png", f"{np.clip(1 - blur / 3, 0, 1):.3f}", "ss01", f"g{i}"])
    return folder


@pytest.fixture(scope="module")
def start(data: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(data / "start.pt", Student(TINY))
    return data / "start.pt"


def recipe_of(of: Path, weights: Path, **changes: Any) -> dict[str, Any]:
    return {
        "data": str(of),
        "start": {"student": str(weights)},
        "methods": ["joint", "pairs"],
        "budgets": [0, 0.4],
        "seeds": 2,
        "variants": 1,
        "chains": 4,
        "pairs_per_picture": 4,
        "batch": {"pictures": 16, "pairs": 8, "chains": 1},
        "epochs": 2,
    } | changes


@pytest.fixture(scope="module")
def done(data: Path, start: Path) -> Path:
    """The folder of an experiment that ran to its end."""
    folder = data / "experiment"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(train.SIZES, "leaf-m", TINY)
        patch.setattr(experiments, "STRENGTHS", (0.3,))
        Experiment(parse(recipe_of(data, start), BudgetRecipe), folder).run()
    return folder


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


def test_there_is_a_row_for_each_method_budget_and_seed(done: Path, data: Path) -> None:
    rows = rows_of(done)
    found = [(r["method"], r["budget"], r["seed"]) for r in rows]
    rated = ("joint + head", "averaged + head", "ratings alone")
    expected = {(m, 0.0, s) for m in ("joint", "pairs") for s in (1, 2)}
    expected |= {(m, b, s) for m in rated for b in (0.4,) for s in (1, 2)}
    assert len(found) == len(set(found)) and set(found) == expected
    training = sum(s.split == "train" for s in experiments.biq2021.load(data))
    for row in rows:
        assert row["labels"] == (0 if row["budget"] == 0 else round(row["budget"] * training))
        assert -1 <= row["srcc"] <= 1 and 0 <= row["falling"] <= 1
    # seeds draw other teachers, ratings and batches
    by = {key: r["srcc"] for key, r in zip(found, rows, strict=True)}
    assert any(by[m, b, 1] != by[m, b, 2] for m, b, _ in found)
    # blur is all that differs in these pictures, and a few dozen ratings are enough to see it
    assert np.mean([by["joint + head", 0.4, s] for s in (1, 2)]) > 0.4


def test_an_experiment_goes_on_and_repeats_no_row(
    done: Path, data: Path, start: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "experiment"
    shutil.copytree(done, folder)
    before = (folder / "rows.jsonl").read_text()
    lines = before.splitlines(keepends=True)
    # as a kill leaves it: some rows are missing, the last one is half there
    (folder / "rows.jsonl").write_text("".join(lines[:-2]) + lines[-2][:25])
    told: list[dict[str, Any]] = []
    Experiment(parse(recipe_of(data, start), BudgetRecipe), folder, told.append).run()
    assert (folder / "rows.jsonl").read_text() == before
    assert told == [json.loads(line) for line in lines[-2:]]
    # another seed adds its rows alone
    told.clear()
    changes = {"seeds": 3, "budgets": [0], "methods": ["joint"], "rated": []}
    Experiment(parse(recipe_of(data, start, **changes), BudgetRecipe), folder, told.append).run()
    assert [(r["method"], r["seed"]) for r in told] == [("joint", 3)]


@pytest.mark.parametrize(
    "changes", [{"epochs": 3}, {"teacher": {"srcc": 0.7}}, {"batch": {"pictures": 8}}, {"lr": 2e-3}], ids=str
)
def test_rows_of_other_settings_are_never_mixed(
    changes: dict[str, Any], done: Path, data: Path, start: Path
) -> None:
    before = (done / "rows.jsonl").read_text()
    with pytest.raises(RecipeError, match=f"other settings \\({next(iter(changes))}\\)"):
        Experiment(parse(recipe_of(data, start, **changes), BudgetRecipe), done)
    assert (done / "rows.jsonl").read_text() == before


def test_informative_pairs_are_nearer_in_quality_than_any(data: Path, start: Path, done: Path) -> None:
    apart = {}
    for pairing in ("informative", "any"):
        recipe = parse(recipe_of(data, start, pairing=pairing), BudgetRecipe)
        shown = photographs(list(biq2021.load(data)), Student(TINY), done / "all.npz")
        labels = simulated_labels(recipe, METHODS["joint"], shown, 1)
        first, second = labels.quality[labels.pairs].T
        apart[pairing] = float(np.abs(first - second).mean())
    assert apart["informative"] < 0.8 * apart["any"]


def test_students_from_elsewhere_are_measured_as_they_are_and_with_their_heads_tuned(
    done: Path, data: Path, start: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "experiment"
    shutil.copytree(done, folder)
    (own,) = (done / "runs").glob("joint-1/best.pt")
    shutil.copy(own, tmp_path / "other.pt")
    changes: dict[str, Any] = {
        "students": {"other": str(tmp_path / "other.pt")},
        "rated": [],
        "budgets": [0, 0.4],
        "seeds": 1,
    }
    Experiment(parse(recipe_of(data, start, **changes), BudgetRecipe), folder).run()
    rows = {(r["method"], r["budget"]): r["srcc"] for r in rows_of(folder) if r["seed"] == 1}
    # it is the student of `joint`, so it must come out as that one does
    assert rows["other", 0.0] == rows["joint", 0.0]
    assert rows["other + head", 0.4] == rows["joint + head", 0.4]


@pytest.mark.parametrize("kind", ["other weights", "other size", "no student"])
def test_a_student_with_another_backbone_is_refused_before_anything_is_done(
    kind: str, data: Path, start: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.pt"
    if kind == "no student":
        path.write_bytes(b"nothing")
    else:
        torch.manual_seed(9)
        save_checkpoint(path, Student(TINY if kind == "other weights" else StudentConfig(0.25, 3, 48, 16)))
    recipe = parse(recipe_of(data, start, students={"other": str(path)}), BudgetRecipe)
    with pytest.raises(RecipeError, match=r"another backbone|is not a checkpoint of a student"):
        Experiment(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_the_layers_behind_the_features_learn(done: Path, start: Path) -> None:
    before = load_checkpoint(start).state_dict()
    after = load_checkpoint(done / "runs" / "joint-1" / "best.pt").state_dict()
    for name, value in before.items():
        assert torch.equal(value, after[name]) == (name.split(".")[0] in ("stem", "blocks", "head")), name


def test_the_table_of_evaluate_reads_the_rows(
    done: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["evaluate", "--budget", str(done / "rows.jsonl")]) == 0
    out = capsys.readouterr().out
    for words in ("joint + head", "averaged + head", "ratings alone", "pairs"):
        assert words in out


def test_the_command(
    done: Path, data: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "experiment"
    shutil.copytree(done, folder)
    path = tmp_path / "budget.yaml"
    path.write_text(yaml.safe_dump(recipe_of(data, start, students={"start": str(start)})))
    words = ["budget", str(path), "--output", str(folder), "--json"]
    assert main([*words, "--set", "rated=[]", "--set", "seeds=1"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["method"] for r in rows] == ["start", "start + head"]
    assert main([*words, "--set", "epochs=5"]) == ExitCode.USAGE
    assert "other settings (epochs)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["magic"]}, "methods has 'magic'"),
        ({"rated": ["magic"]}, "rated has 'magic'"),
        ({"budgets": [0, 30]}, "expected shares"),
        ({"budgets": []}, "expected shares"),
        ({"seeds": 0}, "must be 1 or more"),
        ({"teacher": {"seed": 3}}, "teacher has 'seed'"),
        ({"teacher": {"srcc": 2}}, "srcc is 2"),
        ({"size": "leaf-s"}, "is not a leaf-s"),
        ({"start": {"imagenet": "DATA/mos.csv"}}, "cannot be started from"),
        ({"start": {"student": "DATA/mos.csv"}}, "is not a checkpoint of a student"),
        ({"start": {"student": "DATA/gone.pt"}}, "gone.pt"),
        ({"data": "DATA/images"}, "mos.csv"),
    ],
    ids=str,
)
def test_recipes_that_cannot_be_used_are_explained(
    changes: dict[str, Any],
    message: str,
    data: Path,
    start: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = json.loads(json.dumps(recipe_of(data, start, **changes)).replace("DATA", str(data)))
    path = tmp_path / "budget.yaml"
    path.write_text(yaml.safe_dump(recipe))
    assert main(["budget", str(path), "--output", str(tmp_path / "out")]) in (ExitCode.USAGE, ExitCode.INPUT)
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and "unexpected" not in error
    assert not (tmp_path / "out").exists()
