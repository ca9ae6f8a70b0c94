"""The questions that vision-language teachers are asked, and the version that a label remembers.

Each question asks for one word: a level of `contract.LEVELS` of one picture, or which of two pictures is
better. Several wordings of the same question are averaged, and how far they agree counts in the reliability
(teacher/judgment.py). The texts hold no image slots: where the pictures stand in a prompt is the teacher's
matter (before the question, the first picture first). The levels are the category names of the scale that
people rate with (ITU-T P.910), and the words of a question are listed from excellent to bad in one wording
and the other way round in the next, so that a preference for what is named first does not become a preference
for a level.
"""

from __future__ import annotations

import hashlib
import json

from leaf_edge.contract import LEVELS

SYSTEM = (
    "You judge the technical quality of photographs and camera frames: sharpness, noise, exposure, contrast, "
    "compression and banding. You do not judge the subject or its beauty. You answer with one word."
)

POINT_WORDINGS: tuple[str, ...] = (
    "How do you rate the technical quality of this picture? "
    "Answer with one word: excellent, good, fair, poor or bad.",
    "Look at sharpness, noise, exposure and compression. The quality of this picture is bad, poor, fair, "
    "good or excellent? Answer with exactly one of these words.",
    "A person rates this picture on the five-level scale excellent, good, fair, poor, bad. "
    "Which level does the person choose? Reply with that word only.",
)
"""Each asks for a word of `contract.LEVELS`. A teacher that is told to use K wordings takes the first K."""

PAIR_ANSWERS: tuple[str, str] = ("first", "second")

PAIR_WORDINGS: tuple[str, ...] = (
    "Here are two pictures. Which one has the better technical quality, the first or the second? "
    "Answer with one word: first or second.",
    "Compare sharpness, noise, exposure and compression of both pictures. The better one is the second or "
    "the first? Answer with exactly one of these words.",
    "A person sees these two pictures one after the other and keeps the one of better quality. "
    "Does the person keep the first or the second? Reply with that word only.",
)
"""Each asks for a word of `PAIR_ANSWERS` about two pictures that are shown in that order."""

REVISION = 1
"""Raised when what surrounds the texts changes (how pictures and texts are put together)."""


def _version() -> str:
    texts = json.dumps([SYSTEM, POINT_WORDINGS, PAIR_WORDINGS, LEVELS, PAIR_ANSWERS])
    return f"{REVISION}-{hashlib.sha256(texts.encode()).hexdigest()[:8]}"


PROMPT_VERSION = _version()
"""Part of a label's identity: it changes with every text above, so that labels of other questions stay
apart."""


def point_wordings(count: int) -> tuple[str, ...]:
    """The first `count` of `POINT_WORDINGS`; ValueError where there are not so many."""
    return _take(POINT_WORDINGS, count)


def pair_wordings(count: int) -> tuple[str, ...]:
    """The first `count` of `PAIR_WORDINGS`; ValueError where there are not so many."""
    return _take(PAIR_WORDINGS, count)


def _take(wordings: tuple[str, ...], count: int) -> tuple[str, ...]:
    if not 1 <= count <= len(wordings):
        raise ValueError(f"wordings is {count}; expected 1 to {len(wordings)}")
    return wordings[:count]
