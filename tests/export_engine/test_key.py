"""Options of a build, and the names under which engines lie in a bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from helpers_bundle import tiny_contents, tiny_manifest
from hypothesis import given
from hypothesis import strategies as st

from leaf_edge.bundle.load import Bundle
from leaf_edge.bundle.parse import parse_manifest
from leaf_edge.export.engine_key import EngineKey
from leaf_edge.export.engine_options import EngineOptions
from leaf_edge.runtime.engine_fit import dla_core, find_fit
from leaf_edge.runtime.preflight import Device, Driver, TensorRT

ORIN = EngineKey("10.3.0", "sm87", "linux-aarch64")


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ({"batch": (0, 1, 1)}, "--batch"),
        ({"batch": (2, 1, 4)}, "--batch"),
        ({"batch": (1, 1, 257)}, "--batch"),
        ({"workspace_mib": 0}, "--workspace"),
        ({"effort": 6}, "--effort"),
        ({"dla": -1}, "--dla"),
        ({"dla": 0, "batch": (1, 2, 2)}, "--dla"),
        ({"dla": 0, "ampere_plus": True}, "--dla"),
        ({"dla": 0, "version_compatible": True}, "--dla"),
        ({"dla": 0, "half": False}, "--dla"),
    ],
)
def test_options_that_make_no_engine_are_refused_by_name(fields: dict[str, Any], option: str) -> None:
    with pytest.raises(ValueError, match=f"^{option}: "):
        EngineOptions(**fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tensorrt": "10.2.0"}, "not supported"),
        ({"tensorrt": "12.0.0"}, "not supported"),
        ({"tensorrt": "8.6.1"}, "not supported"),
        ({"tensorrt": "10.3"}, "version of TensorRT"),
        ({"tensorrt": "10.3.0/../x"}, "version of TensorRT"),
        ({"sm": "87"}, "compute capability"),
        ({"os": "Linux"}, "system and processor"),
    ],
)
def test_a_machine_that_cannot_be_named_is_refused(fields: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(ORIN, **fields)


@given(
    st.builds(
        EngineOptions,
        batch=st.lists(st.integers(1, 256), min_size=3, max_size=3).map(lambda b: tuple(sorted(b))),
        half=st.booleans(),
        workspace_mib=st.integers(1, 1 << 20),
        ampere_plus=st.booleans(),
        version_compatible=st.booleans(),
    ),
    st.tuples(st.sampled_from([10, 11]), st.integers(3, 99), st.integers(0, 99)),
)
def test_every_entry_is_one_that_a_manifest_takes(options: EngineOptions, version: tuple[int, ...]) -> None:
    entry = replace(ORIN, tensorrt=".".join(map(str, version))).entry(options)
    with_entry = bundle_with(entry)
    (read,) = parse_manifest(with_entry.text).engines
    assert read == entry and entry.log in with_entry.contents


def bundle_with(entry: Any, old: Bundle | None = None) -> Bundle:
    """The tiny bundle, or `old`, with an engine of arbitrary bytes."""
    from pathlib import Path

    from leaf_edge.bundle.engines import with_engine

    if old is None:
        contents = {name: bytes(data) for name, data in tiny_contents().items() if isinstance(data, bytes)}
        old = Bundle(Path("tiny.leaf"), tiny_manifest(), b"", contents)
    return with_engine(old, entry, b"plan", b"log\n")


def test_the_name_says_machine_and_reach() -> None:
    plain = ORIN.entry(EngineOptions())
    assert plain.file == "engines/10.3.0-sm87-linux-aarch64.plan"
    assert plain.log == "engines/10.3.0-sm87-linux-aarch64.log"
    wide = ORIN.entry(EngineOptions(ampere_plus=True, version_compatible=True))
    assert wide.file == "engines/10.3.0-sm87-linux-aarch64-ampere_plus-version_compatible.plan"
    assert ORIN.entry(EngineOptions(dla=1)).file == "engines/10.3.0-sm87-linux-aarch64-dla1.plan"


def test_another_batch_replaces_and_another_reach_stays_beside() -> None:
    bundle = bundle_with(ORIN.entry(EngineOptions()))
    bundle = bundle_with(ORIN.entry(EngineOptions(batch=(1, 4, 4))), bundle)
    (engine,) = bundle.manifest.engines
    assert "batch=1-4" in engine.flags
    bundle = bundle_with(ORIN.entry(EngineOptions(ampere_plus=True)), bundle)
    assert len(bundle.manifest.engines) == 2


def test_preflight_reads_the_flags_as_they_are_meant() -> None:
    hopper = Driver((13, 0), (Device("H100", (9, 0), 1 << 36),))
    package = [TensorRT("10.3.0", "full")]

    def fits(options: EngineOptions, tensorrt: list[TensorRT]) -> bool:
        found = find_fit([ORIN.entry(options)], hopper, tensorrt, system="linux-aarch64")
        return hasattr(found, "package")

    assert not fits(EngineOptions(), package)
    assert fits(EngineOptions(ampere_plus=True), package)
    later = [TensorRT("11.4.0", "full")]
    assert not fits(EngineOptions(ampere_plus=True), later)
    assert fits(EngineOptions(ampere_plus=True, version_compatible=True), later)
    assert dla_core(ORIN.entry(EngineOptions(dla=1))) == 1
