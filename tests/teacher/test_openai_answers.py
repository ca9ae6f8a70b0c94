"""Distributions out of chat completions: what counts for which word, what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rude_server import completion

from leaf_edge.contract import LEVELS
from leaf_edge.teacher.openai_answers import AnswerError, word_distribution, word_of

MIN = 0.05


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("good", "good"),
        (" Good", "good"),
        ("GOOD.", "good"),
        ('"excellent"', "excellent"),
        ("**Poor**", "poor"),
        ("\u0120fair", "fair"),  # byte-level blank
        ("\u2581bad", "bad"),  # sentence-piece blank
        (" exc", "excellent"),
        ("f", "fair"),
        ("goodness", None),
        ("fairly", None),
        ("The", None),
        ("", None),
        (" ", None),
        ("\n", None),
        ("'", None),
        ("'b", None),
    ],
)
def test_a_token_counts_for_the_word_that_it_spells_or_begins(token: str, word: str | None) -> None:
    assert word_of(token, LEVELS) == (None if word is None else LEVELS.index(word))


def test_the_beginning_of_two_words_counts_for_neither() -> None:
    words = ("first", "fine", "second")
    assert word_of("f", words) is None
    assert word_of("fi", words) is None
    assert word_of("fir", words) == 0


def test_spellings_of_a_word_add_up_and_absent_words_get_half_of_what_is_possible() -> None:
    tokens = [("good", 0.4), (" Good", 0.2), ("fair", 0.2), ("The", 0.1), ("poor", 0.05)]
    # 0.05 is left over and the least alternative has 0.05: excellent and bad lie in 0..0.05
    expected = np.array([0.025, 0.6, 0.2, 0.05, 0.025])
    np.testing.assert_allclose(
        word_distribution(completion(tokens), LEVELS, MIN), expected / expected.sum(), atol=1e-12
    )


def test_an_absent_word_is_below_what_the_alternatives_leave_over() -> None:
    tokens = [("good", 0.6), ("fair", 0.395)]  # 0.005 is left over
    p = word_distribution(completion(tokens), LEVELS, MIN)
    np.testing.assert_allclose(p[0], 0.0025 / (0.995 + 3 * 0.0025), atol=1e-12)


def test_alternatives_that_sum_to_one_leave_nothing_to_absent_words() -> None:
    p = word_distribution(completion([("good", 0.75), ("fair", 0.25)]), LEVELS, MIN)
    np.testing.assert_allclose(p, [0, 0.75, 0.25, 0, 0], atol=1e-9)


def test_blank_tokens_before_the_word_are_passed_over() -> None:
    told = completion([("good", 0.7), ("fair", 0.3)], before=("\n", ' "', "**"))
    np.testing.assert_allclose(word_distribution(told, LEVELS, MIN), [0, 0.7, 0.3, 0, 0], atol=1e-9)


def test_a_chosen_token_that_is_not_among_the_alternatives_counts() -> None:
    told = completion([("good", 0.5), ("fair", 0.3), ("bad", 0.2)])
    position = told["choices"][0]["logprobs"]["content"][0]
    position["top_logprobs"] = position["top_logprobs"][1:]
    np.testing.assert_allclose(word_distribution(told, LEVELS, MIN), [0, 0.5, 0.3, 0, 0.2], atol=1e-9)


def test_minus_infinity_and_its_stand_in_are_probability_zero() -> None:
    told = completion([("good", 0.5), ("fair", 0.5), ("bad", 0.1), ("poor", 0.1)])
    listed = told["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    listed[2]["logprob"], listed[3]["logprob"] = -math.inf, -9999.0
    np.testing.assert_allclose(word_distribution(told, LEVELS, MIN), [0, 0.5, 0.5, 0, 0], atol=1e-9)


def test_little_probability_on_the_words_is_no_answer_and_names_what_was_said() -> None:
    with pytest.raises(AnswerError, match=r"probability 0\.040 of at least 0\.05.*'The' 0\.90") as caught:
        word_distribution(completion([("The", 0.9), ("good", 0.04), ("This", 0.03)]), LEVELS, MIN)
    assert not caught.value.malformed
    word_distribution(completion([("The", 0.9), ("good", 0.06)]), LEVELS, MIN)


def _changed(**position: Any) -> dict[str, Any]:
    told = completion([("good", 0.5), ("fair", 0.5)])
    told["choices"][0]["logprobs"]["content"][0].update(position)
    return told


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (None, "expected a JSON object"),
        ([1], "expected a JSON object"),
        ({}, "no choices"),
        ({"choices": []}, "no choices"),
        ({"choices": ["good"]}, "no choices"),
        ({"error": {"message": "out of memory"}}, "out of memory"),
        ({"choices": [{"message": {"content": "good"}}]}, "no logprobs"),
        ({"choices": [{"logprobs": None}]}, "no logprobs"),
        ({"choices": [{"logprobs": {"content": []}}]}, "no logprobs"),
        ({"choices": [{"logprobs": {"content": [7]}}]}, "not a list of objects"),
        (_changed(token=7), "expected a text"),
        (_changed(top_logprobs=None), "no top_logprobs"),
        (_changed(top_logprobs=[]), "no top_logprobs"),
        (_changed(top_logprobs=["good"]), "expected a token and its logprob"),
        (_changed(top_logprobs=[{"token": "good"}]), "expected a token and its logprob"),
        (_changed(top_logprobs=[{"token": "good", "logprob": True}]), "expected a token and its logprob"),
        (_changed(top_logprobs=[{"token": "good", "logprob": "-1"}]), "expected a token and its logprob"),
        (_changed(top_logprobs=[{"token": "good", "logprob": math.nan}]), "expected at most 0"),
        (_changed(top_logprobs=[{"token": "good", "logprob": 0.5}]), "expected at most 0"),
        (_changed(top_logprobs=[{"token": "good", "logprob": 10**400}]), "expected at most 0"),
        (
            _changed(top_logprobs=[{"token": "good", "logprob": -0.1}, {"token": "bad", "logprob": -0.1}]),
            "sum to",
        ),
        (completion([("!", 1.0)]), "no word in it"),
    ],
)
def test_what_is_not_an_answer_with_logprobs_is_refused_with_the_reason(told: object, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason) as caught:
        word_distribution(told, LEVELS, MIN)
    assert caught.value.malformed
    assert len(str(caught.value)) < 300


@given(st.lists(st.floats(1e-6, 1), min_size=5, max_size=5), st.integers(1, 20), st.floats(0, 0.5))
def test_the_result_is_a_distribution_that_keeps_the_ratios_of_what_was_reported(
    weights: list[float], limit: int, other: float
) -> None:
    p = np.array(weights) / sum(weights) * (1 - other)
    told = completion([*zip(LEVELS, p, strict=True), ("The", max(other, 1e-9))], limit=limit)
    try:
        got = word_distribution(told, LEVELS, MIN)
    except AnswerError:
        assert limit < 6  # the words may be cut off, never when all are listed
        return
    assert got.min() >= 0 and abs(got.sum() - 1) < 1e-9
    if limit >= 6:
        np.testing.assert_allclose(got, p / p.sum(), atol=1e-7)
    else:
        listed = [i for i in range(5) if p[i] > sorted([*p, other])[-limit - 1]] if limit < 6 else []
        for i in listed:
            for j in range(5):
                if j not in listed:
                    assert got[j] <= got[i] + 1e-9  # what was not listed is less probable than what was
