"""Who gets a free slot of which endpoint, and how long a request waits for one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from leaf_edge.teacher.endpoint_health import EndpointHealth
from leaf_edge.teacher.interface import Failure

E = TypeVar("E", bound=EndpointHealth)


class EndpointsRefusedError(ConnectionError):
    """Every endpoint refuses: keys, addresses, model names or parameters are wrong. The message has all
    answers."""


@dataclass
class _Waiter(Generic[E]):
    avoid: set[E]
    since: float
    place: asyncio.Future[E | Failure] = field(repr=False)


class EndpointQueue(Generic[E]):
    """First come, first served; a request goes to an endpoint with a free slot that has not failed it yet,
    the least loaded first. All of it runs in the event loop in which it was made.

    patience: seconds that a request waits while no endpoint is ready. probe: starts a probe of an endpoint
    that is aside, in a slot that is taken for it; it clears `probing` and gives the slot back.
    """

    def __init__(self, endpoints: Sequence[E], patience: float, probe: Callable[[E], None]) -> None:
        self._endpoints = endpoints
        self._patience = patience
        self._probe = probe
        self._loop = asyncio.get_running_loop()
        self._waiters: deque[_Waiter[E]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._down_since: float | None = None

    async def take(self, avoid: set[E]) -> E | Failure:
        """Waits for a slot, which goes back by `give_back`. avoid: endpoints that failed this request.

        Raises EndpointsRefusedError; a Failure says that none was ready for too long."""
        while True:
            future: asyncio.Future[E | Failure] = self._loop.create_future()
            waiter = _Waiter(avoid, self._loop.time(), future)
            self._waiters.append(waiter)
            self.dispatch()
            try:
                place = await waiter.place
            except asyncio.CancelledError:
                if waiter.place.done() and not waiter.place.cancelled() and waiter.place.exception() is None:
                    given = waiter.place.result()
                    if not isinstance(given, Failure):
                        self.give_back(given)
                raise
            if isinstance(place, Failure):
                return place
            if place.ready(self._loop.time()):
                return place
            place.in_flight -= 1  # it was put to rest between the choice and now

    def give_back(self, endpoint: E) -> None:
        """A slot is free again."""
        endpoint.in_flight -= 1
        self.dispatch()

    def dispatch(self) -> None:
        """Gives free slots to those who wait, and ends the wait of those for whom nothing will come."""
        now = self._loop.time()
        if any(endpoint.ready(now) for endpoint in self._endpoints):
            self._down_since = None
        elif self._down_since is None:
            self._down_since = now
        for endpoint in self._endpoints:
            if endpoint.probe_due(now):
                endpoint.probing = True
                endpoint.in_flight += 1
                self._probe(endpoint)
        refused = all(endpoint.refusal is not None for endpoint in self._endpoints)
        kept: deque[_Waiter[E]] = deque()
        while self._waiters:
            if not refused and self._down_since is None and not any(e.free(now) for e in self._endpoints):
                break
            waiter = self._waiters.popleft()
            if waiter.place.done():
                continue
            if refused:
                waiter.place.set_exception(EndpointsRefusedError(self._refusals()))
                continue
            chosen = self._choose(waiter.avoid, now)
            if chosen is not None:
                chosen.in_flight += 1
                waiter.place.set_result(chosen)
            elif self._expires(waiter) <= now:
                waiter.place.set_result(Failure(self._down_reason(now), transient=True))
            else:
                kept.append(waiter)
        self._waiters.extendleft(reversed(kept))
        self._wake(now)

    def _choose(self, avoid: set[E], now: float) -> E | None:
        free = [endpoint for endpoint in self._endpoints if endpoint.free(now) > 0]
        fresh = [endpoint for endpoint in free if endpoint not in avoid]
        if not fresh and any(e.ready(now) and e not in avoid for e in self._endpoints):
            return None  # busy, but better than one that failed this request
        return min(fresh or free, key=lambda e: e.in_flight / e.concurrency, default=None)

    def _expires(self, waiter: _Waiter[E]) -> float:
        """When a request stops waiting; never while an endpoint is ready."""
        if self._down_since is None:
            return float("inf")
        return max(waiter.since, self._down_since) + self._patience

    def _wake(self, now: float) -> None:
        """Looks again when the next pause ends or the next wait is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiters:
            return
        times = [at for endpoint in self._endpoints if (at := endpoint.wakes(now)) is not None]
        if self._down_since is not None:
            times.append(min(self._expires(waiter) for waiter in self._waiters))
        if times:
            self._timer = self._loop.call_at(min(times) + 1e-3, self.dispatch)

    def _refusals(self) -> str:
        lines = "; ".join(f"{endpoint.url}: {endpoint.refusal}" for endpoint in self._endpoints)
        return f"no endpoint accepts requests; check address, model name, API key and options. {lines}"

    def _down_reason(self, now: float) -> str:
        lines = "; ".join(f"{e.url} is {e.state(now)} ({e.message or 'no message'})" for e in self._endpoints)
        return f"no endpoint was ready for {self._patience:g} s: {lines}"

    def close(self) -> None:
        """No more looks at the clock."""
        if self._timer is not None:
            self._timer.cancel()
