"""A chat-completions server on loopback that judges by mean grey, and misbehaves when it is told to.

What it holds to be true is `level_tokens` and `pair_tokens`: tests compute from them by hand. Each request is
logged; `script` gives the manners of the next requests, `manner` of all after them.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

Tokens = list[tuple[str, float]]


def level_tokens(grey: float) -> Tokens:
    """Probabilities that sum to 1: bright is excellent, dark is bad."""
    u = grey / 255
    return [(" excellent", 0.9 * u), ("bad", 0.9 * (1 - u)), (" Good", 0.04), ("fair", 0.03), ("Poor", 0.03)]


def pair_tokens(first: float, second: float) -> Tokens:
    """The brighter one wins, and the first has an advantage of 0.1 (greys must not differ too much)."""
    p = first / (first + second) + 0.1
    return [("First", p), (" second", 1 - p)]


def completion(tokens: Tokens, *, limit: int = 20, before: tuple[str, ...] = ()) -> dict[str, Any]:
    """A chat completion whose first tokens are `before` and whose next one has `tokens` as alternatives."""
    ordered = sorted(tokens, key=lambda entry: -entry[1])
    content = [_position(token, [(token, 0.99)]) for token in before]
    content.append(_position(ordered[0][0], ordered[:limit]))
    text = "".join(position["token"] for position in content)
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": {"content": content}, "finish_reason": "length"}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


def _position(token: str, alternatives: Tokens) -> dict[str, Any]:
    listed = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in alternatives]
    chosen = next(entry["logprob"] for entry in listed if entry["token"] == token)
    return {"token": token, "logprob": chosen, "bytes": list(token.encode()), "top_logprobs": listed}


@dataclass
class Seen:
    """One request, and when it came (time.monotonic and time.time)."""

    at: float
    wall: float
    path: str
    body: dict[str, Any]
    greys: tuple[float, ...]
    question: str
    authorization: str | None


Manner = Callable[["RudeServer", BaseHTTPRequestHandler, Seen], None]


def polite(server: RudeServer, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
    """The answer that the pictures deserve."""
    tokens = level_tokens(*seen.greys) if len(seen.greys) == 1 else pair_tokens(*seen.greys)
    send(handler, 200, completion(tokens, limit=int(seen.body["top_logprobs"])))


def after(seconds: float) -> Manner:
    """Polite, but late."""

    def manner(server: RudeServer, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        server.stopping.wait(seconds)
        polite(server, handler, seen)

    return manner


def says(status: int, body: object, **headers: str) -> Manner:
    """A fixed answer; a body of bytes or text goes out as it is. Header names have _ for -."""
    return lambda server, handler, seen: send(handler, status, body, **headers)


def says_tokens(tokens: Tokens, **options: Any) -> Manner:
    """A good answer with other tokens."""
    return says(200, completion(tokens, **options))


def cut(server: RudeServer, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
    """The connection ends in the middle of the body."""
    body = json.dumps(completion(level_tokens(128))).encode()
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def drip(server: RudeServer, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
    """A blank every 20 ms, for as long as anyone listens."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.end_headers()
    while not server.stopping.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()
    handler.close_connection = True


def send(handler: BaseHTTPRequestHandler, status: int, body: object, **headers: str) -> None:
    data = (
        body
        if isinstance(body, bytes)
        else body.encode()
        if isinstance(body, str)
        else json.dumps(body).encode()
    )
    handler.send_response(status)
    for name, value in {"content_type": "application/json", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("content-length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


class RudeServer:
    """Listens from the start; `stop()` ends it with all its connections, `start()` opens the same port
    again."""

    def __init__(self, manner: Manner = polite) -> None:
        self.manner = manner
        self.script: deque[Manner] = deque()
        self.seen: list[Seen] = []
        self.busy = 0
        self.most_busy = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        outer = self
        self.stopping.clear()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer._connections.add(self.connection)

            def finish(self) -> None:
                outer._connections.discard(self.connection)
                super().finish()

            def do_POST(self) -> None:
                outer._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                """A client that hung up is what some tests are about."""

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        seen = _read(handler, body)
        with self._lock:
            self.seen.append(seen)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            manner = self.script.popleft() if self.script else self.manner
        try:
            manner(self, handler, seen)
        finally:
            with self._lock:
                self.busy -= 1


def _read(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> Seen:
    greys, question = [], ""
    for part in body["messages"][-1]["content"]:
        if part["type"] == "text":
            question = part["text"]
        else:
            data = base64.b64decode(part["image_url"]["url"].partition("base64,")[2])
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            greys.append(float(picture.mean()))
    key = handler.headers.get("authorization")
    return Seen(time.monotonic(), time.time(), handler.path, body, tuple(greys), question, key)
