"""Label-budget curves: what distillation from a simulated teacher and n human ratings reach on validation.

The backbone is frozen at its initial weights and its features are computed once, so that a student trains in
seconds and every method can be run with many seeds. Full fine-tuning reaches more with each of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leaf_edge.calibration.finetune import STRENGTHS, Chains, finetune_head, ordered, outputs
from leaf_edge.datasets import biq2021
from leaf_edge.evaluation.metrics import agreement
from leaf_edge.experiments.budget_data import (
    averaged,
    photographs,
    simulated_labels,
    training_features,
)
from leaf_edge.experiments.budget_recipe import METHODS, BudgetRecipe, Method
from leaf_edge.experiments.ratings_alone import RatingsAlone
from leaf_edge.recipes import RecipeError, as_plain, dump_recipe, load_recipe
from leaf_edge.student.joint import JointBatches, JointObjective
from leaf_edge.student.joint_pictures import FeaturePictures
from leaf_edge.student.joint_recipe import BatchSizes
from leaf_edge.student.joint_run import load_weights, trained_student
from leaf_edge.student.network import Student, load_checkpoint
from leaf_edge.student.run import Run, Schedule
from leaf_edge.student.teacher_labels import TeacherLabels
from leaf_edge.student.train import SIZES

Row = dict[str, Any]
_BACKBONE = ("stem", "blocks", "head")
"""Modules of a student up to the pooled features: frozen in all experiments."""
_MORE = ("methods", "rated", "budgets", "seeds", "first_seed", "students")
"""Keys of a recipe that add rows, and change none."""
_HELD_OUT = 0.1


def _settings(recipe: BudgetRecipe) -> dict[str, Any]:
    """What rows depend on; files by their place, however it is written."""
    plain: dict[str, Any] = {k: v for k, v in as_plain(recipe).items() if k not in _MORE}
    plain["data"] = str(recipe.data.resolve())
    plain["start"] = {k: v and str(Path(v).resolve()) for k, v in plain["start"].items()}
    return plain


class Experiment:
    """A budget experiment in a folder: features once, then a row for each student in `rows.jsonl`.

    Rows that are there are not made again. say: told each row. Raises `RecipeError` for weights that do not
    fit, and for a folder that holds rows of other settings.
    """

    def __init__(
        self,
        recipe: BudgetRecipe,
        folder: Path,
        say: Callable[[Row], None] = lambda row: None,
        told: Callable[[str, int, int], None] = lambda what, done, of: None,
    ) -> None:
        self.recipe, self.folder, self._say = recipe, folder, say
        samples = biq2021.load(recipe.data)
        student = self._start()
        for name in recipe.students:
            self._given(name)  # hours before it is needed
        folder.mkdir(parents=True, exist_ok=True)
        self._same_recipe()
        sides = []
        for name in ("train", "val"):
            side = [s for s in samples if s.split == name]
            path = folder / f"{name}.npz"
            sides.append(photographs(side, student, path, partial(told, name)))
        self.train, self.val = sides
        self.features = training_features(
            recipe, student, self.train, folder / "features.npz", partial(told, "features")
        )
        bank = self.features
        self.chains = Chains(
            bank.chain_features.reshape(-1, *bank.chain_features.shape[2:]).astype(np.float32), bank.severity
        )
        self.done = self._read()

    def _same_recipe(self) -> None:
        """Stores the recipe, so that no row is ever one of other settings. Raises `RecipeError`."""
        path = self.folder / "recipe.yaml"
        if path.exists():
            before, now = (_settings(r) for r in (load_recipe(path, BudgetRecipe), self.recipe))
            changed = [name for name in now if before[name] != now[name]]
            if changed:
                raise RecipeError(
                    f"{self.folder} holds an experiment with other settings ({', '.join(changed)}); "
                    "give the same ones to go on, or another folder"
                )
        part = path.with_suffix(".part")
        part.write_text(dump_recipe(self.recipe), encoding="utf-8")
        part.replace(path)

    def _start(self, seed: int = 0) -> Student:
        """The initial student; `seed` draws the layers behind the features."""
        torch.manual_seed(seed)
        student = Student(SIZES[self.recipe.size])
        if self.recipe.start.imagenet is not None:
            load_weights(student, self.recipe.start.imagenet)
        elif self.recipe.start.student is not None:
            start = trained_student(self.recipe.start.student)
            if start.config != student.config:
                raise RecipeError(
                    f"start.student is {self.recipe.start.student}, which is not a {self.recipe.size}"
                )
            own = {k: v for k, v in start.state_dict().items() if k.split(".")[0] in _BACKBONE}
            student.load_state_dict(own, strict=False)
        return student.channels_last()

    def _read(self) -> dict[tuple[str, float, int], Row]:
        path = self.folder / "rows.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # killed while it wrote the last row, which is made again
            part = path.with_suffix(".part")
            part.write_text(whole, encoding="utf-8")
            part.replace(path)
        rows = [json.loads(line) for line in whole.splitlines()]
        return {(row["method"], row["budget"], row["seed"]): row for row in rows}

    def run(self) -> list[Row]:
        """All rows, new ones last."""
        first = self.recipe.first_seed
        for seed in range(first, first + self.recipe.seeds):
            for name in self.recipe.methods:
                self._row(name, 0.0, seed, partial(self._distilled, name, seed))
            for name in self.recipe.students:
                self._row(name, 0.0, seed, partial(self._given, name))
            for budget in self.recipe.budgets:
                if budget:
                    self._rated(budget, seed)
        return list(self.done.values())

    def _rated(self, budget: float, seed: int) -> None:
        n = max(10, round(budget * len(self.train.mos)))
        chosen = np.random.default_rng([seed, 11]).permutation(len(self.train.mos))[:n]

        def few() -> Student:
            return self._tuned(self._distilled("joint", seed), chosen, seed)

        def twice() -> Student:
            quality = outputs(few(), self.train.plain.astype(np.float32))[0]
            labels = averaged(simulated_labels(self.recipe, METHODS["joint"], self.train, seed), quality)
            again = self._distil(f"averaged {budget:g} {seed}", labels, METHODS["joint"], seed)
            return self._tuned(again, chosen, seed)

        makers = {
            "joint + head": few,
            "averaged + head": twice,
            "ratings alone": lambda: self._alone(chosen, budget, seed),
        }
        for name in self.recipe.rated:
            self._row(name, budget, seed, makers[name], n)
        for name in self.recipe.students:
            self._row(f"{name} + head", budget, seed, partial(self._tuned_given, name, chosen, seed), n)

    def _row(
        self, method: str, budget: float, seed: int, make: Callable[[], Student], labels: int = 0
    ) -> None:
        if (method, budget, seed) in self.done:
            return
        student = make()
        found = agreement(outputs(student, self.val.plain.astype(np.float32))[0], self.val.mos)
        row: Row = {"method": method, "budget": budget, "seed": seed, "labels": labels}
        row |= {"srcc": round(found.srcc, 5), "plcc": round(found.plcc, 5)}
        row["falling"] = round(ordered(student, self.chains), 5)
        with (self.folder / "rows.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.done[method, budget, seed] = row
        self._say(row)

    def _distilled(self, name: str, seed: int) -> Student:
        method = METHODS[name]
        labels = simulated_labels(self.recipe, method, self.train, seed)
        return self._distil(f"{name} {seed}", labels, method, seed)

    def _tuned_given(self, name: str, chosen: NDArray[np.intp], seed: int) -> Student:
        return self._tuned(self._given(name), chosen, seed)

    def _given(self, name: str) -> Student:
        """A student of the recipe. Raises `RecipeError` where its backbone is not the experiment's."""
        student, start = trained_student(self.recipe.students[name]), self._start().state_dict()
        for key, value in student.state_dict().items():
            if key.split(".")[0] not in _BACKBONE:
                continue
            if key not in start or not torch.equal(value, start[key]):
                raise RecipeError(
                    f"students: {self.recipe.students[name]} has another backbone than the experiment ({key})"
                )
        return student

    def _distil(self, name: str, labels: TeacherLabels, method: Method, seed: int) -> Student:
        path = self.folder / "runs" / name.replace(",", "").replace(" ", "-")
        training, held_out = labels.split(_HELD_OUT)
        kept = {key: i for i, key in enumerate(labels.keys)}
        own = np.array([kept[key] for key in training.keys])
        measured = np.array([kept[key] for key in held_out.keys])
        bank = self.features
        pictures = FeaturePictures(bank.features[own], bank.chain_features, bank.severity, bank.faults)
        sizes = self.recipe.batch
        sizes = BatchSizes(
            sizes.pictures if method.points else 0, sizes.pairs if method.pairs else 0, sizes.chains
        )
        batches = JointBatches(training, pictures, sizes, seed)
        if not method.points:  # as many steps as with points
            batches.steps_per_epoch = len(training.keys) // self.recipe.batch.pictures
        plain = self.train.plain[measured].astype(np.float32)
        terms = replace(self.recipe.terms, reliability=method.reliability)
        objective = JointObjective(
            batches, terms, held_out, lambda s: outputs(s, plain)[0].astype(np.float32), ahead=False
        )
        return self._train(path, objective, seed)

    def _alone(self, chosen: NDArray[np.intp], budget: float, seed: int) -> Student:
        objective = RatingsAlone(self.features, chosen, self.train.unit, self.train.plain)
        return self._train(self.folder / "runs" / f"ratings-{budget:g}-{seed}", objective, seed)

    def _train(self, path: Path, objective: Any, seed: int) -> Student:
        done = path / "done"
        if done.exists():
            return load_checkpoint(path / "best.pt")
        schedule = Schedule(
            epochs=self.recipe.epochs,
            lr=self.recipe.lr,
            head_lr=self.recipe.lr,
            warmup=30,
            ema=0.99,
            patience=self.recipe.epochs,
            precision="fp32",
            seed=seed,
        )
        student = self._start(seed)
        for name, parameter in student.named_parameters():
            parameter.requires_grad_(name.split(".")[0] not in _BACKBONE)
        Run(schedule, {"seed": seed}, path, student, objective).train()
        done.touch()
        (path / "last.pt").unlink()  # megabytes each, and a finished run is not gone on with
        return load_checkpoint(path / "best.pt")

    def _tuned(self, student: Student, chosen: NDArray[np.intp], seed: int) -> Student:
        """Heads fine-tuned on the chosen ratings; how far, by what a fifth of them says, then on all."""
        x, y = self.train.plain[chosen].astype(np.float32), self.train.unit[chosen]
        hold = max(3, len(y) // 5)
        errors = []
        for strength in STRENGTHS:
            tried = finetune_head(student, x[hold:], y[hold:], self.chains, strength, seed)
            errors.append(float(np.square(outputs(tried, x[:hold])[0] - y[:hold]).mean()))
        best = STRENGTHS[int(np.argmin(errors))]
        tuned: Student = finetune_head(student, x, y, self.chains, best, seed)
        return tuned
