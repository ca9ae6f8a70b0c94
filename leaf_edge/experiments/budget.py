"""Label-budget curves: what distillation from a simulated teacher and n human ratings reach on validation.

The backbone is frozen at its initial weights and its features are computed once, so that a student trains in
seconds and every method can be run with many seeds. Full fine-tuning reaches more with each of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leaf_edge.calibration.finetune import STRENGTHS, Chains, finetune_head, ordered, outputs
from leaf_edge.datasets import biq2021
from leaf_edge.evaluation.metrics import Agreement, agreement
from leaf_edge.experiments.budget_data import (
    averaged,
    photographs,
    simulated_labels,
    training_features,
)
from leaf_edge.experiments.budget_recipe import METHODS, BudgetRecipe, Method
from leaf_edge.student import losses
from leaf_edge.student.group import Group
from leaf_edge.student.initial import load_imagenet
from leaf_edge.student.joint import JointBatches, JointObjective
from leaf_edge.student.joint_pictures import FeaturePictures
from leaf_edge.student.joint_recipe import BatchSizes, Terms
from leaf_edge.student.network import Prediction, Student, load_checkpoint
from leaf_edge.student.run import Part, Run, Schedule
from leaf_edge.student.teacher_labels import TeacherLabels
from leaf_edge.student.train import SIZES

Row = dict[str, Any]
_HELD_OUT = 0.1
_LEAST_STEPS = 300  # of training on few ratings


class _Ratings:
    """Objective: n rated photographs and synthetic chains, on features; the last fifth only measures."""

    extra = None

    def __init__(
        self,
        features: FeaturePictures,
        chosen: NDArray[np.intp],
        unit: NDArray[np.float32],
        plain: NDArray[Any],
    ) -> None:
        order = np.random.default_rng(len(chosen)).permutation(chosen)
        self.held_out, self.used = np.split(order, [max(3, len(order) // 5)])
        self.features, self.unit, self.plain = features, unit, plain
        self.steps_per_epoch = max(len(self.used) // 32, _LEAST_STEPS // 8)

    def stream(self, begin: int, end: int, group: Group) -> Iterator[Any]:
        for step in range(begin, end):
            rng = np.random.default_rng([3, step])
            index = rng.choice(self.used, min(32, len(self.used)), replace=False)
            views = [self.features.views(int(i), rng) for i in index]
            chains = [self.features.chain(2 * step + k, rng) for k in range(2)]
            views += [v for chain in chains for v in chain.views]
            yield index, np.stack(views), chains

    def part(self, batch: Any, group: Group) -> Part:
        return Part(batch[1], len(batch[1]))

    def terms(
        self, batch: Any, part: Tensor, prediction: Prediction, group: Group
    ) -> Iterator[tuple[str, Tensor]]:
        index, _, chains = batch
        n = len(index)
        target = torch.from_numpy(self.unit[index])
        yield "rated", losses.rated(prediction.mos[:n], prediction.spread[:n], target)
        severity = np.stack([chain.severity for chain in chains])
        faults = np.concatenate([chain.faults for chain in chains])
        yield from losses.chains(prediction.mos[n:], prediction.fault_logits[n:], severity, faults)

    def validate(self, student: Student) -> Agreement:
        raw = outputs(student, self.plain[self.held_out].astype(np.float32))[0]
        return agreement(raw, self.unit[self.held_out])


class Experiment:
    """A budget experiment in a folder: features once, then a row for each student in `rows.jsonl`.

    Rows that are there are not made again. say: told each row. Raises ValueError for weights that do not fit.
    """

    def __init__(
        self,
        recipe: BudgetRecipe,
        folder: Path,
        say: Callable[[Row], None] = lambda row: None,
        told: Callable[[str, int, int], None] = lambda what, done, of: None,
    ) -> None:
        self.recipe, self.folder, self._say = recipe, folder, say
        folder.mkdir(parents=True, exist_ok=True)
        samples = biq2021.load(recipe.data)
        student = self._start()
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

    def _start(self, seed: int = 0) -> Student:
        """The initial student; `seed` draws the layers behind the features."""
        torch.manual_seed(seed)
        student = Student(SIZES[self.recipe.size])
        if self.recipe.start.imagenet is not None:
            load_imagenet(student, self.recipe.start.imagenet)
        elif self.recipe.start.student is not None:
            start = load_checkpoint(self.recipe.start.student)
            own = {
                k: v for k, v in start.state_dict().items() if k.split(".")[0] in ("stem", "blocks", "head")
            }
            student.load_state_dict(own, strict=False)
        return student.channels_last()

    def _read(self) -> dict[tuple[str, float, int], Row]:
        path = self.folder / "rows.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        return {(row["method"], row["budget"], row["seed"]): row for row in rows}

    def run(self) -> list[Row]:
        """All rows, new ones last."""
        for seed in range(1, self.recipe.seeds + 1):
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
        """A student of the recipe. Raises ValueError where its backbone is not the experiment's."""
        student, start = load_checkpoint(self.recipe.students[name]), self._start().state_dict()
        for key, value in student.state_dict().items():
            if key.split(".")[0] in ("stem", "blocks", "head") and not torch.equal(value, start[key]):
                raise ValueError(
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
        terms = replace(Terms(), reliability=method.reliability)
        objective = JointObjective(
            batches, terms, held_out, lambda s: outputs(s, plain)[0].astype(np.float32), ahead=False
        )
        return self._train(path, objective, seed)

    def _alone(self, chosen: NDArray[np.intp], budget: float, seed: int) -> Student:
        objective = _Ratings(self.features, chosen, self.train.unit, self.train.plain)
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
            parameter.requires_grad_(name.split(".")[0] not in ("stem", "blocks", "head"))
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
