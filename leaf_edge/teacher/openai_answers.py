"""From a chat completion with `top_logprobs` to a distribution over answer words, or the reason why not.

The distribution is read where the answer begins: at the first token with a letter or digit in it, so that a
leading blank, line break or quotation mark costs nothing. Each alternative of that token counts for the
word that it spells:

- the word itself, in any case, with blanks or punctuation around it (`good`, ` Good`, `"GOOD`);
- an unambiguous beginning of one word (`exc`), since a tokenizer may split a word; a beginning of several
  words counts for none.

A word that is not among the alternatives is less probable than the least of them, and than all that they
leave over: its probability lies between 0 and the smaller of the two, and half of that is taken. What is
left is normalised. Nothing is ever made up: an answer whose alternatives hardly speak of the words is an
`AnswerError`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from leaf_edge.teacher.judgment import Floats

_BLANKS = " \t\r\n\u00a0\u0120\u010a\u2581"
"""White space, and how byte-level and sentence-piece vocabularies write a blank or a line break (G with
dot, C with dot, lower block), which some servers pass on."""
_PUNCTUATION = "\"'`*_.,:;!?()[]{}<>-\u2018\u2019\u201c\u201d"
_SLACK = 1e-3
"""How far probabilities may go beyond 1 by the rounding of a server."""

Alternative = tuple[str, float]
"""Token and probability."""


class AnswerError(Exception):
    """An answer without the distribution that was asked for.

    malformed: the answer is not what a server with logprobs sends (the fault is the server's); otherwise it
    is well made, but the model's first token is not one of the words.
    """

    def __init__(self, reason: str, *, malformed: bool) -> None:
        super().__init__(reason)
        self.malformed = malformed


def word_distribution(completion: object, words: Sequence[str], min_mass: float) -> Floats:
    """Probabilities float64 [len(words)] of the first word of the answer; they sum to 1.

    completion: the decoded body of a chat completion. words: lower case. min_mass: the alternatives must
    give the words together at least this probability, before normalisation. Raises AnswerError.
    """
    alternatives = first_alternatives(completion)
    masses = np.zeros(len(words))
    seen = np.zeros(len(words), bool)
    for token, probability in alternatives:
        index = word_of(token, words)
        if index is not None:
            masses[index] += probability
            seen[index] = True
    mass = float(masses.sum())
    if not seen.any() or mass < min_mass:
        best = ", ".join(f"{token[:20]!r} {probability:.2f}" for token, probability in alternatives[:3])
        raise AnswerError(
            f"the words {'/'.join(words)} have probability {mass:.3f} of at least {min_mass:g}; "
            f"the answer begins with {best}",
            malformed=False,
        )
    total = sum(probability for _, probability in alternatives)
    masses[~seen] = 0.5 * min(min(probability for _, probability in alternatives), max(0.0, 1 - total))
    distribution: Floats = masses / masses.sum()
    return distribution


def word_of(token: str, words: Sequence[str]) -> int | None:
    """Index of the word that a token spells or begins; None for no word and for several."""
    text = token.strip(_BLANKS).lower()
    whole = text.strip(_PUNCTUATION + _BLANKS)
    if whole in words:
        return words.index(whole)
    begun = [index for index, word in enumerate(words) if text and word.startswith(text)]
    return begun[0] if len(begun) == 1 else None


def first_alternatives(completion: object) -> list[Alternative]:
    """Alternatives of the first token that says something, the most probable first. Raises AnswerError."""
    for position in _positions(completion):
        token = position.get("token")
        if not isinstance(token, str):
            raise _malformed(f"a token is {_short(token)}; expected a text")
        if not any(character.isalnum() for character in token.strip(_BLANKS)):
            continue
        listed = position.get("top_logprobs")
        if not isinstance(listed, list) or not listed:
            raise _malformed("the answer has no top_logprobs; the server must support them")
        alternatives = [_alternative(entry) for entry in listed]
        if token not in (text for text, _ in alternatives):
            alternatives.append(_alternative(position))
        total = sum(probability for _, probability in alternatives)
        if not total <= 1 + _SLACK:
            raise _malformed(f"the probabilities of the first token sum to {total:.3f}; expected at most 1")
        return sorted(alternatives, key=lambda entry: -entry[1])
    raise _malformed("the answer has no word in it; it may need a greater max_tokens")


def _positions(completion: object) -> list[Mapping[str, object]]:
    """`choices[0].logprobs.content` of a completion."""
    if not isinstance(completion, Mapping):
        raise _malformed(f"the answer is {_short(completion)}; expected a JSON object")
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        error = completion.get("error")
        raise _malformed(f"the answer has no choices{f'; it says {_short(error)}' if error else ''}")
    logprobs = choices[0].get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list) or not content:
        raise _malformed("the answer has no logprobs; the server must support them")
    if not all(isinstance(position, Mapping) for position in content):
        raise _malformed("logprobs.content is not a list of objects")
    return content


def _alternative(entry: object) -> Alternative:
    token = entry.get("token") if isinstance(entry, Mapping) else None
    logprob = entry.get("logprob") if isinstance(entry, Mapping) else None
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        raise _malformed(f"an alternative is {_short(entry)}; expected a token and its logprob")
    # Some servers write minus infinity, and some -9999, for what they left out: both are probability 0.
    if not logprob <= _SLACK:  # nor a NaN
        raise _malformed(f"a logprob is {_short(logprob)}; expected at most 0")
    return token, math.exp(max(logprob, -1e4)) if logprob < 0 else 1.0


def _malformed(reason: str) -> AnswerError:
    return AnswerError(reason, malformed=True)


def _short(value: object) -> str:
    text = (
        repr(value)
        if isinstance(value, str | int | float | bool | dict | type(None))
        else type(value).__name__
    )
    return text if len(text) <= 80 else text[:80] + "..."
