"""Probabilities of answer words from the logits of a language model.

A word counts with its first letter small or capital, with a space before it or without, and the probabilities
of these spellings are summed. A spelling of several tokens has the joint probability of its tokens: the first
from the logits after the prompt, each further one from the logits after the prompt and the tokens before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.extras import require
from leaf_edge.teacher.vlm_inputs import Inputs, extend

Tokens = tuple[int, ...]


def spellings(tokenizer: Any, word: str) -> list[Tokens]:
    """The different token sequences of the spellings of `word`, each of one token or more."""
    texts = [prefix + form for prefix in ("", " ") for form in (word, word.capitalize())]
    found = {tuple(tokenizer.encode(text, add_special_tokens=False)): None for text in texts}
    return [tokens for tokens in found if tokens]


class AnswerScorer:
    """Log-probabilities of a fixed list of words as the answer of a model.

    model: a transformers model for image, text to text. words: [W]. Prompts are run once; the few further
    tokens of a word run on the prompt's key-value cache, or, for models whose cache cannot be cut back, on
    the prompt anew.
    """

    def __init__(self, model: Any, tokenizer: Any, words: Sequence[str]) -> None:
        self.spellings = [spellings(tokenizer, word) for word in words]
        self._model = model
        self._share_prompt = True
        prefixes = {s[:n] for word in self.spellings for s in word for n in range(1, len(s))}
        self._contexts = sorted(
            p for p in prefixes if not any(len(q) > len(p) and q[: len(p)] == p for q in prefixes)
        )

    def __call__(self, inputs: Inputs) -> Any:
        """Natural logarithms of the words' probabilities, float64 [batch, W], on the CPU.

        inputs: padded on the left, on the model's device. Rows whose logits are not finite are NaN.
        """
        torch = require("torch", "train")
        with torch.inference_mode():
            steps = self._steps(inputs)
            words = []
            for sequences in self.spellings:
                joint = [sum(steps[s[:n]][s[n]] for n in range(len(s))) for s in sequences]
                words.append(torch.logsumexp(torch.stack(joint), dim=0))
            return torch.stack(words, dim=1)

    def _steps(self, inputs: Inputs) -> dict[Tokens, dict[int, Any]]:
        """For each context (tokens after the prompt), the log-probability [batch] of each next token
        needed."""
        wanted: dict[Tokens, set[int]] = {}
        for sequence in (s for word in self.spellings for s in word):
            for n, token in enumerate(sequence):
                wanted.setdefault(sequence[:n], set()).add(token)
        out = self._model(**inputs, use_cache=bool(self._contexts), logits_to_keep=1)
        steps: dict[Tokens, dict[int, Any]] = {(): _pick(out.logits[:, -1], wanted[()])}
        for context in self._contexts:
            logits = self._after(inputs, context, out.past_key_values)
            for n in range(1, len(context) + 1):
                if context[:n] not in steps:
                    steps[context[:n]] = _pick(logits[:, n - 1], wanted[context[:n]])
        return steps

    def _after(self, inputs: Inputs, context: Tokens, cache: Any) -> Any:
        """Logits [batch, len(context), vocabulary] after each token of `context`."""
        torch = require("torch", "train")
        rows = inputs["input_ids"].shape[0]
        ids = torch.tensor([context] * rows, device=inputs["input_ids"].device)
        longer = extend(inputs, ids)
        if self._share_prompt and cache is not None:
            mask = longer["attention_mask"]
            out = self._model(
                input_ids=ids,
                attention_mask=mask,
                cache=cache,
                use_cache=True,
                **self._positions(mask, len(context)),
            )
            try:
                cache.crop(-len(context))
                return out.logits
            except (AttributeError, NotImplementedError, RuntimeError, ValueError):
                self._share_prompt = False  # a cache that forgets: what is in it now is lost
        return self._model(**longer, use_cache=False, logits_to_keep=len(context)).logits[:, -len(context) :]

    def _positions(self, mask: Any, count: int) -> dict[str, Any]:
        """Positions of the last `count` tokens where pictures take fewer positions than tokens (Qwen-VL)."""
        deltas = getattr(getattr(self._model, "model", None), "rope_deltas", None)
        if deltas is None:
            return {}
        plain = (mask.long().cumsum(-1) - 1)[:, -count:]
        return {"position_ids": (plain + deltas.to(plain.device)).expand(3, -1, -1)}


def _pick(logits: Any, tokens: set[int]) -> dict[int, Any]:
    torch = require("torch", "train")
    logits = logits.float()
    finite = torch.isfinite(logits).all(dim=-1, keepdim=True)
    logs = torch.where(finite, torch.log_softmax(logits, dim=-1), torch.nan)
    chosen = sorted(tokens)
    values = logs[:, chosen].to("cpu", torch.float64)
    return {token: values[:, at] for at, token in enumerate(chosen)}


def word_embeddings(model: Any, tokenizer: Any, words: Sequence[str]) -> NDArray[np.float32]:
    """The language model's input embeddings of words: the mean over spellings of the mean over tokens,
    float32 [words, hidden size]. For a student whose features are to lie near the levels' names."""
    torch = require("torch", "train")
    table = model.get_input_embeddings()
    rows = []
    with torch.inference_mode():
        for word in words:
            means = [
                table(torch.tensor(tokens, device=table.weight.device)).float().mean(dim=0)
                for tokens in spellings(tokenizer, word)
            ]
            rows.append(torch.stack(means).mean(dim=0))
        found: NDArray[np.float32] = torch.stack(rows).to("cpu", torch.float32).numpy()
    return found
