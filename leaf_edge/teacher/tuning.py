"""Instruction tuning of a vision-language teacher with LoRA (Hu et al., arXiv 2106.09685).

The prompts are those that the teacher is asked with, made by the same code; the loss is the cross-entropy of
the answer's tokens alone. A run is a function of its settings and material: order, wordings and dropout
depend on (seed, step), so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from leaf_edge.extras import require
from leaf_edge.teacher import prompts
from leaf_edge.teacher.lora import add_lora, save_result
from leaf_edge.teacher.tuning_config import DEFAULTS, TuneConfig, TuneResult, TuneStep, TuningError
from leaf_edge.teacher.tuning_data import Fact, Material
from leaf_edge.teacher.vlm_inputs import PromptMaker, extend, to_device, to_image
from leaf_edge.teacher.vlm_load import Checkpoint, base_of, load_checkpoint


def tune(
    model: str,
    material: Material,
    output: Path,
    config: TuneConfig = DEFAULTS,
    on_step: Callable[[TuneStep], None] = lambda step: None,
) -> TuneResult:
    """Tunes the checkpoint `model` (folder or hub id) and writes the folder `output`.

    In it: `adapter/`, `merged/`, `log.jsonl` (a line a step), `settings.json`, `state.pt` (to go on from).
    The same call on a run that was stopped goes on; on one that is done, returns. Raises `CheckpointError`,
    `TuningError` (another run's folder, memory, a loss that is not finite), and what opening a picture
    raises.
    """
    torch = require("torch", "train")
    if base_of(model) != model:
        raise TuningError(f"{model} is an adapter; give a whole checkpoint, such as the merged one beside it")
    dtype = {"bf16": "bfloat16", "fp32": "float32"}[config.precision]
    loaded = load_checkpoint(model, dtype, config.device_map)
    output.mkdir(parents=True, exist_ok=True)
    settings = {"config": asdict(config), "facts": material.digest(), "weights": loaded.fingerprint}
    settings |= {"prompts": prompts.PROMPT_VERSION}
    _claim(output, settings)
    run = _Run(loaded, material, config)
    state, losses = output / "state.pt", _read_log(output / "log.jsonl")
    result = TuneResult(output / "adapter", output / "merged", ())
    start = 0
    if state.is_file():
        start = run.restore(torch.load(state, map_location="cpu", weights_only=True))
    losses = losses[:start]
    _write_log(output / "log.jsonl", losses)
    with (output / "log.jsonl").open("a") as log:
        for step in range(start, run.steps):
            done = run.step(step)
            losses.append(asdict(done))
            log.write(json.dumps(losses[-1]) + "\n")
            log.flush()
            on_step(done)
            if done.step % config.save_every == 0 or done.step == run.steps:
                _replace(state, lambda path, n=done.step: torch.save(run.state(n), path))  # type: ignore[misc]
    if not (result.merged.is_dir() and result.adapter.is_dir()):
        save_result(run.model, model, result.adapter, result.merged)
    return TuneResult(result.adapter, result.merged, tuple(float(entry["loss"]) for entry in losses))


class _Run:
    """Model, optimiser and the order of questions."""

    def __init__(self, loaded: Checkpoint, material: Material, config: TuneConfig) -> None:
        torch = require("torch", "train")
        torch.manual_seed(config.seed)
        self.model = add_lora(loaded.model, config.rank, config.alpha, config.dropout)
        if config.gradient_checkpointing:
            self.model.enable_input_require_grads()
            self.model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
        self._config = config
        self._material = material
        self._prompts = PromptMaker(loaded.processor)
        self._tokenizer = loaded.processor.tokenizer
        self._trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._trained.values(), lr=config.lr, weight_decay=config.weight_decay
        )
        self._per_step = config.batch * config.accumulate
        self._per_epoch = math.ceil(len(material.facts) / self._per_step)
        self.steps = config.epochs * self._per_epoch

    def state(self, step: int) -> dict[str, Any]:
        """All that the next steps depend on after `step` steps."""
        weights = {name: p.detach().cpu() for name, p in self._trained.items()}
        return {"step": step, "weights": weights, "optimizer": self._optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> int:
        """Takes a saved state; returns how many steps it has behind it."""
        torch = require("torch", "train")
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(state["weights"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def step(self, step: int) -> TuneStep:
        """One step of the optimiser, number `step` from 0."""
        torch = require("torch", "train")
        config, began = self._config, time.perf_counter()
        epoch, at = divmod(step, self._per_epoch)
        order = np.random.default_rng([config.seed, epoch]).permutation(len(self._material.facts))
        chosen = order[at * self._per_step : (at + 1) * self._per_step]
        questions = [self._question(int(index), epoch) for index in chosen]
        tokens = sum(len(answer) for _, _, answer in questions)
        torch.manual_seed(config.seed * 1_000_003 + step)
        self.model.train()
        total = 0.0
        try:
            for first in range(0, len(questions), config.batch):
                loss = self._loss(questions[first : first + config.batch]) / tokens
                loss.backward()
                total += float(loss.detach())
        except torch.OutOfMemoryError as error:
            raise TuningError(
                f"memory ran out with {config.batch} questions in a pass: give a smaller batch and a larger "
                "accumulate, gradient checkpointing, or a smaller max_pixels"
            ) from error
        norm = float(torch.nn.utils.clip_grad_norm_(self._trained.values(), config.clip))
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise TuningError(
                f"the loss is not finite at step {step + 1}; give a smaller lr, or precision fp32"
            )
        lr = config.lr_at(step, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.step()
        self._optimizer.zero_grad()
        return TuneStep(step + 1, self.steps, epoch + 1, total, lr, norm, time.perf_counter() - began)

    def _question(self, index: int, epoch: int) -> tuple[str, Fact, list[int]]:
        fact = self._material.facts[index]
        wordings = prompts.PAIR_WORDINGS if len(fact.shown) == 2 else prompts.POINT_WORDINGS
        question = wordings[(index + epoch) % self._config.wordings]
        answer = self._prompts.answer_tokens(question, len(fact.shown), fact.answer)
        return question, fact, answer

    def _loss(self, questions: list[tuple[str, Fact, list[int]]]) -> Any:
        """Sum over the answers' tokens of their negative log-probability."""
        torch = require("torch", "train")
        images = [
            [to_image(self._material.open(key), self._config.max_pixels) for key in fact.shown]
            for _, fact, _ in questions
        ]
        inputs = self._prompts.encode([question for question, _, _ in questions], images)
        longest = max(len(answer) for _, _, answer in questions)
        padding = self._tokenizer.pad_token_id
        ids = torch.tensor([answer + [padding] * (longest - len(answer)) for _, _, answer in questions])
        mask = torch.tensor([[1] * len(answer) + [0] * (longest - len(answer)) for _, _, answer in questions])
        model = self.model
        longer = to_device(extend(inputs, ids, mask), model)
        logits = (
            model(**longer, use_cache=False, logits_to_keep=longest + 1).logits[:, -longest - 1 : -1].float()
        )
        targets = ids.masked_fill(mask == 0, -100).to(logits.device)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")


def _claim(output: Path, settings: dict[str, Any]) -> None:
    """Writes the run's settings, or checks that the folder is of the same run."""
    file = output / "settings.json"
    if not file.is_file():
        _replace(file, lambda path: path.write_text(json.dumps(settings, indent=1) + "\n"))
        return
    before = json.loads(file.read_text())
    flat = [{**s.pop("config"), **s} for s in (json.loads(json.dumps(settings)), before)]
    now, then = flat
    changed = [f"{key} {then.get(key)} then, {now[key]} now" for key in now if then.get(key) != now[key]]
    if changed:
        raise TuningError(f"{output} is of another run ({'; '.join(changed)}); give another output")


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_log(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break  # cut short by a kill: that step is done again
    return entries


def _write_log(path: Path, entries: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    _replace(path, lambda temporary: temporary.write_text(text))
