"""Engines in a bundle: put in whole or not at all, handed out with their checks."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from fixtures.make import ENGINE, KEY
from helpers_attacks import PUBLIC, SCHEMA1, SCHEMA2, edit, snapshot

import leaf_edge.bundle.load as loading
import leaf_edge.bundle.write as writing
from leaf_edge.bundle import BundleCode as Code
from leaf_edge.bundle import BundleError, EngineEntry, add_engine, engine_bytes, load_bundle, pack
from leaf_edge.bundle.engines import with_engine, without_engine
from leaf_edge.bundle.sign import signed
from leaf_edge.bundle.write import store

PLAIN = EngineEntry(
    "engines/11.4.0-sm120-linux-x86_64.plan", "11.4.0.12", "sm120", "linux-x86_64", ("fp16",),
    "engines/11.4.0-sm120-linux-x86_64.log",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SCHEMA2, tmp_path / "a.leaf"))


def test_an_engine_is_added_and_replaced_and_the_rest_stays(folder: Path) -> None:
    old = load_bundle(folder)
    new = add_engine(old, PLAIN, b"plan 1", b"log 1")
    assert new.manifest.engines == (ENGINE, PLAIN)
    assert new.manifest.acceptance == old.manifest.acceptance is not None
    assert new.manifest.signature is None, "the old signature does not hold for the new manifest"
    assert engine_bytes(new, PLAIN) == b"plan 1"
    assert {name: new.contents[name] for name in old.contents} == dict(old.contents)
    renamed = replace(PLAIN, file="engines/other.plan", log=None)
    newer = add_engine(new, renamed, b"plan 2")
    assert newer.manifest.engines == (ENGINE, renamed)
    assert engine_bytes(newer, renamed) == b"plan 2"
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {*newer.manifest.files, "manifest.json"}
    assert without_engine(newer, renamed).manifest.engines == (ENGINE,)
    assert [path.name for path in folder.parent.iterdir()] == ["a.leaf"]


def test_engines_of_other_flags_stand_beside_each_other(folder: Path) -> None:
    dla = replace(PLAIN, file="engines/dla.plan", flags=("dla0", "fp16"), log=None)
    bundle = add_engine(load_bundle(folder), PLAIN, b"gpu", b"log")
    bundle = add_engine(bundle, dla, b"dla")
    assert [engine_bytes(bundle, entry) for entry in (PLAIN, dla)] == [b"gpu", b"dla"]


def test_an_engine_can_be_put_into_a_tar_and_into_an_old_bundle(tmp_path: Path) -> None:
    tar = pack(SCHEMA1, tmp_path / "a.tar")
    bundle = add_engine(load_bundle(tar), PLAIN, b"plan", b"log")
    assert bundle.path == tar and bundle.manifest.schema == 2
    assert engine_bytes(load_bundle(tar), PLAIN) == b"plan"


def test_a_plan_that_holds_code_is_handed_out_only_where_the_signature_was_verified(folder: Path) -> None:
    with pytest.raises(BundleError) as caught:
        engine_bytes(load_bundle(folder), ENGINE)
    assert caught.value.code is Code.ENGINE_UNVERIFIED
    assert engine_bytes(load_bundle(folder, key=PUBLIC), ENGINE) == b"not a plan\n" * 40
    changed = add_engine(load_bundle(folder, key=PUBLIC), PLAIN, b"plan", b"log")
    assert engine_bytes(changed, PLAIN) == b"plan"
    for bundle in (changed, load_bundle(folder), with_engine(load_bundle(folder), ENGINE, b"mine", b"")):
        with pytest.raises(BundleError) as caught:
            engine_bytes(bundle, ENGINE)
        assert caught.value.code is Code.ENGINE_UNVERIFIED
    store(signed(load_bundle(folder), KEY))
    assert engine_bytes(load_bundle(folder, key=PUBLIC), ENGINE) == b"not a plan\n" * 40


def test_bytes_that_are_not_the_stated_ones_are_not_handed_out(folder: Path) -> None:
    bundle = load_bundle(folder, key=PUBLIC)
    other = replace(
        bundle, contents=MappingProxyType({**bundle.contents, ENGINE.file: b"not a plan\n" * 39 + b"x" * 11})
    )
    for entry, held, code in (
        (ENGINE, other, Code.ENGINE_HASH),
        (PLAIN, bundle, Code.ENGINE_NONE),
        (replace(ENGINE, flags=("fp16",)), bundle, Code.ENGINE_NONE),
    ):
        with pytest.raises(BundleError) as caught:
            engine_bytes(held, entry)
        assert caught.value.code is code


@pytest.mark.parametrize(
    "wrong",
    [
        {"file": "model.plan"}, {"file": "engines/../x.plan"}, {"file": "../x.plan"}, {"tensorrt": "10"},
        {"tensorrt": "10.3.0; rm"}, {"sm": "87"}, {"sm": "sm8.7"}, {"os": "linux"}, {"os": "../linux-x"},
        {"flags": ("b", "a")}, {"flags": ("a", "a")}, {"flags": ("A B",)}, {"log": "card.md"},
    ],
)  # fmt: skip
def test_an_entry_that_is_not_valid_leaves_the_bundle_as_it_was(
    folder: Path, wrong: dict[str, object]
) -> None:
    before = snapshot(folder.parent)
    entry = replace(PLAIN, **wrong)  # type: ignore[arg-type]
    with pytest.raises(BundleError) as caught:
        add_engine(load_bundle(folder), entry, b"plan", b"log")
    assert caught.value.code in (Code.MANIFEST, Code.PATH)
    assert snapshot(folder.parent) == before
    with pytest.raises(ValueError, match="log"):
        add_engine(load_bundle(folder), PLAIN, b"plan")


@pytest.mark.parametrize("step", ["_write_file", "load_bundle", "_move_into_place", "exchange"])
def test_a_failure_at_any_step_leaves_the_old_bundle(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    bundle = load_bundle(folder)
    before = snapshot(folder.parent)

    def fails(*args: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(writing, step, fails)
    with pytest.raises(OSError, match="No space"):
        add_engine(bundle, PLAIN, b"plan", b"log")
    assert snapshot(folder.parent) == before


def test_where_names_cannot_be_exchanged_the_new_bundle_comes_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "exchange", lambda first, second: False)
    add_engine(load_bundle(folder), PLAIN, b"plan", b"log")
    assert engine_bytes(load_bundle(folder), PLAIN) == b"plan"
    assert [path.name for path in folder.parent.iterdir()] == ["a.leaf"]


def test_a_reader_meanwhile_always_finds_a_whole_bundle(folder: Path) -> None:
    versions, failures = [b"plan %d" % i for i in range(6)], []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                bundle = load_bundle(folder)
                assert PLAIN not in bundle.manifest.engines or engine_bytes(bundle, PLAIN) in versions
            except Exception as error:
                failures.append(error)
            done.wait(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    for plan in versions:
        add_engine(load_bundle(folder), PLAIN, plan, b"log")
    done.set()
    reader.join()
    assert failures == []


def test_a_bundle_that_is_replaced_while_it_is_read_is_read_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, old = loading._walk, load_bundle(folder)

    def then_replace(*args: Any) -> set[str]:
        found = walk(*args)
        monkeypatch.setattr(loading, "_walk", walk)
        add_engine(old, PLAIN, b"plan", b"log")
        return found

    monkeypatch.setattr(loading, "_walk", then_replace)
    assert PLAIN in load_bundle(folder).manifest.engines


def test_two_engines_of_one_kind_or_one_file_are_refused(folder: Path) -> None:
    edit(folder, lambda m: [m.update(signature=None), m["engines"].append(m["engines"][0])])
    with pytest.raises(BundleError, match="once") as caught:
        load_bundle(folder)
    assert caught.value.code is Code.MANIFEST
