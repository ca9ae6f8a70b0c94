"""The pool of endpoints against servers on loopback that misbehave: who is asked, when, and what comes of
it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from email.utils import formatdate
from typing import Any

import numpy as np
import pytest
from rude_server import Manner, RudeServer, after, completion, cut, drip, level_tokens, polite, says

from leaf_edge.teacher.endpoint_health import EndpointStatistics, RetryOptions
from leaf_edge.teacher.endpoint_http import EndpointOptions
from leaf_edge.teacher.endpoints import EndpointPool, EndpointsRefusedError, Request
from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.loop_thread import LoopThread
from leaf_edge.teacher.openai_answers import word_distribution
from leaf_edge.teacher.openai_messages import ImageEncoding, messages

pytest.importorskip("httpx", reason="needs httpx (leaf-edge[train])")

WORDS = ("excellent", "good", "fair", "poor", "bad")
QUICK = RetryOptions(backoff=0.05, backoff_max=0.2, probe_pause=0.2, probe_pause_max=0.4, patience=20)
ENOUGH = 20.0  # seconds: a timeout that a loaded machine does not meet
URL = ImageEncoding().data_url(np.full((32, 32, 3), 100, np.uint8))


def _body(model: str) -> dict[str, Any]:
    return {"model": model, "messages": messages([URL], "?"), "logprobs": True, "top_logprobs": 20}


REQUEST = Request(body=_body, read=lambda told: word_distribution(told, WORDS, 0.05).round(9).tolist())
EXPECTED = [round(0.9 * 100 / 255, 9), 0.04, 0.03, 0.03, round(0.9 * 155 / 255, 9)]


class Pool:
    """A pool in its own thread."""

    def __init__(self, options: list[EndpointOptions], retry: RetryOptions) -> None:
        async def make() -> EndpointPool:
            return EndpointPool(options, retry, REQUEST, [""] * len(options))

        self.thread = LoopThread("test")
        self.pool = self.thread.submit(make()).result()

    def send(self, count: int = 1) -> list[Future[Any]]:
        return [self.thread.submit(self.pool.ask(REQUEST)) for _ in range(count)]

    def ask(self, count: int = 1) -> list[Any]:
        return [future.result(60) for future in self.send(count)]

    @property
    def statistics(self) -> list[EndpointStatistics]:
        return self.pool.statistics()


Make = Callable[..., Pool]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Pool] = []

    def make(
        *servers: RudeServer | str,
        retry: RetryOptions = QUICK,
        concurrency: int = 4,
        timeouts: tuple[float, ...] = (),
    ) -> Pool:
        urls = [server if isinstance(server, str) else server.url for server in servers]
        times = timeouts or (ENOUGH,) * len(urls)
        options = [
            EndpointOptions(url, "m", concurrency=concurrency, timeout=timeout)
            for url, timeout in zip(urls, times, strict=True)
        ]
        made.append(Pool(options, retry))
        return made[-1]

    yield make
    for pool in made:
        pool.thread.close(pool.pool.close())


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RudeServer]]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    servers: list[RudeServer] = []

    def serve(manner: Manner = polite, *script: Manner) -> RudeServer:
        servers.append(RudeServer(manner))
        servers[-1].script.extend(script)
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


Serve = Callable[..., RudeServer]


@pytest.mark.parametrize(
    "manner",
    [
        cut,
        says(500, {"error": {"message": "out of memory"}}),
        says(502, "<html>bad gateway</html>", content_type="text/html"),
        says(503, "starting"),
        says(429, {"error": "slow down"}, retry_after="0.1"),
        says(200, "not { json"),
        says(200, "[" * 100_000),
        says(200, b"\xff\xfe\x00"),
        says(200, ""),
        says(200, "<html>log in</html>", content_type="text/html"),
        says(200, {"choices": [{"message": {"content": "good"}}]}),
        says(200, {**completion([("bad", 1.0)]), "padding": "x" * (2 << 20)}),
    ],
    ids=[
        "cut",
        "500",
        "502",
        "503",
        "429",
        "nonsense",
        "nested",
        "binary",
        "empty",
        "html",
        "no-logprobs",
        "huge",
    ],
)
def test_a_fault_of_the_moment_is_got_over(serve: Serve, make: Make, manner: Manner) -> None:
    server = serve(polite, manner, manner)
    assert make(server).ask() == [EXPECTED]
    assert len(server.seen) == 3


@pytest.mark.parametrize("manner", [after(ENOUGH), drip], ids=["slow", "drip"])
def test_what_is_slower_than_the_timeout_goes_to_the_other_endpoint(
    serve: Serve, make: Make, manner: Manner
) -> None:
    slow, quick = serve(manner), serve()
    pool = make(slow, quick, timeouts=(0.3, ENOUGH), retry=RetryOptions(failures_in_a_row=1, probe_pause=60))
    started = time.monotonic()
    assert pool.ask(6) == [EXPECTED] * 6
    assert time.monotonic() - started < ENOUGH / 2
    assert 1 <= len(slow.seen) <= 4 and len(quick.seen) == 6
    assert pool.statistics[0].state == "aside"
    assert "no answer within 0.3 s" in pool.statistics[0].message


def test_a_failed_request_is_tried_elsewhere_before_it_is_tried_again(serve: Serve, make: Make) -> None:
    bad, good = serve(says(500, "broken")), serve()
    pool = make(bad, good, retry=RetryOptions(backoff=60, backoff_max=60, failures_in_a_row=100))
    started = time.monotonic()
    assert pool.ask(8) == [EXPECTED] * 8
    assert time.monotonic() - started < 20  # nothing backed off
    assert len(good.seen) == 8
    assert pool.statistics[1].retries == len(bad.seen) >= 1


def test_retry_after_in_seconds_is_waited_for(serve: Serve, make: Make) -> None:
    server = serve(polite, says(429, {"error": {"message": "slow down"}}, retry_after="1"))
    pool = make(server, concurrency=1)
    assert pool.ask(3) == [EXPECTED] * 3
    times = [seen.at for seen in server.seen]
    assert len(times) == 4 and times[1] - times[0] >= 1.0
    assert times[3] - times[1] < 10
    assert pool.statistics[0].limited == 1 and pool.statistics[0].failures == 0


def test_retry_after_as_a_date_is_waited_for_with_status_503_too(serve: Serve, make: Make) -> None:
    date = int(time.time()) + 2
    server = serve(polite, says(503, "loading", retry_after=formatdate(date, usegmt=True)))
    assert make(server, concurrency=1).ask(2) == [EXPECTED] * 2
    assert len(server.seen) == 3 and all(seen.wall >= date for seen in server.seen[1:])


def test_an_endpoint_that_asks_to_wait_gets_nothing_while_the_other_works_on(
    serve: Serve, make: Make
) -> None:
    limited = serve(polite, *[says(429, "wait", retry_after="30")] * 4)
    other = serve()
    pool = make(limited, other, concurrency=1)
    assert pool.ask(12) == [EXPECTED] * 12
    assert len(limited.seen) == 1 and len(other.seen) == 12
    assert pool.statistics[0].state == "limited"


def test_no_endpoint_has_more_requests_than_its_bound(serve: Serve, make: Make) -> None:
    servers = [serve(after(0.03)), serve(after(0.03))]
    pool = make(*servers, concurrency=3)
    assert pool.ask(40) == [EXPECTED] * 40
    assert [server.most_busy for server in servers] == [3, 3]


def test_two_endpoints_share_the_load_by_their_speed(serve: Serve, make: Make) -> None:
    slow, quick = serve(after(0.2)), serve(after(0.02))
    assert make(slow, quick, concurrency=2).ask(40) == [EXPECTED] * 40
    assert len(slow.seen) + len(quick.seen) == 40
    assert 2 <= len(slow.seen) < len(quick.seen)


def test_a_dead_endpoint_is_put_aside_and_used_again_when_it_comes_back(serve: Serve, make: Make) -> None:
    dying, other = serve(), serve()
    pool = make(dying, other)
    assert pool.ask(8) == [EXPECTED] * 8
    dying.stop()
    assert pool.ask(12) == [EXPECTED] * 12
    deadline = time.monotonic() + 20
    while pool.statistics[0].state != "aside" and time.monotonic() < deadline:
        pool.ask(4)
    assert pool.statistics[0].state == "aside"
    requests = pool.statistics[0].requests
    pool.ask(30)
    assert pool.statistics[0].requests - requests <= 10  # probes, not the half of 30 that would be its share
    before = len(dying.seen)
    dying.start()
    while pool.statistics[0].state != "ready" and time.monotonic() < deadline:
        pool.ask(4)
        time.sleep(0.05)
    assert pool.ask(16) == [EXPECTED] * 16
    assert len(dying.seen) - before >= 4


def test_requests_wait_while_the_only_endpoint_restarts(serve: Serve, make: Make) -> None:
    server = serve()
    pool = make(server)
    server.stop()
    waiting = pool.send(10)
    time.sleep(0.6)
    assert not any(future.done() for future in waiting)
    server.start()
    assert [future.result(30) for future in waiting] == [EXPECTED] * 10


def test_when_all_are_down_for_longer_than_the_patience_it_is_a_transient_failure(
    serve: Serve, make: Make
) -> None:
    servers = [serve(), serve()]
    for server in servers:
        server.stop()
    retry = RetryOptions(
        tries=1000, failures_in_a_row=1, probe_pause=0.1, probe_pause_max=60, patience=0.5, backoff=0
    )
    pool = make(*servers, retry=retry)
    started = time.monotonic()
    results = pool.ask(20)
    assert 0.4 < time.monotonic() - started < 20
    assert all(isinstance(result, Failure) and result.transient for result in results)
    assert "no endpoint was ready for 0.5 s" in results[-1].reason and servers[0].url in results[-1].reason


def test_a_request_that_never_gets_an_answer_ends_as_a_transient_failure(serve: Serve, make: Make) -> None:
    server = serve(cut)
    retry = RetryOptions(tries=4, failures_in_a_row=1000, backoff=0.01, backoff_max=0.02)
    [result] = make(server, retry=retry).ask()
    assert isinstance(result, Failure) and result.transient and "in 4 tries" in result.reason
    assert len(server.seen) == 4


def test_a_picture_on_which_every_server_fails_keeps_no_server_aside(serve: Serve, make: Make) -> None:
    def crashes(server: RudeServer, handler: Any, seen: Any) -> None:
        (cut if seen.question == "poison" else polite)(server, handler, seen)

    poison = Request(lambda model: {**_body(model), "messages": messages([URL], "poison")}, REQUEST.read)
    retry = RetryOptions(tries=6, failures_in_a_row=2, probe_pause=60, backoff=0.02, backoff_max=0.05)
    made = make(serve(crashes), serve(crashes), retry=retry)
    bad = [made.thread.submit(made.pool.ask(poison)) for _ in range(6)]
    started = time.monotonic()
    assert made.ask(10) == [EXPECTED] * 10
    for future in bad:
        result = future.result(30)
        assert isinstance(result, Failure) and "in 6 tries" in result.reason
    assert time.monotonic() - started < 20
    assert made.ask(2) == [EXPECTED] * 2


def test_an_endpoint_without_logprobs_stays_aside_while_the_other_works(serve: Serve, make: Make) -> None:
    without = serve(says(200, {"choices": [{"message": {"content": "good"}}]}))
    pool = make(without, serve(), retry=RetryOptions(failures_in_a_row=2, probe_pause=60))
    assert pool.ask(30) == [EXPECTED] * 30
    assert pool.statistics[0].state == "aside" and "no logprobs" in pool.statistics[0].message
    assert len(without.seen) <= 6


def test_endless_wishes_to_wait_end_as_a_transient_failure(serve: Serve, make: Make) -> None:
    server = serve(says(429, "quota", retry_after="0.1"))
    [result] = make(server, retry=RetryOptions(patience=0.5)).ask()
    assert isinstance(result, Failure) and result.transient and "quota" in result.reason
    assert 2 <= len(server.seen) <= 7


def test_an_unusable_answer_is_a_permanent_failure_after_tries_on_different_endpoints(
    serve: Serve, make: Make
) -> None:
    servers = [serve(says(200, completion([("I", 0.9), ("The", 0.1)]))) for _ in range(3)]
    [result] = make(*servers).ask()
    assert isinstance(result, Failure) and not result.transient
    assert "'I' 0.90" in result.reason and "in 3 tries" in result.reason
    assert [len(server.seen) for server in servers] == [1, 1, 1]


@pytest.mark.parametrize(
    ("status", "word"), [(400, "top_logprobs"), (401, "key"), (404, "model"), (405, "method")]
)
def test_one_misconfigured_endpoint_is_put_aside_at_once_with_what_it_said(
    serve: Serve, make: Make, status: int, word: str
) -> None:
    wrong, right = serve(says(status, {"error": {"message": f"wrong {word}"}})), serve()
    pool = make(wrong, right, concurrency=1)
    assert pool.ask(10) == [EXPECTED] * 10
    # a 400 may be the picture's fault: one neutral question settled that
    assert len(wrong.seen) == (2 if status == 400 else 1)
    assert pool.statistics[0].state == "refused"
    assert pool.statistics[0].message == f"status {status}: wrong {word}"


def test_when_every_endpoint_refuses_one_error_says_what_each_said(serve: Serve, make: Make) -> None:
    servers = [serve(says(404, {"message": "no model m"})), serve(says(401, {"detail": "no key"}))]
    for future in make(*servers).send(20):
        with pytest.raises(EndpointsRefusedError, match=r"check address, model name.*no model m.*no key"):
            future.result(30)


def test_a_redirect_is_a_wrong_address(serve: Serve, make: Make) -> None:
    server = serve(says(302, "", location="http://127.0.0.1:9/"))
    with pytest.raises(EndpointsRefusedError, match="status 302"):
        make(server).ask()


def test_a_400_for_one_picture_is_that_pictures_failure_even_if_it_is_the_first(
    serve: Serve, make: Make
) -> None:
    # the neutral question is polite, so the endpoint's settings are right
    server = serve(
        polite, says(400, {"error": {"message": "too small"}}), polite, *[says(400, "too small")] * 2
    )
    pool = make(server, concurrency=1)
    [result] = pool.ask()
    assert isinstance(result, Failure) and not result.transient and "too small" in result.reason
    assert pool.ask(3) == [EXPECTED] * 3


def test_a_key_that_stops_working_is_a_pause_not_the_end(serve: Serve, make: Make) -> None:
    server = serve()
    pool = make(server, concurrency=1)
    assert pool.ask() == [EXPECTED]
    server.script.append(says(401, "expired"))
    assert pool.ask(2) == [EXPECTED] * 2
    assert pool.statistics[0].state == "ready" and pool.statistics[0].message == "status 401: expired"


def test_statistics_count_what_the_server_saw(serve: Serve, make: Make) -> None:
    server = serve(after(0.05), says(500, "x"))
    pool = make(server, concurrency=2)
    pool.ask(5)
    [told] = pool.statistics
    assert (told.url, told.state, told.requests, told.answers) == (server.url, "ready", 6, 5)
    assert (told.failures, told.retries, told.limited) == (1, 1, 0)
    assert told.mean_seconds >= 0.05


def test_cancelled_requests_give_their_slots_back(serve: Serve, make: Make) -> None:
    server = serve(after(ENOUGH))
    pool = make(server, concurrency=2)
    waiting = pool.send(6)
    deadline = time.monotonic() + 10
    while server.busy < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    for future in waiting:
        future.cancel()
    server.manner = polite
    assert pool.ask(6) == [EXPECTED] * 6


def test_a_request_that_is_cancelled_as_its_slot_comes_free_gives_the_slot_back(
    serve: Serve, make: Make
) -> None:
    made = make(serve(), concurrency=1)
    queue = made.pool._queue

    async def scenario() -> int:
        held = await queue.take(set())
        assert not isinstance(held, Failure)
        waiting = asyncio.ensure_future(queue.take(set()))
        await asyncio.sleep(0)
        queue.give_back(held)  # the slot is given to `waiting`, which has not run since
        assert held.in_flight == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return held.in_flight

    assert made.thread.submit(scenario()).result(10) == 0
    assert made.ask(2) == [EXPECTED] * 2


def test_what_is_expected_here_is_what_the_server_holds() -> None:
    tokens = dict(level_tokens(100))
    assert [round(tokens[t], 9) for t in (" excellent", " Good", "fair", "Poor", "bad")] == EXPECTED
