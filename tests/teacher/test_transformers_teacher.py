"""The `transformers` teacher on tiny random checkpoints, against probabilities that are computed another
way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaf_edge.contract import LEVELS
from leaf_edge.teacher import prompts
from leaf_edge.teacher.interface import Failure, Picture, Teacher
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment, entropy_agreement

torch = pytest.importorskip("torch", reason="needs leaf-edge[train]")
pytest.importorskip("transformers", reason="needs leaf-edge[train]")

import tiny_vlms  # noqa: E402

from leaf_edge.teacher.transformers_vlm import TransformersTeacher  # noqa: E402
from leaf_edge.teacher.vlm_inputs import to_image  # noqa: E402
from leaf_edge.teacher.vlm_load import CheckpointError, load_checkpoint  # noqa: E402

CASES = [(family, split) for family in tiny_vlms.FAMILIES for split in (False, True)]
Checkpoints = Callable[..., Path]


def picture(seed: int, height: int = 40, width: int = 56) -> Picture:
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.integers(0, 256, 2))
    rgb = rng.integers(low, high + 1, (height, width, 3)).astype(np.uint8)
    return Picture(f"{seed:064x}", rgb, source=f"picture {seed}")


PICTURES = [picture(1), picture(2, 28, 56), picture(3, 56, 56)]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Saves a tiny checkpoint once and gives its folder: checkpoint("llava", split=True)."""
    saved: dict[str, Path] = {}

    def get(family: str, **options: Any) -> Path:
        key = repr((family, sorted(options.items())))
        if key not in saved:
            saved[key] = tiny_vlms.FAMILIES[family](tmp_path_factory.mktemp(family), **options)
        return saved[key]

    return get


def of(path: Path, **options: Any) -> TransformersTeacher:
    return TransformersTeacher(str(path), **{"dtype": "float32", "wordings": 1, **options})


def brute_force(path: Path, question: str, shown: Sequence[Picture], words: Sequence[str]) -> np.ndarray:
    """The words' probabilities, normalised: each spelling by a forward pass of its own over the prompt and
    its tokens, without a cache and without padding."""
    loaded = load_checkpoint(str(path), "float32")
    text = _prompt(loaded.processor, question, len(shown))
    images = [[to_image(p.rgb, 10**9) for p in shown]]
    prompt = dict(loaded.processor(text=[text], images=images, return_tensors="pt"))
    encode = loaded.processor.tokenizer.encode
    totals = []
    for word in words:
        capital = word[0].upper() + word[1:]
        total = 0.0
        for tokens in {tuple(encode(t)) for t in (word, capital, f" {word}", f" {capital}")}:
            before = torch.tensor([tokens[:-1]], dtype=torch.long)
            inputs = {**prompt, "input_ids": torch.cat([prompt["input_ids"], before], 1)}
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            if "mm_token_type_ids" in prompt:
                inputs["mm_token_type_ids"] = torch.cat(
                    [prompt["mm_token_type_ids"], torch.zeros_like(before)], 1
                )
            with torch.no_grad():
                logits = loaded.model(**inputs, use_cache=False).logits[0, -len(tokens) :].double()
            each = torch.softmax(logits, dim=-1).numpy()[np.arange(len(tokens)), tokens]
            total += float(np.prod(each))
        totals.append(total)
    return np.asarray(totals) / sum(totals)


def _prompt(processor: Any, question: str, pictures: int) -> str:
    """A prompt written out by hand through the template, system text first in the user's turn where need
    be."""
    images = [{"type": "image"}] * pictures
    system = [{"role": "system", "content": [{"type": "text", "text": prompts.SYSTEM}]}]
    if processor.chat_template == tiny_vlms.LLAVA_TEMPLATE:
        question, system = f"{prompts.SYSTEM}\n{question}", []
    user = {"role": "user", "content": [*images, {"type": "text", "text": question}]}
    return str(processor.apply_chat_template([*system, user], add_generation_prompt=True, tokenize=False))


def levels_of(judgment: PointJudgment | Failure) -> np.ndarray:
    assert isinstance(judgment, PointJudgment), judgment
    return np.asarray(judgment.levels)


@pytest.mark.parametrize(("family", "split"), CASES)
def test_level_probabilities_are_the_joint_probabilities_of_the_words_tokens(
    family: str, split: bool, checkpoint: Checkpoints
) -> None:
    path = checkpoint(family, split=split)
    teacher = of(path)
    assert isinstance(teacher, Teacher)
    counts = {len(tokens) for word in teacher._levels.spellings for tokens in word}
    assert (min(counts) > 1) if split else counts == {1}
    judged = [levels_of(j) for j in teacher.points(PICTURES)]  # one batch with padding
    for at in (0,) if split else (0, 1):
        expected = brute_force(path, prompts.POINT_WORDINGS[0], [PICTURES[at]], LEVELS)
        np.testing.assert_allclose(judged[at], expected, rtol=2e-4)
    assert all(abs(j.sum() - 1) < 1e-9 for j in judged)
    assert np.abs(judged[0] - judged[1]).max() > 1e-3


@pytest.mark.parametrize("family", list(tiny_vlms.FAMILIES))
def test_a_batch_judges_as_each_picture_and_pair_alone(family: str, checkpoint: Checkpoints) -> None:
    teacher = of(checkpoint(family), wordings=2, batch=5)
    together = [levels_of(j) for j in teacher.points(PICTURES)]
    alone = [levels_of(teacher.points([p])[0]) for p in PICTURES]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    pairs = [(PICTURES[0], PICTURES[1]), (PICTURES[2], PICTURES[0])]
    both = teacher.pairs(pairs)
    for found, single in zip(both, [teacher.pairs([p])[0] for p in pairs], strict=True):
        assert isinstance(found, PairJudgment) and isinstance(single, PairJudgment)
        assert found.forward == pytest.approx(single.forward, rel=1e-4)
        assert found.backward == pytest.approx(single.backward, rel=1e-4)


@pytest.mark.parametrize(("family", "split"), [("llava", True), ("qwen2_5_vl", False), ("internvl", False)])
def test_both_orders_of_a_pair_are_asked_with_the_pictures_in_that_order(
    family: str, split: bool, checkpoint: Checkpoints
) -> None:
    path = checkpoint(family, split=split)
    a, b = PICTURES[0], PICTURES[2]
    found, swapped = of(path).pairs([(a, b), (b, a)])
    assert isinstance(found, PairJudgment) and isinstance(swapped, PairJudgment)
    question = prompts.PAIR_WORDINGS[0]
    assert found.forward == pytest.approx(
        brute_force(path, question, [a, b], ["first", "second"])[0], rel=2e-4
    )
    assert found.backward == pytest.approx(
        brute_force(path, question, [b, a], ["first", "second"])[1], rel=2e-4
    )
    expected = found.swapped()
    assert (swapped.forward, swapped.backward) == pytest.approx(
        (expected.forward, expected.backward), abs=1e-5
    )
    assert abs(found.forward - (1 - found.backward)) > 1e-5  # the order of the pictures matters to the model


def test_wordings_are_averaged_and_their_disagreement_lowers_the_reliability(checkpoint: Checkpoints) -> None:
    path = checkpoint("smolvlm")
    each = np.stack([brute_force(path, w, [PICTURES[0]], LEVELS) for w in prompts.POINT_WORDINGS])
    (judged,) = of(path, wordings=3).points(PICTURES[:1])
    np.testing.assert_allclose(levels_of(judged), each.mean(axis=0), rtol=2e-4)
    assert isinstance(judged, PointJudgment)
    assert judged.reliability == pytest.approx(entropy_agreement(each), rel=1e-3)
    assert judged.reliability < entropy_agreement(each.mean(axis=0))
    (pair,) = of(path, wordings=3).pairs([(PICTURES[0], PICTURES[1])])
    shown = [PICTURES[0], PICTURES[1]]
    forward = [brute_force(path, w, shown, ["first", "second"])[0] for w in prompts.PAIR_WORDINGS]
    assert isinstance(pair, PairJudgment) and pair.forward == pytest.approx(np.mean(forward), rel=2e-4)


def test_a_cache_that_forgets_old_tokens_gives_the_same_probabilities(
    tmp_path: Path, checkpoint: Checkpoints
) -> None:
    path = tiny_vlms.save_llava(tmp_path / "windowed", split=True, window=16)
    teacher = of(path)
    (judged,) = teacher.points(PICTURES[:1])
    assert not teacher._levels._share_prompt
    expected = brute_force(path, prompts.POINT_WORDINGS[0], PICTURES[:1], LEVELS)
    np.testing.assert_allclose(levels_of(judged), expected, rtol=2e-4)


def test_a_checkpoint_without_chat_template_is_asked_in_plain_text(tmp_path: Path) -> None:
    path = tiny_vlms.save_llava(tmp_path / "plain", template=None)
    teacher = of(path)
    question = prompts.POINT_WORDINGS[0]
    assert teacher._prompts.text(question, 2) == f"<image>\n<image>\n{prompts.SYSTEM}\n{question}\nAnswer:"
    assert levels_of(teacher.points(PICTURES[:1])[0]).sum() == pytest.approx(1)


def test_smolvlm_prompts_hold_the_tiles_as_the_familys_own_processor_writes_them(
    checkpoint: Checkpoints,
) -> None:
    from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

    loaded = load_checkpoint(str(checkpoint("smolvlm")), "float32")
    inputs = loaded.processor(
        text=["<image>"], images=[[to_image(picture(1, 56, 28).rgb, 10**6)]], return_tensors="pt"
    )
    expected = get_image_prompt_string(2, 1, 4, "<fake_token_around_image>", "<image>", "<global-img>")
    assert loaded.processor.tokenizer.decode(inputs["input_ids"][0]) == expected


def test_bfloat16_judges_nearly_as_float32(checkpoint: Checkpoints) -> None:
    full = levels_of(of(checkpoint("qwen2_vl")).points(PICTURES)[0])
    half = levels_of(of(checkpoint("qwen2_vl"), dtype="bfloat16").points(PICTURES)[0])
    assert 0 < np.abs(full - half).max() < 0.03


def test_the_identity_changes_with_weights_wordings_and_number_type(checkpoint: Checkpoints) -> None:
    path = checkpoint("llava")
    first = of(path)
    assert (first.name, first.version) == (of(path).name, of(path).version)
    assert first.name == f"transformers:{path.name}"
    others = [
        of(path, wordings=2),
        of(path, dtype="bfloat16"),
        of(path, max_pixels=900),
        of(checkpoint("qwen2_vl")),
    ]
    assert len({first.version, *(other.version for other in others)}) == 5


def test_level_embeddings_are_rows_of_the_input_embedding(checkpoint: Checkpoints) -> None:
    teacher = of(checkpoint("llava"))
    rows = teacher.level_embeddings()
    assert rows.shape == (5, 16) and rows.dtype == np.float32
    table = teacher._model.get_input_embeddings().weight.detach().numpy()
    tokens = [sequence[0] for sequence in teacher._levels.spellings[4]]
    np.testing.assert_allclose(rows[4], table[tokens].mean(axis=0), rtol=1e-5)


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


def test_a_large_picture_is_made_smaller_and_keeps_its_shape() -> None:
    image = to_image(picture(7, 200, 400).rgb, 20_000)
    assert image.size == (200, 100)
    assert np.asarray(image).mean() == pytest.approx(picture(7, 200, 400).rgb.mean(), abs=1)


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
