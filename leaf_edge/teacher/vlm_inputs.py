"""Prompts as tensors: chat template, pictures, padding on the left, and answers put behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.extras import require
from leaf_edge.teacher import prompts

MIN_SIDE = 28
"""Pixels: the smallest side of a picture that every family takes (Qwen's unit of 2x2 patches of 14
pixels)."""
MAX_ASPECT = 100.0
"""Longest side over shortest; families cut pictures into tiles and refuse strips."""

Inputs = dict[str, Any]
"""Tensors of a forward pass by name; `input_ids` and `attention_mask` are int64 [batch, length]."""


def refuse_size(width: int, height: int) -> str | None:
    """Why a picture of so many pixels cannot be judged; None where it can."""
    if min(height, width) < MIN_SIDE:
        return f"the picture has {width}x{height} pixels; expected at least {MIN_SIDE} a side"
    if max(height, width) > MAX_ASPECT * min(height, width):
        return f"the picture has {width}x{height} pixels; expected sides of at most {MAX_ASPECT:.0f} to 1"
    return None


def to_image(rgb: NDArray[np.uint8], max_pixels: int) -> Any:
    """A PIL image, made smaller (area average, shape kept) where it has more than `max_pixels`."""
    image = require("PIL.Image", "train")
    picture = image.fromarray(np.ascontiguousarray(rgb))
    width, height = picture.size
    if width * height > max_pixels:
        scale = (max_pixels / (width * height)) ** 0.5
        size = (max(MIN_SIDE, int(width * scale)), max(MIN_SIDE, int(height * scale)))
        picture = picture.resize(size, image.Resampling.BOX)
    return picture


class PromptMaker:
    """Turns questions about pictures into inputs of a model.

    processor: as `vlm_load.load_processor` gives it. Prompts are made with the checkpoint's chat template;
    where that knows no system turn, or there is no template, the system text stands before the question.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._cache: dict[tuple[str, int], str] = {}

    @property
    def templated(self) -> bool:
        """Whether the checkpoint has a chat template."""
        return bool(self._processor.chat_template)

    def text(self, question: str, pictures: int) -> str:
        """The prompt up to where the answer begins, with one placeholder for each picture."""
        key = (question, pictures)
        if key not in self._cache:
            self._cache[key] = self._text(question, pictures)
        return self._cache[key]

    def _text(self, question: str, pictures: int) -> str:
        if not self.templated:
            marks = f"{self._processor.image_token}\n" * pictures
            return f"{marks}{prompts.SYSTEM}\n{question}\nAnswer:"
        jinja2 = require("jinja2", "train")
        user = self._user(question, pictures)
        for content in ([{"type": "text", "text": prompts.SYSTEM}], prompts.SYSTEM):
            try:
                text = self._render([{"role": "system", "content": content}, user])
            except (jinja2.TemplateError, TypeError):  # a template that refuses a system turn, or its form
                continue
            if (
                prompts.SYSTEM in text and "'type':" not in text
            ):  # else it left the turn out, or printed a list
                return text
        return self._render([self._user(f"{prompts.SYSTEM}\n{question}", pictures)])

    @staticmethod
    def _user(text: str, pictures: int) -> dict[str, Any]:
        images = [{"type": "image"} for _ in range(pictures)]
        return {"role": "user", "content": [*images, {"type": "text", "text": text}]}

    def _render(self, messages: list[dict[str, Any]]) -> str:
        text: str = self._tokenizer.apply_chat_template(
            messages,
            chat_template=self._processor.chat_template,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # of templates that know it; the answer is the next word
        )
        return text

    def answer_tokens(self, question: str, pictures: int, word: str) -> list[int]:
        """Tokens of `word` as they come behind the prompt, and the token that ends the answer."""
        text = self.text(question, pictures)
        answer = word if text[-1:].isspace() or text.endswith(">") else f" {word}"
        before, whole = (self._tokenizer.encode(t, add_special_tokens=False) for t in (text, text + answer))
        fits = whole[: len(before)] == before  # else the first letters have merged with the prompt
        ids = whole[len(before) :] if fits else self._tokenizer.encode(answer, add_special_tokens=False)
        end = self._tokenizer.eos_token_id
        return [*ids, end] if end is not None else list(ids)

    def encode(self, questions: Sequence[str], pictures: Sequence[Sequence[Any]]) -> Inputs:
        """Inputs of a batch on the CPU, padded on the left: the answer's first token comes next in every row.

        pictures: for each question, its PIL images in the order in which they are shown.
        """
        texts = [self.text(q, len(shown)) for q, shown in zip(questions, pictures, strict=True)]
        begin = self._tokenizer.bos_token
        inputs = self._processor(
            text=texts,
            images=[list(shown) for shown in pictures],
            padding=True,
            padding_side="left",
            add_special_tokens=not (begin and texts[0].startswith(begin)),  # a template may have put them
            return_tensors="pt",
        )
        return dict(inputs)


def extend(inputs: Inputs, ids: Any, mask: Any | None = None) -> Inputs:
    """Inputs with the tokens `ids` [batch, n] of an answer behind the prompt; mask: 1 where a token
    counts."""
    torch = require("torch", "train")
    mask = torch.ones_like(ids) if mask is None else mask
    longer = dict(inputs)
    longer["input_ids"] = torch.cat([inputs["input_ids"], ids], dim=1)
    longer["attention_mask"] = torch.cat([inputs["attention_mask"], mask], dim=1)
    for name in ("mm_token_type_ids", "token_type_ids"):
        if name in inputs:  # the answer is text, type 0
            longer[name] = torch.cat([inputs[name], torch.zeros_like(ids)], dim=1)
    return longer


def to_device(inputs: Inputs, model: Any) -> Inputs:
    """Inputs on the model's device, pictures in its floating-point type."""
    moved = {}
    for name, value in inputs.items():
        if hasattr(value, "to"):
            floating = value.is_floating_point()
            value = value.to(model.device, model.dtype) if floating else value.to(model.device)
        moved[name] = value
    return moved
