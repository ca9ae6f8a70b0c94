"""When an endpoint may be asked: its pauses, its failures in a row, and what it has done so far.

    ready --- asked to wait (Retry-After) ---> limited --- time is over ---> ready
    ready --- K failures in a row ---> aside --- a probe is answered ---> ready
                                       aside --- it is not ---> aside, the next probe after twice the time
    ready --- refusal of an endpoint that never answered ---> refused, for good

A probe is a neutral question, sent at once when the endpoint is put aside and after each pause: pictures on
which a server fails (and their retries) then neither keep a living one aside nor wait for a dead one.

A refusal (a wrong key, an unknown model) of an endpoint that did answer before is a pause at once, not the
end: keys and addresses come back in a long run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryOptions:
    """How much is tried. Times in seconds.

    tries: attempts at one request that get no answer, before it is a transient failure. answer_tries:
    unusable answers to one request, on different endpoints where there are some, before it is a permanent
    one. backoff, backoff_max: first and greatest pause of a request that has been tried everywhere; it
    doubles, and a random half is taken off. failures_in_a_row: of an endpoint, to be put aside.
    probe_pause, probe_pause_max: first and greatest time aside. patience: how long requests wait while no
    endpoint is ready. seed: of the random part.
    """

    tries: int = 6
    answer_tries: int = 3
    backoff: float = 0.5
    backoff_max: float = 30.0
    failures_in_a_row: int = 3
    probe_pause: float = 5.0
    probe_pause_max: float = 300.0
    patience: float = 300.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("tries", "answer_tries", "failures_in_a_row"):
            if not 1 <= getattr(self, name) <= 1000:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 to 1000")
        for name in ("backoff", "backoff_max", "probe_pause", "probe_pause_max", "patience"):
            if not 0 <= getattr(self, name) <= 86400:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 to 86400 seconds")

    def pause(self, first: float, greatest: float, round_: int, rng: random.Random) -> float:
        """Seconds of the `round_`-th pause (from 0): doubled each time, the upper half of it random."""
        return min(greatest, first * 2.0 ** min(round_, 60)) * rng.uniform(0.5, 1.0)


@dataclass(frozen=True)
class EndpointStatistics:
    """What an endpoint did. state: ready, limited, aside or refused. requests: sent, of which `retries` had
    been tried before. failures: no answer or an unusable one. limited: answers that asked to wait.
    mean_seconds: of the requests that were answered; 0 before the first. message: of the last failure."""

    url: str
    state: str
    requests: int
    answers: int
    failures: int
    limited: int
    retries: int
    mean_seconds: float
    message: str


class EndpointHealth:
    """The state of one endpoint. Times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, url: str, concurrency: int, retry: RetryOptions, rng: random.Random) -> None:
        self.url = url
        self.concurrency = concurrency
        self.in_flight = 0
        self.probing = False
        self.answers = 0
        self.refusal: str | None = None
        self.message = ""
        self.generation = 0
        """Raised when the endpoint is put aside: what was sent before says nothing about the time after."""
        self._retry = retry
        self._rng = rng
        self._in_a_row = 0
        self._pauses = 0
        self._limits = 0
        self._aside = False
        self._until = 0.0
        self._requests = self._retries = self._failures = self._limited = 0
        self._seconds = 0.0

    def ready(self, now: float) -> bool:
        """Whether it takes requests, as far as is known."""
        return self.alive and now >= self._until

    @property
    def alive(self) -> bool:
        """Neither aside nor refused; it may be asked to wait."""
        return self.refusal is None and not self._aside

    def free(self, now: float) -> int:
        """Requests that may be sent now."""
        return max(0, self.concurrency - self.in_flight) if self.ready(now) else 0

    def probe_due(self, now: float) -> bool:
        """Whether it is aside, its pause is over and a slot is free for a probe."""
        due = self._aside and self.refusal is None and now >= self._until
        return due and not self.probing and self.in_flight < self.concurrency

    def wakes(self, now: float) -> float | None:
        """When its pause ends; None when it has none."""
        return self._until if self.refusal is None and self._until > now else None

    def state(self, now: float) -> str:
        """`ready`, `limited`, `aside` or `refused`."""
        if self.refusal is not None:
            return "refused"
        return "aside" if self._aside else ("ready" if now >= self._until else "limited")

    def sent(self, retry: bool) -> None:
        """A request went out."""
        self._requests += 1
        self._retries += retry

    def answered(self, seconds: float) -> None:
        """A good answer came: whatever was held against the endpoint is over."""
        self.answers += 1
        self._seconds += seconds
        self._in_a_row = self._pauses = self._limits = 0
        if self._aside:
            self._aside = False
            self._until = 0.0

    def failed(self, now: float, generation: int, reason: str, *, at_once: bool = False) -> None:
        """No answer, or a malformed one, to a request of `generation`. at_once: aside without a count."""
        self._failures += 1
        self.message = reason
        if generation != self.generation:
            return
        self._in_a_row += 1
        if at_once or self._aside or self._in_a_row >= self._retry.failures_in_a_row:
            pause = 0.0  # the first probe tells whether the endpoint or what it was asked is at fault
            if self._pauses:
                first, greatest = self._retry.probe_pause, self._retry.probe_pause_max
                pause = self._retry.pause(first, greatest, self._pauses - 1, self._rng)
            self._aside = True
            self._until = max(self._until, now + pause)
            self._pauses += 1
            self._in_a_row = 0
            self.generation += 1

    def asked_to_wait(self, now: float, reason: str, seconds: float | None) -> None:
        """The server is alive and wants a pause: of `seconds`, or of our own choice."""
        self._limited += 1
        self.message = reason
        if seconds is None and now < self._until:
            seconds = 0.0  # of requests that came back together, the first set the pause
        elif seconds is None:
            seconds = self._retry.pause(self._retry.backoff, self._retry.backoff_max, self._limits, self._rng)
            self._limits += 1
        self._aside = False
        self._in_a_row = 0
        self._until = max(self._until, now + seconds)

    def refused(self, message: str) -> None:
        """It will not answer with these settings."""
        self._failures += 1
        self.message = self.refusal = message

    def statistics(self, now: float) -> EndpointStatistics:
        """Counts so far."""
        return EndpointStatistics(
            url=self.url,
            state=self.state(now),
            requests=self._requests,
            answers=self.answers,
            failures=self._failures,
            limited=self._limited,
            retries=self._retries,
            mean_seconds=self._seconds / self.answers if self.answers else 0.0,
            message=self.message,
        )
