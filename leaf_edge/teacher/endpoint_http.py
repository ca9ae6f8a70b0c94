"""One request to one OpenAI-compatible server, and what became of it.

Every outcome is a value: an answer, a broken attempt, a request to wait, a refusal. No text that leaves
this module holds the API key or a picture (`clean_message`), whatever the server wrote back.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from leaf_edge.extras import require

if TYPE_CHECKING:
    import httpx

MAX_ANSWER = 1 << 20
"""Bytes of an answer that are read; an answer with 20 logprobs for each of a few tokens has some thousand."""
MAX_WAIT = 24 * 3600.0
"""Seconds: the longest Retry-After that is taken at its word."""


@dataclass(frozen=True)
class EndpointOptions:
    """One server. url: base address, to which `/chat/completions` is appended. model: its name there.

    key_env: name of the environment variable with the API key; None sends no key. concurrency: requests at
    once, at most. timeout: seconds for a whole request, first byte sent to last byte read.
    """

    url: str
    model: str
    key_env: str | None = None
    concurrency: int = 8
    timeout: float = 120.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("an endpoint's url is not a web address; expected http(s)://host[:port]/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                f"endpoint {parts.hostname}: expected a base address without user, password or query; "
                "put the API key into an environment variable and name it with api_key_env"
            )
        if not self.model:
            raise ValueError(
                f"endpoint {self.url}: no model; expected the name under which the server has it"
            )
        if not 1 <= self.concurrency <= 1024:
            raise ValueError(f"endpoint {self.url}: concurrency is {self.concurrency}; expected 1 to 1024")
        if not 0 < self.timeout < float("inf"):
            raise ValueError(f"endpoint {self.url}: timeout is {self.timeout}; expected seconds above 0")

    def key(self) -> str:
        """The API key, or an empty text. ValueError where the named variable has none."""
        if self.key_env is None:
            return ""
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise ValueError(
                f"endpoint {self.url}: the environment variable {self.key_env} is not set; "
                "expected an API key there"
            )
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise ValueError(
                f"endpoint {self.url}: the key in {self.key_env} has blanks or other than ASCII characters"
            )
        return key


@dataclass(frozen=True)
class Answered:
    """Status 200 and JSON. body: decoded."""

    body: object = field(repr=False)


@dataclass(frozen=True)
class Malformed:
    """Status 200, and something else than JSON."""

    reason: str


@dataclass(frozen=True)
class Broken:
    """No answer: timeout, cut connection, 5xx."""

    reason: str


@dataclass(frozen=True)
class Busy:
    """The server asks to wait. seconds: how long; None where it does not say."""

    reason: str
    seconds: float | None


@dataclass(frozen=True)
class Refused:
    """The server will not do it. request: it may be this request (400, 413, 422), not the settings."""

    reason: str
    request: bool


Outcome = Answered | Malformed | Broken | Busy | Refused


class EndpointHttp:
    """A client of one server. Made and used inside one event loop."""

    def __init__(self, options: EndpointOptions, key: str) -> None:
        self._httpx = require("httpx", "train")
        self._key = key
        self._timeout = options.timeout
        self._address = options.url.rstrip("/") + "/chat/completions"
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
        }
        if key:
            headers["authorization"] = f"Bearer {key}"
        self._client: httpx.AsyncClient = self._httpx.AsyncClient(
            headers=headers,
            timeout=self._httpx.Timeout(options.timeout),
            limits=self._httpx.Limits(
                max_connections=options.concurrency,
                max_keepalive_connections=options.concurrency,
                keepalive_expiry=3.0,  # below the 5 s after which common servers close an idle connection
            ),
        )

    async def post(self, body: Mapping[str, Any]) -> Outcome:
        """Sends a request. Raises nothing but cancellation."""
        try:
            # httpx's timeouts hold for each read: a server that drips bytes would never meet them.
            async with asyncio.timeout(self._timeout):
                return await self._post(json.dumps(body, separators=(",", ":")).encode())
        except TimeoutError:
            return Broken(f"no answer within {self._timeout:g} s")
        except self._httpx.TimeoutException:
            return Broken(f"no answer within {self._timeout:g} s")
        except (self._httpx.HTTPError, self._httpx.StreamError, OSError) as error:
            return Broken(self.clean(f"{type(error).__name__}: {error}"))

    async def _post(self, content: bytes) -> Outcome:
        async with self._client.stream("POST", self._address, content=content) as response:
            data = bytearray()
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) > MAX_ANSWER:
                    return Malformed(f"the answer is longer than {MAX_ANSWER} bytes")
            return self._outcome(response, bytes(data))

    def _outcome(self, response: httpx.Response, data: bytes) -> Outcome:
        status = response.status_code
        if status == 200:
            kind = response.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
            if kind != "application/json" and not kind.endswith("+json"):
                return Malformed(
                    self.clean(f"the answer is {kind or 'of no type'}; expected application/json")
                )
            try:
                return Answered(json.loads(data))
            except (ValueError, RecursionError):
                return Malformed(f"the answer is not JSON: {self.clean(_text(data))}")
        reason = f"status {status}: {self.clean(_message(data))}"
        wait = retry_after(response.headers.get("retry-after"), time.time())
        if status == 429 or (status == 503 and wait is not None):
            return Busy(reason, wait)
        if status >= 500 or status in (408, 409, 425):
            return Broken(reason)
        return Refused(reason, request=status in (400, 413, 422))

    def clean(self, text: str) -> str:
        """One short line without this endpoint's key and without pictures."""
        return clean_message(text, self._key)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds from a Retry-After header, None for none and for nonsense (RFC 9110, section 10.2.3).

    value: seconds or a date. now: unix seconds. The result is 0 to MAX_WAIT.
    """
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value):
        return min(float(value), MAX_WAIT)
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # "-0000", which HTTP dates do not have: they are in GMT
            date = date.replace(tzinfo=UTC)
        return min(max(date.timestamp() - now, 0.0), MAX_WAIT)
    except (ValueError, OverflowError):
        return None


def clean_message(text: str, key: str = "", limit: int = 300) -> str:
    """One line of at most `limit` characters without the key and without pictures."""
    if key:
        text = text.replace(key, "[key]")
    if len(key) > 8:  # servers also write the first part of a key that they do not know
        text = re.sub(re.escape(key[:8]) + r"\S*", "[key]", text)
    text = re.sub(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=_\-]*", "[picture]", text)
    text = re.sub(r"[A-Za-z0-9+/=]{120,}", "[data]", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[:limit] + "..."


def _message(data: bytes) -> str:
    """What an error body says, in the forms that OpenAI, vLLM, FastAPI and proxies use."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return _text(data) or "no message"
    for name in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(name):
            body = body[name]
    return body if isinstance(body, str) else json.dumps(body)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
