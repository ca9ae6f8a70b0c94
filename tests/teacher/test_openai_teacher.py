"""The openai teacher against servers on loopback: judgments by hand, order, identity, options, secrets."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any

import cv2
import numpy as np
import pytest
from rude_server import Manner, RudeServer, after, completion, level_tokens, pair_tokens, polite, says

from leaf_edge.contract import LEVELS
from leaf_edge.teacher import prompts
from leaf_edge.teacher.endpoints import EndpointsRefusedError
from leaf_edge.teacher.interface import Failure, Picture, Teacher, point
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.openai_api import OpenAITeacher
from leaf_edge.teacher.openai_messages import EncodedPictures, ImageEncoding

pytest.importorskip("httpx", reason="needs httpx (leaf-edge[train])")

QUICK: dict[str, object] = {"model": "m", "wordings": 1, "timeout": 20, "backoff": 0.02, "backoff_max": 0.1}


def _picture(grey: int, side: int = 24) -> Picture:
    rgb = np.full((side, side, 3), grey, np.uint8)
    return Picture(hashlib.sha256(rgb.tobytes()).hexdigest(), rgb, source=f"grey {grey}")


def _levels(grey: float) -> list[float]:
    """What the server holds, in the order of LEVELS."""
    u = grey / 255
    return [0.9 * u, 0.04, 0.03, 0.03, 0.9 * (1 - u)]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RudeServer]]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    servers: list[RudeServer] = []

    def serve(manner: Manner = polite) -> RudeServer:
        servers.append(RudeServer(manner))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


Serve = Callable[..., RudeServer]


def _teacher(*servers: RudeServer, **options: object) -> OpenAITeacher:
    return OpenAITeacher.from_options({"endpoints": [s.url for s in servers], **QUICK, **options})


def test_points_are_the_servers_distributions_in_the_order_of_the_pictures(serve: Serve) -> None:
    server = serve()

    def uneven(server: RudeServer, handler: Any, seen: Any) -> None:
        after(0.1 if seen.greys[0] < 100 else 0.0)(server, handler, seen)  # dark pictures answer last

    server.manner = uneven
    greys = list(range(5, 255, 10))
    with _teacher(server) as teacher:
        assert isinstance(teacher, Teacher)
        judgments = teacher.points([_picture(grey) for grey in greys])
    for grey, judgment in zip(greys, judgments, strict=True):
        assert isinstance(judgment, PointJudgment)
        np.testing.assert_allclose(judgment.levels, _levels(grey), atol=1e-9)
        u = grey / 255
        assert judgment.mos == pytest.approx(5 * 0.9 * u + 4 * 0.04 + 3 * 0.03 + 2 * 0.03 + 0.9 * (1 - u))


def test_a_request_is_what_chat_completions_with_logprobs_want(serve: Serve) -> None:
    server = serve()
    with _teacher(server, top_logprobs="12", max_tokens=1, extra_body={"seed": 7}) as teacher:
        point(teacher, _picture(77))
    [seen] = server.seen
    assert seen.path == "/v1/chat/completions" and seen.authorization is None
    body = {key: value for key, value in seen.body.items() if key != "messages"}
    assert body == {
        "model": "m", "logprobs": True, "top_logprobs": 12, "max_tokens": 1, "temperature": 0, "seed": 7,
    }  # fmt: skip
    system, user = seen.body["messages"]
    assert system == {"role": "system", "content": prompts.SYSTEM}
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]
    assert seen.greys == (77,) and seen.question == prompts.POINT_WORDINGS[0]


def test_each_wording_is_asked_and_their_agreement_is_in_the_reliability(serve: Serve) -> None:
    server = serve()
    answers = [{"excellent": 1.0}, {"good": 0.5, "excellent": 0.5}, {"good": 0.6, "fair": 0.4}]

    def by_wording(server: RudeServer, handler: Any, seen: Any) -> None:
        tokens = list(answers[prompts.POINT_WORDINGS.index(seen.question)].items())
        says(200, completion(tokens))(server, handler, seen)

    server.manner = by_wording
    with _teacher(server, wordings=3) as teacher:
        judgment = point(teacher, _picture(1))
    assert isinstance(judgment, PointJudgment)
    rows = [[1, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [0, 0.6, 0.4, 0, 0]]
    np.testing.assert_allclose(judgment.levels, np.mean(rows, axis=0), atol=1e-6)
    assert judgment.reliability == pytest.approx(PointJudgment.of(rows).reliability, abs=1e-4)
    assert sorted(seen.question for seen in server.seen) == sorted(prompts.POINT_WORDINGS)


def test_pairs_are_asked_in_both_orders_and_keep_the_preference_for_the_first_picture(serve: Serve) -> None:
    server = serve()
    with _teacher(server, wordings=2) as teacher:
        bright, dark = _picture(120), _picture(80)
        judgments = teacher.pairs([(bright, dark), (dark, bright)])
    for judgment, p in zip(judgments, (0.6, 0.4), strict=True):
        assert isinstance(judgment, PairJudgment)
        assert judgment.forward == pytest.approx(p + 0.1)  # the server favours what it sees first
        assert judgment.backward == pytest.approx(p - 0.1)
        assert judgment.preference == pytest.approx(p)
        assert judgment.reliability == pytest.approx(0.8 * 0.2)
    shown = sorted((seen.greys, seen.question) for seen in server.seen)
    both = [((a, b), wording) for a, b in ((120, 80), (80, 120)) for wording in prompts.PAIR_WORDINGS[:2]]
    assert shown == sorted(both * 2)


def test_one_bad_picture_costs_no_other(serve: Serve) -> None:
    server = serve()

    def fussy(server: RudeServer, handler: Any, seen: Any) -> None:
        manner = says(200, completion([("Sorry", 0.9), ("I", 0.1)])) if 50 in seen.greys else polite
        manner(server, handler, seen)

    server.manner = fussy
    flat = Picture("0" * 64, np.zeros((4, 4), np.uint8))
    with _teacher(server) as teacher:
        good, refused, broken, last = teacher.points([_picture(100), _picture(50), flat, _picture(200)])
        kept, lost = teacher.pairs([(_picture(100), _picture(90)), (_picture(100), _picture(50))])
    assert isinstance(good, PointJudgment) and isinstance(last, PointJudgment)
    np.testing.assert_allclose(last.levels, _levels(200), atol=1e-9)
    assert isinstance(refused, Failure) and not refused.transient and "'Sorry' 0.90" in refused.reason
    assert isinstance(broken, Failure) and not broken.transient and "expected uint8 RGB" in broken.reason
    assert isinstance(kept, PairJudgment)
    assert isinstance(lost, Failure) and not lost.transient and "first/second" in lost.reason


def test_nothing_is_made_up_when_a_server_has_no_logprobs(serve: Serve) -> None:
    server = serve(says(200, {"choices": [{"message": {"content": "good"}, "logprobs": None}]}))
    with _teacher(server, failures_in_a_row=100) as teacher:
        results = teacher.points([_picture(10), _picture(20)])
    assert all(isinstance(r, Failure) and not r.transient and "no logprobs" in r.reason for r in results)


def test_three_servers_of_which_two_misbehave_give_the_same_labels_as_a_good_one(serve: Serve) -> None:
    good, flaky, dead = serve(), serve(), serve()
    flaky.script.extend([says(500, "x"), says(200, "nonsense"), says(429, "wait", retry_after="0.1")] * 4)
    dead.stop()
    pictures = [_picture(grey) for grey in range(10, 250, 10)]
    with _teacher(good, flaky, dead, probe_pause=0.1, answer_tries=10) as teacher:
        results = teacher.points(pictures)
        states = {told.url: told.state for told in teacher.statistics()}
    for result, grey in zip(results, range(10, 250, 10), strict=True):
        assert isinstance(result, PointJudgment), result
        np.testing.assert_allclose(result.levels, _levels(grey), atol=1e-9)
    assert states[good.url] == "ready" and states[dead.url] == "aside"


def test_a_picture_is_encoded_once_for_all_its_wordings_and_pairs() -> None:
    encoded = EncodedPictures(ImageEncoding())
    urls = {encoded.url(_picture(grey)) for grey in (1, 2, 3) for _ in range(4)}
    assert encoded.encoded == 3 and len(urls) == 3
    small = EncodedPictures(ImageEncoding(), limit=1)
    for grey in (1, 1, 2, 1):
        small.url(_picture(grey))
    assert small.encoded == 3  # only the last one is kept


def test_pictures_travel_in_the_encoding_that_was_chosen() -> None:
    rgb = np.zeros((200, 400, 3), np.uint8)
    rgb[:, :200] = (255, 30, 0)
    for encoding, kind, size, loss in (
        (ImageEncoding(), "png", (200, 400), 0),
        (ImageEncoding("jpeg", 90, 1000), "jpeg", (200, 400), 8),
        (ImageEncoding("png", max_side=100), "png", (50, 100), 0),
    ):
        head, _, data = encoding.data_url(rgb).partition(",")
        assert head == f"data:image/{kind};base64"
        decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert decoded.shape[:2] == size
        assert np.abs(decoded[size[0] // 2, size[1] // 8].astype(int) - (255, 30, 0)).max() <= loss
    versions = {
        ImageEncoding(f, q, s).version for f in ("png", "jpeg") for q in (80, 90) for s in (512, 1024)
    }
    assert len(versions) == 6  # quality means nothing to png


def test_keys_and_pictures_are_in_the_request_and_in_no_message(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("LEAF_TEST_KEY", key)

    def echo(status: int) -> Manner:
        def manner(server: RudeServer, handler: Any, seen: Any) -> None:
            says(status, {"error": {"message": f"{seen.authorization} {seen.body}"}})(server, handler, seen)

        return manner

    told: list[str] = []
    for status in (200, 400, 401, 404, 429, 500):
        server = serve(echo(status))
        with _teacher(server, api_key_env="LEAF_TEST_KEY", tries=2, patience=0.2, answer_tries=2) as teacher:
            try:
                told += [repr(result) for result in teacher.points([_picture(9, side=400)])]
            except EndpointsRefusedError as error:
                told.append(str(error))
            told += [repr(teacher.statistics()), repr(teacher), repr(teacher._options)]
        assert server.seen[0].authorization == f"Bearer {key}"
        assert server.seen[0].greys == (9,)
    picture = ImageEncoding().data_url(_picture(9, side=400).rgb).partition(",")[2]
    for text in told:
        assert key not in text and key[:10] not in text
        assert picture[:40] not in text and picture[40:100] not in text
    assert any("[key]" in text for text in told)


def test_the_identity_names_the_model_and_all_that_labels_depend_on() -> None:
    def make(**options: object) -> OpenAITeacher:
        return OpenAITeacher.from_options({"endpoints": "http://a/v1, http://b/v1", "model": "q", **options})

    plain = make()
    assert plain.name == "openai:q"
    assert prompts.PROMPT_VERSION in plain.version
    same = make(concurrency=2, timeout=9, seed=3, tries=2, min_mass=0.2)
    assert same.version == plain.version
    changes: list[dict[str, object]] = [
        {"wordings": 1},
        {"image_format": "jpeg"},
        {"image_format": "jpeg", "jpeg_quality": 70},
        {"max_side": 512},
        {"top_logprobs": 5},
        {"extra_body": {"seed": 1}},
        {"extra_body": {"seed": 2}},
    ]
    versions = {plain.version, *(make(**change).version for change in changes)}
    assert len(versions) == len(changes) + 1
    assert make(concurrency=40).batch == 320 and make(concurrency=1).batch == 16


def test_models_of_different_names_need_one_stated_name(serve: Serve) -> None:
    a, b = serve(), serve()
    endpoints = [
        {"url": a.url, "model": "x", "concurrency": 1},
        {"url": b.url, "model": "y", "concurrency": 1},
    ]
    with pytest.raises(ValueError, match="different names"):
        OpenAITeacher.from_options({"endpoints": endpoints})
    with OpenAITeacher.from_options({"endpoints": endpoints, "name": "z", "wordings": 1}) as teacher:
        assert teacher.name == "openai:z"
        teacher.points([_picture(grey) for grey in range(1, 9)])
    assert {seen.body["model"] for seen in a.seen} == {"x"} and {seen.body["model"] for seen in b.seen} == {
        "y"
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"endpoints": []}, "no endpoints"),
        ({"endpoints": 7}, "not a list"),
        ({"endpoints": [7]}, "neither an address nor a mapping"),
        ({"endpoints": [{}]}, "has no url"),
        ({"endpoints": ["http://a/v1", "http://a/v1/"]}, "named twice"),
        ({"endpoints": [{"url": "http://a/v1", "speed": 1}]}, "unknown field.*speed.*known are"),
        ({"model": ""}, "no model"),
        ({"colour": 1}, "unknown option.*colour.*known are.*min_mass.*probe_pause"),
        ({"api_key": "sk-secret"}, "does not belong into options"),
        ({"endpoints": [{"url": "http://a/v1", "api_key": "sk-secret"}]}, "does not belong into options"),
        ({"api_key_env": "sk-secret"}, "not the name of an environment variable"),
        ({"api_key_env": "LEAF_NO_SUCH_VARIABLE"}, "LEAF_NO_SUCH_VARIABLE is not set"),
        ({"wordings": 99}, "wordings is 99"),
        ({"wordings": 1.5}, "expected a whole number"),
        ({"wordings": True}, "expected a whole number"),
        ({"timeout": "soon"}, "timeout is 'soon'; expected a number"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": "nan"}, "timeout is nan"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"concurrency": "inf"}, "expected a whole number"),
        ({"image_format": "webp"}, "expected png or jpeg"),
        ({"jpeg_quality": 0}, "jpeg_quality is 0"),
        ({"max_side": 1}, "max_side is 1"),
        ({"top_logprobs": 1}, "top_logprobs is 1"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"min_mass": 0}, "min_mass is 0"),
        ({"tries": 0}, "tries is 0"),
        ({"patience": -1}, "patience is -1"),
        ({"extra_body": {"messages": []}}, "extra_body has messages"),
        ({"extra_body": 3}, "extra_body is not a mapping"),
    ],
)
def test_wrong_options_are_named_and_keys_in_them_not_shown(
    options: Mapping[str, object], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        OpenAITeacher.from_options({"endpoints": "http://a/v1", "model": "m", **options})
    assert "secret" not in str(caught.value)


def test_closing_ends_the_thread_and_is_final(serve: Serve) -> None:
    server = serve(after(20))
    teacher = _teacher(server)
    assert teacher.statistics() == []
    ended: list[str] = []

    def ask() -> None:
        try:
            point(teacher, _picture(1))
        except CancelledError:
            ended.append("cancelled")

    asked = threading.Thread(target=ask)
    asked.start()
    deadline = time.monotonic() + 10
    while not server.seen and time.monotonic() < deadline:
        time.sleep(0.01)
    started = time.monotonic()
    teacher.close()
    teacher.close()
    asked.join(10)
    assert ended == ["cancelled"] and time.monotonic() - started < 10
    assert not any(thread.name == "openai-teacher" for thread in threading.enumerate())
    with pytest.raises(RuntimeError, match="closed"):
        point(teacher, _picture(1))


def test_no_pictures_need_no_server() -> None:
    with OpenAITeacher.from_options({"endpoints": "http://127.0.0.1:9/v1", "model": "m"}) as teacher:
        assert teacher.points([]) == [] and teacher.pairs([]) == []


def test_several_threads_may_ask_one_teacher(serve: Serve) -> None:
    server = serve(after(0.01))
    results: dict[int, Any] = {}
    with _teacher(server, concurrency=3) as teacher:

        def ask(grey: int) -> None:
            results[grey] = teacher.points([_picture(grey), _picture(grey + 1)])

        threads = [threading.Thread(target=ask, args=(grey,)) for grey in range(1, 101, 10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert server.most_busy <= 3
    for grey, pair_ in results.items():
        np.testing.assert_allclose([j.levels for j in pair_], [_levels(grey), _levels(grey + 1)], atol=1e-9)


def test_what_is_expected_here_is_what_the_server_holds() -> None:
    names = {token.strip().lower(): p for token, p in level_tokens(33)}
    assert [names[level] for level in LEVELS] == _levels(33)
    assert dict(pair_tokens(120, 80))["First"] == pytest.approx(0.7)
