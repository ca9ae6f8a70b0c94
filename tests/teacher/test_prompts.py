"""The questions and their version."""

from __future__ import annotations

import importlib

import pytest

from leaf_edge.contract import LEVELS
from leaf_edge.teacher import prompts


def test_every_point_wording_names_all_levels_and_every_pair_wording_both_answers() -> None:
    for wording in prompts.POINT_WORDINGS:
        assert all(level in wording for level in LEVELS), wording
    for wording in prompts.PAIR_WORDINGS:
        assert all(answer in wording for answer in prompts.PAIR_ANSWERS), wording


def test_wordings_differ_and_hold_no_braces_that_a_formatter_would_eat() -> None:
    texts = (*prompts.POINT_WORDINGS, *prompts.PAIR_WORDINGS, prompts.SYSTEM)
    assert len(set(texts)) == len(texts)
    assert not any(c in text for text in texts for c in "{}<>")


@pytest.mark.parametrize("name", ["SYSTEM", "POINT_WORDINGS", "PAIR_WORDINGS", "LEVELS", "REVISION"])
def test_the_version_changes_with_every_text_and_is_stable_otherwise(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert importlib.import_module("leaf_edge.teacher.prompts")._version() == prompts.PROMPT_VERSION
    value = getattr(prompts, name)
    changed = value + 1 if isinstance(value, int) else value[:-1]
    monkeypatch.setattr(prompts, name, changed)
    assert prompts._version() != prompts.PROMPT_VERSION


def test_too_many_wordings_are_refused_with_the_number_there_is() -> None:
    assert prompts.point_wordings(2) == prompts.POINT_WORDINGS[:2]
    with pytest.raises(ValueError, match="expected 1 to 3"):
        prompts.point_wordings(4)
    with pytest.raises(ValueError, match="wordings is 0"):
        prompts.pair_wordings(0)
