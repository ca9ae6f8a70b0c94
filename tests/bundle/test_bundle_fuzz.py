"""Random damage: only `BundleError` comes out, and with a key nothing but what was signed gets in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers_attacks import PUBLIC, SCHEMA1, SCHEMA2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaf_edge.bundle import BundleCode, BundleError, load_bundle, pack
from leaf_edge.bundle.keys import read_public_keys
from leaf_edge.bundle.parse import parse_manifest

KEYS = read_public_keys(PUBLIC)
TEXTS = [(folder / "manifest.json").read_bytes() for folder in (SCHEMA1, SCHEMA2)]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([0, 1, 2, -1, 1 << 63, 1e308, "cpu", "../x", "card.md", "engines/x", [], {}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def _places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, item in inner for place in _places(item, (*here, key)))]


def _read(text: bytes) -> None:
    """Reads it or refuses it; what is read can be written and read again."""
    try:
        manifest = parse_manifest(text)
    except BundleError as error:
        assert isinstance(error.code, BundleCode)
        assert len(error.message) < 600 and error.message.isprintable()
        return
    assert parse_manifest(manifest.to_bytes()).files == manifest.files


@QUICK
@given(data=st.data(), text=st.sampled_from(TEXTS))
def test_a_manifest_with_other_values_is_read_or_refused(data: st.DataObject, text: bytes) -> None:
    stated = json.loads(text)
    stated["signature"] = None  # else its place decides, before anything else is looked at
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(_places(stated)[1:]))
        holder = stated
        for key in path:
            holder = holder[key]
        if isinstance(holder, dict) and data.draw(st.booleans()):
            names = st.text(max_size=8) | st.just("\x1b[31m" * 100) | st.sampled_from(list(holder))
            name = data.draw(names)
            holder[name] = holder.pop(last)
        else:
            holder[last] = data.draw(VALUES)
    _read(json.dumps(stated, indent=2).encode() + b"\n")


def _damaged(data: st.DataObject, good: bytes) -> bytes:
    """`good` with a few bytes changed, cut out, put in or doubled."""
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(bad) - 1)))
        kind = data.draw(st.sampled_from(["set", "cut", "insert", "double", "end"]))
        length = data.draw(st.sampled_from([1, 2, 8, 12, 100, 512, 1024]))
        if kind == "set":
            bad[at : at + 12] = data.draw(st.binary(min_size=1, max_size=12))
        elif kind == "cut":
            del bad[at : at + length]
        elif kind == "insert":
            bad[at:at] = data.draw(st.binary(max_size=16))
        elif kind == "double":
            bad[at:at] = bad[at : at + length]
        else:
            del bad[at:]
    return bytes(bad)


@QUICK
@given(data=st.data(), text=st.sampled_from(TEXTS))
def test_a_manifest_with_other_bytes_is_read_or_refused(data: st.DataObject, text: bytes) -> None:
    _read(_damaged(data, text))


@QUICK
@given(text=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_anything_at_all_is_read_or_refused(text: bytes) -> None:
    _read(text)


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(SCHEMA2, tmp_path_factory.mktemp("tar") / "x.tar")


@pytest.fixture(scope="module")
def good(tar: Path) -> bytes:
    return tar.read_bytes()


def _right_checksums(data: bytes) -> bytes:
    """Every block that has tar's magic gets the checksum that belongs to it."""
    blocks = [bytearray(data[i : i + 512]) for i in range(0, len(data), 512)]
    for block in blocks:
        if len(block) == 512 and block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
    return b"".join(blocks)


@QUICK
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_holds_exactly_what_was_signed(
    data: st.DataObject, good: bytes, tar: Path
) -> None:
    bad = bytearray(_damaged(data, good))
    for _ in range(data.draw(st.integers(0, 3))):  # headers are a small part of it: aim at them too
        start = 512 * data.draw(st.integers(0, max(0, len(bad) // 512 - 1)))
        field = data.draw(st.sampled_from([0, 99, 100, 124, 135, 148, 156, 157, 257, 345]))
        bad[start + field : start + field + 4] = data.draw(st.binary(min_size=4, max_size=4))
    tar.write_bytes(_right_checksums(bytes(bad)) if data.draw(st.booleans()) else bytes(bad))
    signed = load_bundle(SCHEMA2, key=KEYS)
    try:
        bundle = load_bundle(tar, key=KEYS)
    except BundleError as error:
        assert isinstance(error.code, BundleCode)
        return
    assert bundle.text == signed.text and bundle.contents == signed.contents
