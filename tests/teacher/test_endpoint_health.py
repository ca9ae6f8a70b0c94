"""When an endpoint may be asked, on a clock that the test moves; headers and messages of servers."""

from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaf_edge.teacher.endpoint_health import EndpointHealth, RetryOptions
from leaf_edge.teacher.endpoint_http import MAX_WAIT, EndpointOptions, clean_message, retry_after

RETRY = RetryOptions(failures_in_a_row=3, probe_pause=10, probe_pause_max=35, backoff=1, backoff_max=3)


def _health(concurrency: int = 4) -> EndpointHealth:
    return EndpointHealth("http://a/v1", concurrency, RETRY, random.Random(1))


def _put_aside(health: EndpointHealth, now: float) -> None:
    for _ in range(3):
        health.failed(now, health.generation, "status 500")


def test_it_takes_requests_up_to_its_bound() -> None:
    health = _health()
    assert health.free(0) == 4
    health.in_flight = 3
    assert health.free(0) == 1


def test_it_is_put_aside_after_that_many_failures_in_a_row() -> None:
    health = _health()
    health.failed(0, health.generation, "x")
    health.failed(0, health.generation, "x")
    health.answered(1.0)  # the count starts anew
    health.failed(0, health.generation, "x")
    health.failed(0, health.generation, "x")
    assert health.ready(0)
    health.failed(0, health.generation, "the last")
    assert health.state(0) == "aside" and health.free(0) == 0
    assert health.statistics(0).message == "the last"


def test_a_probe_goes_out_at_once_and_after_each_pause_and_the_pauses_grow_to_a_bound() -> None:
    health = _health()
    assert not health.probe_due(0)
    _put_aside(health, 0.0)
    now, pauses = 0.0, []
    for _ in range(5):
        assert health.probe_due(now)
        health.failed(now, health.generation, "still dead")
        until = health.wakes(now)
        assert until is not None
        pauses.append(until - now)
        assert not health.probe_due(until - 0.01)
        assert health.free(until) == 0 and not health.ready(until)  # a probe, and nothing else
        now = until
    for pause, greatest in zip(pauses, (10, 20, 35, 35, 35), strict=True):
        assert greatest / 2 <= pause <= greatest
    assert len(set(pauses)) == 5  # jitter


def test_one_probe_at_a_time_and_only_in_a_free_slot() -> None:
    health = _health(concurrency=2)
    _put_aside(health, 0.0)
    health.in_flight = 2
    assert not health.probe_due(0)
    health.in_flight = 1
    assert health.probe_due(0)
    health.probing = True
    assert not health.probe_due(0)


def test_an_answer_brings_it_back_with_all_slots_and_the_first_pause() -> None:
    health = _health()
    _put_aside(health, 0.0)
    health.failed(100, health.generation, "x")
    health.answered(0.5)
    assert health.ready(100) and health.free(100) == 4
    _put_aside(health, 200)
    assert health.probe_due(200)
    health.failed(200, health.generation, "x")
    until = health.wakes(200)
    assert until is not None and 205 <= until <= 210


def test_requests_sent_before_it_was_put_aside_do_not_prolong_the_pause() -> None:
    health = _health()
    before = health.generation
    _put_aside(health, 0.0)
    health.failed(0, health.generation, "probe")
    until = health.wakes(0)
    for _ in range(20):
        health.failed(1.0, before, "late")
    assert health.wakes(1) == until


def test_a_wish_to_wait_is_kept_to_the_longest_and_is_no_failure() -> None:
    health = _health()
    health.asked_to_wait(0, "status 429", 7)
    health.asked_to_wait(0, "status 429", 5)
    assert health.state(0) == "limited" and health.free(6.9) == 0 and health.free(7) == 4
    assert health.statistics(0).failures == 0 and health.statistics(0).limited == 2


def test_without_a_stated_time_the_wait_grows_once_for_answers_that_come_together() -> None:
    health = _health()
    for _ in range(4):
        health.asked_to_wait(0, "status 429", None)
    until = health.wakes(0)
    assert until is not None and 0.5 <= until <= 1
    health.asked_to_wait(5, "status 429", None)
    until = health.wakes(5)
    assert until is not None and 6 <= until <= 7


def test_a_refused_one_never_takes_a_request() -> None:
    health = _health()
    health.refused("status 401: no")
    assert health.state(1e9) == "refused" and health.free(1e9) == 0 and health.wakes(0) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-3", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("999999999999", MAX_WAIT),
        ("9" * 400, None),
        (formatdate(1_000_007, usegmt=True), 7.0),
        (formatdate(999_000, usegmt=True), 0.0),
        (formatdate(1_000_007, usegmt=False), 7.0),
        ("Wed, 99 Foo 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 1_000_000.0) == seconds


@given(st.text())
def test_retry_after_takes_any_text(value: str) -> None:
    seconds = retry_after(value, 1_000_000.0)
    assert seconds is None or 0 <= seconds <= MAX_WAIT


def test_messages_lose_keys_pictures_and_line_breaks() -> None:
    key = "sk-proj-0123456789"
    told = f"bad key {key}\nor sk-proj-01234...: data:image/png;base64,{'iVBOR' * 50}== and {'QUJD' * 100}"
    cleaned = clean_message(told, key)
    assert cleaned == "bad key [key] or [key] [picture] and [data]"
    assert clean_message("short keys: abc-12, and not ab", "abc-12") == "short keys: [key], and not ab"
    assert len(clean_message("word " * 1000)) <= 303


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("host:8000/v1", "not a web address"),
        ("ftp://host/v1", "not a web address"),
        ("http://host:99999/v1", "not a web address"),
        ("http://", "not a web address"),
        ("http://me:secret-word@host/v1", "without user"),
        ("http://host/v1?key=secret-word", "without user"),
    ],
)
def test_addresses_that_cannot_work_are_refused_and_secrets_in_them_not_shown(
    url: str, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        EndpointOptions(url, "m")
    assert "secret" not in str(caught.value)


def test_a_key_comes_from_its_variable_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    options = EndpointOptions("http://host/v1", "m", key_env="SOME_KEY")
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ValueError, match="SOME_KEY is not set"):
        options.key()
    monkeypatch.setenv("SOME_KEY", " abc-123\n")
    assert options.key() == "abc-123"
    monkeypatch.setenv("SOME_KEY", "two words")
    with pytest.raises(ValueError, match="SOME_KEY has blanks") as caught:
        options.key()
    assert "two words" not in str(caught.value)
