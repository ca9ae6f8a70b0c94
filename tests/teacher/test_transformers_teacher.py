"""The `transformers` teacher on tiny random checkpoints, against probabilities computed another way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leaf_edge.contract import LEVELS
from leaf_edge.teacher import prompts
from leaf_edge.teacher.interface import Teacher
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment, entropy_agreement

torch = pytest.importorskip("torch", reason="needs leaf-edge[train]")
pytest.importorskip("transformers", reason="needs leaf-edge[train]")

import tiny_vlms  # noqa: E402
from vlm_checks import PICTURES, Checkpoints, brute_force, levels_of, of, picture  # noqa: E402

from leaf_edge.teacher.vlm_inputs import PromptMaker, to_image  # noqa: E402
from leaf_edge.teacher.vlm_load import load_checkpoint  # noqa: E402

CASES = [(family, split) for family in tiny_vlms.FAMILIES for split in (False, True)]


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


@pytest.mark.parametrize(
    ("system_turn", "expected"),
    [
        ("{{ message['content'] }}", f"S:{prompts.SYSTEM};U:<image>Q;"),
        ("{{ raise_exception('no system turn') }}", f"U:<image>{prompts.SYSTEM}\nQ;"),
        ("", f"S:;U:<image>{prompts.SYSTEM}\nQ;"),
        ("{{ message['content'][0]['text'] }}", f"S:{prompts.SYSTEM};U:<image>Q;"),
    ],
)
def test_the_system_text_is_in_the_prompt_once_whatever_the_template_takes(
    system_turn: str, expected: str, checkpoint: Checkpoints
) -> None:
    processor = load_checkpoint(str(checkpoint("llava")), "float32").processor
    processor.chat_template = (
        "{% for message in messages %}{% if message['role'] == 'system' %}S:"
        + system_turn
        + ";{% else %}U:{% for part in message['content'] %}{{ '<image>' if part['type'] == 'image' else "
        "part['text'] }}{% endfor %};{% endif %}{% endfor %}"
    )
    text = PromptMaker(processor).text("Q", 1)
    assert text == expected.removeprefix("S:;")


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


def test_a_large_picture_is_made_smaller_and_keeps_its_shape() -> None:
    image = to_image(picture(7, 200, 400).rgb, 20_000)
    assert image.size == (200, 100)
    assert np.asarray(image).mean() == pytest.approx(picture(7, 200, 400).rgb.mean(), abs=1)
