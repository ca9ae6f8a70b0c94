"""What the `transformers` teacher does with what it cannot use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.judgment import PointJudgment

torch = pytest.importorskip("torch", reason="needs leaf-edge[train]")
pytest.importorskip("transformers", reason="needs leaf-edge[train]")

import tiny_vlms  # noqa: E402
from vlm_checks import PICTURES, Checkpoints, levels_of, of, picture  # noqa: E402

from leaf_edge.teacher.transformers_vlm import TransformersTeacher  # noqa: E402
from leaf_edge.teacher.vlm_load import CheckpointError  # noqa: E402


def test_a_picture_that_cannot_be_judged_costs_no_other(checkpoint: Checkpoints) -> None:
    teacher = of(checkpoint("qwen2_5_vl"))
    small, strip = picture(5, 20, 300), picture(6, 28, 2900)
    found = teacher.points([small, PICTURES[0], strip])
    assert isinstance(found[0], Failure) and "300x20 pixels; expected at least 28" in found[0].reason
    assert isinstance(found[2], Failure) and "100 to 1" in found[2].reason
    np.testing.assert_allclose(levels_of(found[1]), levels_of(teacher.points(PICTURES[:1])[0]), rtol=1e-5)
    pair = teacher.pairs([(PICTURES[0], small)])[0]
    assert isinstance(pair, Failure) and "300x20" in pair.reason
    assert teacher.points([]) == [] and teacher.pairs([]) == []


class Exhausted:
    """A device whose memory holds prompts of so many rows: raises as torch does for more."""

    def __init__(self, rows: int) -> None:
        self.rows, self.refused = rows, 0

    def __call__(self, module: Any, arguments: Any, named: dict[str, Any]) -> None:
        if named["input_ids"].shape[0] > self.rows:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def test_when_memory_runs_out_the_batch_is_halved_and_that_is_said_once(
    checkpoint: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    many = [picture(seed) for seed in range(9)]
    expected = [levels_of(j) for j in of(checkpoint("llava")).points(many)]
    teacher = of(checkpoint("llava"), batch=8)
    memory = Exhausted(2)
    teacher._model.register_forward_pre_hook(memory, with_kwargs=True)
    with caplog.at_level(logging.WARNING, "leaf_edge"):
        found = [levels_of(j) for j in teacher.points(many)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert (memory.refused, teacher.batch, len(caplog.records)) == (2, 2, 1)
    assert "going on with 4" in caplog.text
    memory.rows = 0
    failed = teacher.points(many[:1])[0]
    assert isinstance(failed, Failure) and "memory ran out" in failed.reason


def test_logits_that_are_not_finite_fail_their_own_picture_only(checkpoint: Checkpoints) -> None:
    teacher = of(checkpoint("llava", split=True))

    def poison(module: Any, arguments: Any, logits: Any) -> Any:
        logits = logits.clone()
        logits[1, :, 7] = float("nan")
        return logits

    expected = levels_of(teacher.points(PICTURES)[0])
    teacher._model.lm_head.register_forward_hook(poison)
    found = teacher.points(PICTURES)
    assert isinstance(found[1], Failure) and "not finite" in found[1].reason
    np.testing.assert_allclose(levels_of(found[0]), expected)
    assert isinstance(found[2], PointJudgment)


def test_a_model_that_would_answer_with_other_words_fails_where_a_minimum_is_asked_for(
    checkpoint: Checkpoints,
) -> None:
    found = of(checkpoint("llava"), minimum_mass=0.9).points(PICTURES[:1])[0]
    assert isinstance(found, Failure) and "expected 0.9" in found.reason


def test_a_text_model_is_refused_by_its_type(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(**sizes, vocab_size=32)).save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"expected a vision-language checkpoint.*found a model of type 'llama'"
    ):
        of(tmp_path)


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    with pytest.raises(FileNotFoundError, match="no/such/folder"):
        of(Path("no/such/folder"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        of(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match="found a file"):
        of(tmp_path / "file")
    (tmp_path / "config.json").write_text('{"model_type": "internvl_chat", "auto_map": {}}')
    with pytest.raises(CheckpointError, match="-HF"):
        of(tmp_path)
    damaged = tiny_vlms.save_llava(tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        of(damaged)
    partial = tiny_vlms.save_llava(tmp_path / "partial")
    tensors = load_file(partial / "model.safetensors")
    save_file(dict(list(tensors.items())[3:]), partial / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="3 weights are not in the checkpoint"):
        of(partial)


def test_options_are_checked_by_name_and_kind(checkpoint: Checkpoints) -> None:
    path = str(checkpoint("llava"))
    teacher = TransformersTeacher.from_options(
        {"model": path, "batch": "3", "wordings": 2, "dtype": "float32", "device_map": "cpu"}
    )
    assert teacher.batch == 3 and "/w2/float32/" in teacher.version
    for options, message in (
        ({"model": path, "bach": 3}, "no option bach; it has: model, dtype"),
        ({"batch": 3}, "needs the option model"),
        ({"model": path, "batch": "many"}, "batch is 'many'; expected a number"),
        ({"model": path, "batch": 0}, "batch is 0; expected a number from 1"),
        ({"model": path, "wordings": 9}, "wordings is 9; expected a number from 1 to 3"),
        ({"model": path, "dtype": "int4"}, "dtype is 'int4'; expected one of: auto"),
    ):
        with pytest.raises(ValueError, match=message):
            TransformersTeacher.from_options(options)
