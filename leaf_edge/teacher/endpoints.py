"""Requests spread over any number of endpoints: bounded concurrency, retries, dead endpoints put aside.

`EndpointPool` lives in one event loop (loop_thread.py gives it one of its own). A request that every ready
endpoint has failed backs off and may then go anywhere again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from leaf_edge.teacher.endpoint_health import EndpointHealth, EndpointStatistics, RetryOptions
from leaf_edge.teacher.endpoint_http import (
    Answered,
    Broken,
    Busy,
    EndpointHttp,
    EndpointOptions,
    Malformed,
    Outcome,
    Refused,
)
from leaf_edge.teacher.endpoint_queue import EndpointQueue, EndpointsRefusedError
from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.openai_answers import AnswerError

T = TypeVar("T")

__all__ = ["EndpointPool", "EndpointsRefusedError", "Request"]


@dataclass(frozen=True)
class Request(Generic[T]):
    """body: makes the JSON body for a model name (late, so that a queue of pictures costs no copies). read:
    turns the decoded answer into the result; raises AnswerError."""

    body: Callable[[str], dict[str, Any]]
    read: Callable[[object], T]


class _Endpoint(EndpointHealth):
    """An endpoint with its connections."""

    def __init__(self, options: EndpointOptions, key: str, retry: RetryOptions, rng: random.Random) -> None:
        super().__init__(options.url, options.concurrency, retry, rng)
        self.model = options.model
        self.http = EndpointHttp(options, key)
        self.first_refusal = asyncio.Lock()


class EndpointPool:
    """Asks endpoints. Everything here runs in the event loop in which it was made.

    neutral: a request that any endpoint with right settings answers. It tells whether one that is aside is
    alive again, and, when one that has not answered yet refuses a request, whether its settings or that one
    picture is at fault.
    """

    def __init__(
        self,
        options: Sequence[EndpointOptions],
        retry: RetryOptions,
        neutral: Request[Any],
        keys: Sequence[str],
    ) -> None:
        self._retry = retry
        self._neutral = neutral
        self._rng = random.Random(retry.seed)
        self._loop = asyncio.get_running_loop()
        self._endpoints = [_Endpoint(o, key, retry, self._rng) for o, key in zip(options, keys, strict=True)]
        self._queue = EndpointQueue(self._endpoints, retry.patience, self._start_probe)
        self._probes: set[asyncio.Task[None]] = set()

    async def ask(self, request: Request[T]) -> T | Failure:
        """The result of a request, or why there is none. Raises EndpointsRefusedError."""
        broken = unusable = rounds = 0
        busy_since: float | None = None
        avoid: set[_Endpoint] = set()
        last: _Endpoint | None = None
        while True:
            endpoint = await self._queue.take(avoid)
            if isinstance(endpoint, Failure):
                return endpoint
            try:
                result = await self._send(endpoint, request, retry=last is not None)
            finally:
                self._queue.give_back(endpoint)
            last = endpoint
            reason = f"{endpoint.url}: {getattr(result, 'reason', '')}"
            if isinstance(result, Broken):
                broken += 1
                if broken >= self._retry.tries:
                    return Failure(f"no answer in {broken} tries; the last: {reason}", transient=True)
            elif isinstance(result, Malformed):
                unusable += 1
                if unusable >= self._retry.answer_tries:
                    return Failure(f"no usable answer in {unusable} tries; the last: {reason}")
            elif isinstance(result, Busy):
                now = self._loop.time()
                busy_since = now if busy_since is None else busy_since
                if now - busy_since >= self._retry.patience:
                    return Failure(
                        f"asked to wait for {now - busy_since:.0f} s; the last: {reason}", transient=True
                    )
                continue  # the endpoint's pause is the wait
            elif isinstance(result, Refused):
                continue
            else:
                return result
            avoid.add(endpoint)
            if not any(e.ready(self._loop.time()) and e not in avoid for e in self._endpoints):
                avoid = {endpoint} if len(self._endpoints) > 1 else set()
                pause = self._retry.pause(self._retry.backoff, self._retry.backoff_max, rounds, self._rng)
                rounds += 1
                await asyncio.sleep(pause)

    async def _send(
        self, endpoint: _Endpoint, request: Request[T], *, retry: bool
    ) -> T | Broken | Malformed | Busy | Refused:
        """One attempt, entered into the endpoint's health."""
        generation = endpoint.generation
        endpoint.sent(retry)
        started = self._loop.time()
        outcome: Outcome = await endpoint.http.post(request.body(endpoint.model))
        now = self._loop.time()
        if isinstance(outcome, Answered):
            try:
                result = request.read(outcome.body)
            except AnswerError as error:
                outcome = Malformed(endpoint.http.clean(str(error)))
                if not error.malformed:  # the server did its part; the picture or the prompt is at fault
                    endpoint.answered(now - started)
                    return outcome
            else:
                endpoint.answered(now - started)
                return result
        if isinstance(outcome, Malformed | Broken):
            endpoint.failed(now, generation, outcome.reason)
        elif isinstance(outcome, Busy):
            endpoint.asked_to_wait(now, outcome.reason, outcome.seconds)
        else:
            return await self._refusal(endpoint, outcome, generation)
        return outcome

    async def _refusal(
        self, endpoint: _Endpoint, outcome: Refused, generation: int
    ) -> Malformed | Broken | Refused:
        """Whose fault a refusal is: of this request, of the moment, or of the endpoint's settings."""
        async with endpoint.first_refusal:
            if endpoint.refusal is not None:
                return outcome
            if outcome.request and not endpoint.answers:
                neutral = await endpoint.http.post(self._neutral.body(endpoint.model))
                if isinstance(neutral, Answered):
                    endpoint.answered(0.0)
                elif not isinstance(neutral, Refused):
                    endpoint.failed(self._loop.time(), generation, neutral.reason)
                    return Broken(neutral.reason)
            if outcome.request and endpoint.answers:
                return Malformed(outcome.reason)
            if endpoint.answers:
                endpoint.failed(self._loop.time(), generation, outcome.reason, at_once=True)
                return Broken(outcome.reason)
            endpoint.refused(outcome.reason)
            return outcome

    def _start_probe(self, endpoint: _Endpoint) -> None:
        probe = self._loop.create_task(self._probe(endpoint))
        self._probes.add(probe)  # the loop itself keeps no task alive
        probe.add_done_callback(self._probes.discard)

    async def _probe(self, endpoint: _Endpoint) -> None:
        """A neutral question to an endpoint that is aside, in a slot that was taken for it."""
        try:
            generation = endpoint.generation
            result = await self._send(endpoint, self._neutral, retry=False)
            if isinstance(result, Malformed) and not endpoint.alive and endpoint.generation == generation:
                endpoint.failed(self._loop.time(), generation, result.reason)  # a refusal, not counted so far
        finally:
            endpoint.probing = False
            self._queue.give_back(endpoint)

    def statistics(self) -> list[EndpointStatistics]:
        """Of each endpoint, in the order given."""
        return [endpoint.statistics(self._loop.time()) for endpoint in self._endpoints]

    async def close(self) -> None:
        """Closes all connections."""
        self._queue.close()
        for endpoint in self._endpoints:
            await endpoint.http.close()
