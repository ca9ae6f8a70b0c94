"""The `openai` teacher: a vision-language model behind any number of OpenAI-compatible servers.

Level probabilities come from `top_logprobs` of the answer's first token (openai_answers.py), never from
sampled text. A picture is asked about once for each wording; a pair twice for each, in both orders.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import numpy as np

from leaf_edge.contract import LEVELS
from leaf_edge.extras import require
from leaf_edge.teacher import prompts
from leaf_edge.teacher.endpoint_health import EndpointStatistics
from leaf_edge.teacher.endpoints import EndpointPool, Request
from leaf_edge.teacher.interface import Failure, Picture
from leaf_edge.teacher.judgment import Floats, PairJudgment, PointJudgment
from leaf_edge.teacher.loop_thread import LoopThread
from leaf_edge.teacher.openai_answers import word_distribution
from leaf_edge.teacher.openai_messages import EncodedPictures, messages
from leaf_edge.teacher.openai_options import OpenAIOptions

_Answer = Future[Floats | Failure]


class OpenAITeacher:
    """A `Teacher` (teacher/interface.py). Connections open with the first question; `close()` or a `with`
    block ends them. Thread-safe. Not to be used across a fork after the first question.

    Raises ValueError where a named API key is not set. `points` and `pairs` raise EndpointsRefusedError (a
    ConnectionError) when every endpoint refuses key, address, model or parameters; all else that goes wrong
    is a Failure of one picture.
    """

    def __init__(self, options: OpenAIOptions) -> None:
        require("httpx", "train")
        self._options = options
        self._keys = [endpoint.key() for endpoint in options.endpoints]
        self._pictures = EncodedPictures(options.image)
        self._point_wordings = prompts.point_wordings(options.wordings)
        self._pair_wordings = prompts.pair_wordings(options.wordings)
        self._lock = threading.Lock()
        self._running: tuple[LoopThread, EndpointPool] | None = None
        self._closed = False

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> OpenAITeacher:
        """From plain values (OpenAIOptions.read)."""
        return cls(OpenAIOptions.read(options))

    @property
    def name(self) -> str:
        """`openai:MODEL`."""
        return f"openai:{self._options.model}"

    @property
    def version(self) -> str:
        """What else labels depend on: prompts, wordings, image encoding, logprobs, extra fields."""
        o = self._options
        parts = [prompts.PROMPT_VERSION, f"w{o.wordings}", o.image.version, f"top{o.top_logprobs}"]
        if o.extra_body:
            canonical = json.dumps(o.extra_body, sort_keys=True, separators=(",", ":"))
            parts.append(hashlib.sha256(canonical.encode()).hexdigest()[:8])
        return "/".join(parts)

    @property
    def batch(self) -> int:
        """Four times what the endpoints take at once, so that slots stand empty only at a batch's end."""
        return max(16, 4 * sum(endpoint.concurrency for endpoint in self._options.endpoints))

    def points(self, pictures: Sequence[Picture]) -> list[PointJudgment | Failure]:
        """A judgment of each picture, in order."""
        asked = ([((picture,), wording, LEVELS) for wording in self._point_wordings] for picture in pictures)
        return [
            group if isinstance(group, Failure) else PointJudgment.of(np.stack(group))
            for group in self._ask(asked)
        ]

    def pairs(self, pairs: Sequence[tuple[Picture, Picture]]) -> list[PairJudgment | Failure]:
        """A judgment of each pair, in order: the preference is the probability of the word that names the
        picture, mean over wordings, in each presentation order."""
        asked = (
            [
                (shown, wording, prompts.PAIR_ANSWERS)
                for shown in ((a, b), (b, a))
                for wording in self._pair_wordings
            ]
            for a, b in pairs
        )
        return [group if isinstance(group, Failure) else _pair(group) for group in self._ask(asked)]

    def statistics(self) -> list[EndpointStatistics]:
        """What each endpoint did so far; empty before the first question."""
        running = self._running
        return running[1].statistics() if running else []

    def close(self) -> None:
        """Closes connections and ends the thread; what another thread is asking ends there in
        a CancelledError. May be called twice."""
        with self._lock:
            running, self._running, self._closed = self._running, None, True
        if running:
            thread, pool = running
            thread.close(pool.close())

    def __enter__(self) -> OpenAITeacher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(
        self, groups: Iterable[Sequence[tuple[tuple[Picture, ...], str, tuple[str, ...]]]]
    ) -> list[list[Floats] | Failure]:
        """The distributions of each group of questions; requests go out while later pictures are encoded."""
        thread, pool = self._start()
        futures: list[list[_Answer] | Failure] = []
        try:
            for group in groups:
                answers: list[_Answer] = []
                futures.append(answers)
                try:
                    for pictures, question, words in group:
                        urls = [self._pictures.url(picture) for picture in pictures]
                        work = pool.ask(self._request(urls, question, words))
                        answers.append(thread.submit(work))
                except ValueError as error:
                    _cancel(answers)
                    futures[-1] = Failure(f"a picture cannot be encoded: {error}")
            return [asked if isinstance(asked, Failure) else _settle(asked) for asked in futures]
        except BaseException:
            for asked in futures:
                _cancel(asked)
            raise

    def _request(self, urls: Sequence[str], question: str, words: tuple[str, ...]) -> Request[Floats]:
        return Request(
            body=partial(self._body, urls, question),
            read=lambda completion: word_distribution(completion, words, self._options.min_mass),
        )

    def _body(self, urls: Sequence[str], question: str, model: str) -> dict[str, Any]:
        return {
            "model": model,
            "messages": messages(urls, question),
            "logprobs": True,
            "top_logprobs": self._options.top_logprobs,
            "max_tokens": self._options.max_tokens,
            "temperature": 0,
            **self._options.extra_body,
        }

    def _start(self) -> tuple[LoopThread, EndpointPool]:
        with self._lock:
            if self._closed:
                raise RuntimeError("the teacher is closed")
            if self._running is None:
                grey = self._options.image.data_url(np.full((224, 224, 3), 128, np.uint8))
                neutral = self._request([grey], self._point_wordings[0], LEVELS)

                async def make() -> EndpointPool:
                    return EndpointPool(self._options.endpoints, self._options.retry, neutral, self._keys)

                thread = LoopThread("openai-teacher")
                try:
                    self._running = thread, thread.submit(make()).result()
                except BaseException:
                    thread.close()
                    raise
            return self._running


def _settle(group: Sequence[_Answer]) -> list[Floats] | Failure:
    """All answers of a group; one failure is the group's, a permanent one before a transient one."""
    results = [answer.result() for answer in group]
    failures = sorted((r for r in results if isinstance(r, Failure)), key=lambda failure: failure.transient)
    return failures[0] if failures else [r for r in results if not isinstance(r, Failure)]


def _cancel(group: Sequence[_Answer] | Failure) -> None:
    if not isinstance(group, Failure):
        for answer in group:
            answer.cancel()


def _pair(group: Sequence[Floats]) -> PairJudgment:
    """group: [2] of first/second for each wording, the given order before the swapped one."""
    half = len(group) // 2
    forward = float(np.mean([answer[0] for answer in group[:half]]))
    backward = float(np.mean([answer[1] for answer in group[half:]]))
    return PairJudgment.of(min(max(forward, 0.0), 1.0), min(max(backward, 0.0), 1.0))
