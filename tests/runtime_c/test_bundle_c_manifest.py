"""Manifests: the C library reads or refuses each as Python does, with the same code and the same values."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from bundle_programs import Reader, parsed, programs, reader  # noqa: F401
from helpers_attacks import PUBLIC, SCHEMA1, SCHEMA2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_bundle_attacks import NAMES
from test_bundle_fuzz import VALUES, _damaged, _places
from test_bundle_manifest import EDITS

from leaf_edge.bundle.keys import PublicKey, read_public_keys

KEYS = read_public_keys(PUBLIC)
TEXTS = [(folder / "manifest.json").read_bytes() for folder in (SCHEMA1, SCHEMA2)]
MANY = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Json = dict[str, Any]
# ruff: noqa: F811


def same(reader: Reader, text: bytes) -> str:
    """Asserts that both read or refuse it alike, without a key and with one; returns what the first is."""
    expected = parsed(text)
    assert reader.parse(text) == expected
    for keys, required in ((KEYS, None), (KEYS, False)):
        assert reader.parse(text, keys, required) == parsed(text, keys, required)
    return expected


def unsigned(text: bytes = TEXTS[1]) -> Json:
    return {**json.loads(text), "signature": None}


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_right_is_read_with_every_value(reader: Reader, text: bytes) -> None:
    assert not same(reader, text).startswith("LEAF_E_")
    other = PublicKey(bytes(32))
    for keys in ([other], [other, *KEYS]):
        assert reader.parse(text, keys) == parsed(text, keys)


@pytest.mark.parametrize("edit", [e[1] for e in EDITS], ids=[e[0] for e in EDITS])
def test_every_wrong_field_is_refused_with_the_code_of_python(
    reader: Reader, edit: Callable[[Json], Any]
) -> None:
    stated = json.loads(TEXTS[0])
    edit(stated)
    assert same(reader, json.dumps(stated).encode()).startswith("LEAF_E_BUNDLE_")
    assert reader.message.isprintable() and len(reader.message) < 700


@pytest.mark.parametrize("name", NAMES)
def test_every_hostile_name_is_refused(reader: Reader, name: str) -> None:
    stated = unsigned()
    name = name.replace("OUTSIDE", "/outside")
    stated["files"][name] = stated["files"]["card.md"]
    assert same(reader, json.dumps(stated).encode()) == "LEAF_E_BUNDLE_PATH"


@MANY
@given(data=st.data(), text=st.sampled_from(TEXTS))
def test_manifests_with_other_values(reader: Reader, data: st.DataObject, text: bytes) -> None:
    stated = unsigned(text)
    for _ in range(data.draw(st.integers(1, 2))):
        *path, last = data.draw(st.sampled_from(_places(stated)[1:]))
        holder: Any = stated
        for key in path:
            holder = holder[key]
        kind = data.draw(st.sampled_from(["value", "name", "swap", "near"]))
        if isinstance(holder, dict) and kind == "name":
            name = data.draw(st.text(max_size=8) | st.sampled_from(list(holder)))
            holder[name] = holder.pop(last)
        elif kind == "swap":
            *other, at = data.draw(st.sampled_from(_places(stated)[1:]))
            source: Any = stated
            for key in other:
                source = source[key]
            holder[last] = json.loads(json.dumps(source[at]))
        elif kind == "near" and isinstance(holder[last], (int, float)):
            holder[last] = data.draw(st.sampled_from([float(holder[last]), holder[last] + 1, -holder[last]]))
        else:
            holder[last] = data.draw(VALUES | st.characters(codec=None).map(lambda c: c * 2))
    same(reader, json.dumps(stated, indent=2).encode() + b"\n")


@MANY
@given(data=st.data(), text=st.sampled_from(TEXTS))
def test_manifests_with_other_bytes(reader: Reader, data: st.DataObject, text: bytes) -> None:
    same(reader, _damaged(data, text))


TOKENS = [
    "{", "}", "[", "]", ",", ":", '"a"', '"b":', '"a":1', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\u00', '"\\x"',
    '"\t"', '"\\u0000"', '""', "0", "-0", "01", "-", "1.", ".5", "1.5E+3", "1e-400", "1e400", "1" * 400,
    "9" * 4300, "9" * 4301, "1e", "true", "false", "null", "nul", "NaN", "Infinity", "-Infinity", " ", "\n",
    "\r", "\v", "\xa0", "\x00", "\ufeff", "\U0001f600", "//", "'a'", "[1,2]", '{"c":[]}', "{}", "[]",
]  # fmt: skip


@MANY
@given(
    tokens=st.lists(st.sampled_from(TOKENS), max_size=8),
    around=st.sampled_from(["%s", "[%s]", '{"x":%s}', '["%s"]']),
)
@example(tokens=["9" * 4300], around="%s")
@example(tokens=["9" * 4301], around="%s")
@example(tokens=["1" * 400], around="[%s]")
def test_any_json_within_the_figures(reader: Reader, tokens: list[str], around: str) -> None:
    text = TEXTS[0].replace(b'"srcc": 0.0', b'"srcc": ' + (around % "".join(tokens)).encode())
    same(reader, text)


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)


@MANY
@given(number=NUMBERS | st.floats(0, 1).map(repr) | st.floats(0, 1).map("{:.40f}".format))
@example(number="5e-324")
@example(number="2.4703282292062327208e-324")
@example(number="2.4703282292062328e-324")
@example(number="0." + "0" * 400 + "1e400")
@example(number="1" + "0" * 400 + "e-400")
@example(number="0.5000000000000000277555756156289135105907917022705078125")
def test_numbers_have_the_bits_of_python(reader: Reader, number: str) -> None:
    text = TEXTS[0].replace(b'"reason_threshold": 0.3', b'"reason_threshold": ' + number.encode())
    text = text.replace(b'"raw": 0.5019607843137255', b'"raw": ' + number.encode())
    same(reader, text)


WORDS = st.sampled_from(
    ["bt709", "709", "BT.601", "bt2020", "full", "PC", "Limited", "tv", "l\u0131m\u0131ted", "jpeg", "mpeg",
     "nv12", "I420", "\u0131420", "yuyv", "b\u212a", ""]
)  # fmt: skip
SPACES = st.text(" .\t\n\x1c\x85\xa0\u1680\u2003\u2028\u202f\u205f\u3000\u200b\x00b", max_size=3)


@MANY
@given(before=SPACES, word=WORDS, after=SPACES, field=st.sampled_from(["matrix", "range", "format"]))
@example(before="", word="709", after=" .", field="matrix")
@example(before=". ", word="bt709", after="", field="matrix")
def test_names_of_formats_matrices_and_ranges(
    reader: Reader, before: str, word: str, after: str, field: str
) -> None:
    stated = unsigned()
    stated["golden"][1][field] = before + word + after
    if field == "format":
        stated["golden"][1].update(width=1, height=1)
        stated["files"]["golden/1.nv12.raw"]["size"] = 3
    same(reader, json.dumps(stated).encode())


PATHS = st.lists(
    st.text("aAbB0._-", max_size=4)
    | st.sampled_from(["golden", "Golden", "card.md", "con", "Aux.x", "manifest.json"]),
    min_size=1, max_size=5,
).map("/".join)  # fmt: skip


@MANY
@given(paths=st.lists(PATHS, min_size=1, max_size=4))
def test_names_of_files(reader: Reader, paths: list[str]) -> None:
    stated = unsigned()
    stated["files"].update({path: stated["files"]["card.md"] for path in paths})
    same(reader, json.dumps(stated).encode())


ENGINE_FIELDS = st.one_of(
    st.tuples(st.just("tensorrt"), st.from_regex(r"[0-9]{0,4}(\.[0-9]{0,5}){1,4}", fullmatch=True)),
    st.tuples(st.just("sm"), st.from_regex(r"(sm|SM)[0-9]{0,4}\n?", fullmatch=True)),
    st.tuples(st.just("os"), st.from_regex(r"[a-z0-9_]{0,33}-[a-z0-9_-]{0,33}", fullmatch=True)),
    st.tuples(
        st.just("flags"), st.lists(st.from_regex(r"[a-c0._=+-]{0,3}|a{63,65}", fullmatch=True), max_size=3)
    ),
    st.tuples(
        st.just("log"), st.sampled_from([None, "card.md", "engines/10.3.0-sm87-linux-aarch64.plan", 1])
    ),
)


@MANY
@given(fields=st.lists(ENGINE_FIELDS, max_size=2), doubled=st.booleans())
def test_engines(reader: Reader, fields: list[tuple[str, Any]], doubled: bool) -> None:
    stated = unsigned()
    engines = stated["engines"]
    if doubled:
        engines.append({**engines[0], "file": "engines/b", "log": None, "flags": ["fp16"]})
        stated["files"]["engines/b"] = stated["files"]["card.md"]
    engines[-1].update(fields)
    same(reader, json.dumps(stated).encode())


ACCEPTANCES: list[Any] = [
    None, {}, [], {"accepted": True, "anyway": False, "failures": []},
    {"accepted": False, "anyway": True, "failures": ["x"]},
    {"accepted": True, "anyway": True, "failures": ["x"]},
    {"accepted": False, "anyway": False, "failures": ["x"]},
    {"accepted": 1, "anyway": False, "failures": []},
    {"accepted": False, "anyway": True, "failures": ["x"] * 256},
    {"accepted": False, "anyway": True, "failures": ["x"] * 257},
    {"accepted": False, "anyway": True, "failures": ["x" * 1000, "\u00e9" * 1000]},
    {"accepted": False, "anyway": True, "failures": ["\u00e9" * 1001]},
    {"accepted": False, "anyway": True, "failures": ["a\u2028b"]},
]  # fmt: skip


@pytest.mark.parametrize("acceptance", ACCEPTANCES)
def test_acceptances(reader: Reader, acceptance: Any) -> None:
    same(reader, json.dumps({**unsigned(), "acceptance": acceptance}).encode())


def test_the_order_of_fields_does_not_decide_which_fault_is_named(reader: Reader) -> None:
    """Two faults at once: the one that Python finds first, wherever it stands."""
    faults: list[Callable[[Json], Any]] = [
        lambda m: m.update(schema=3), lambda m: m.update(views_version=2),
        lambda m: m["scale"].update(version=2),
        lambda m: m.update(name=1), lambda m: m["files"].update({"../x": m["files"]["card.md"]}),
        lambda m: m["files"]["card.md"].update(size=1 << 40),
        lambda m: m["encodings"]["cpu"].update(file="../x"),
        lambda m: m["golden"][0].update(file="/x"), lambda m: m["golden"].append(1),
        lambda m: m["engines"][0].update(sm=1), lambda m: m.update(extra=1),
        lambda m: m["golden"][0]["scores"].pop("cpu", None), lambda m: m["files"].update(x=1),
        lambda m: m.update(signature={"algorithm": "ed25519", "key_id": "0" * 16, "value": "0" * 128}),
        lambda m: m["files"].update({f"f{i}": m["files"]["card.md"] for i in range(256)}),
        lambda m: [entry.update(size=1 << 28) for entry in m["files"].values() if entry != 1],
    ]  # fmt: skip
    for first in faults:
        for second in faults:
            stated = unsigned()
            first(stated)
            second(stated)
            same(reader, json.dumps(stated, indent=2).encode() + b"\n")
            same(reader, json.dumps(dict(reversed(stated.items()))).encode())


def test_lists_within_lists_are_read_to_a_depth_that_is_stated(reader: Reader) -> None:
    def text(depth: int) -> bytes:
        nested = b"[" * depth + b"]" * depth
        return bytes(TEXTS[0].replace(b'"srcc": 0.0', b'"srcc": ' + nested))

    for depth in (1, 100, 196, 197, 198, 500, 50_000):  # three objects are around it
        same(reader, text(depth))
    assert reader.parse(text(197)) == parsed(TEXTS[0])
    assert reader.parse(text(198)) == "LEAF_E_BUNDLE_MANIFEST"


def test_characters_at_the_edges_of_what_can_be_shown(reader: Reader) -> None:
    codes = [
        0x20,
        0x7E,
        0x7F,
        0xA0,
        0xA1,
        0xAD,
        0x377,
        0x378,
        0x600,
        0x2027,
        0x2028,
        0x202F,
        0xD7FF,
        0xE000,
        0xFFFD,
    ]
    codes += [0xFFFE, 0x1D173, 0x1F600, 0xE0001, 0xF0000, 0x10FFFF, *range(0, 0x3000, 101)]
    for code in codes:
        stated = {**json.loads(TEXTS[0]), "version": "1" + chr(code)}
        same(reader, json.dumps(stated).encode())
        same(reader, json.dumps(stated, ensure_ascii=False).encode())
