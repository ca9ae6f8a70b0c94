"""Pictures for the `transformers` teacher, and its probabilities computed another way. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tiny_vlms
import torch

from leaf_edge.teacher import prompts
from leaf_edge.teacher.interface import Failure, Picture
from leaf_edge.teacher.judgment import PointJudgment
from leaf_edge.teacher.transformers_vlm import TransformersTeacher
from leaf_edge.teacher.vlm_inputs import to_image
from leaf_edge.teacher.vlm_load import load_checkpoint

Checkpoints = Callable[..., Path]
"""The fixture `checkpoint`."""


def picture(seed: int, height: int = 40, width: int = 56) -> Picture:
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.integers(0, 256, 2))
    rgb = rng.integers(low, high + 1, (height, width, 3)).astype(np.uint8)
    return Picture(f"{seed:064x}", rgb, source=f"picture {seed}")


PICTURES = [picture(1), picture(2, 28, 56), picture(3, 56, 56)]


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
