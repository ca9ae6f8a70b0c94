"""Bundles of every schema that was ever written load, score, and are written as the present one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.make import ENGINE, KEY, make
from helpers_attacks import FIXTURES, PUBLIC, SCHEMA1, SCHEMA2, snapshot

import leaf_edge
from leaf_edge.bundle import SHIPPED, Acceptance, BundleError, load_bundle, locate, write_bundle
from leaf_edge.bundle.manifest import SCHEMA, SCHEMAS
from leaf_edge.bundle.parse import parse_manifest
from leaf_edge.bundle.revise import recalibrated


def test_there_is_a_fixture_of_each_schema() -> None:
    found = {load_bundle(folder).manifest.schema for folder in FIXTURES.glob("*.leaf")}
    assert found == set(SCHEMAS) and max(SCHEMAS) == SCHEMA


def test_the_fixtures_are_small_and_what_their_script_makes(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs onnx to make a network (leaf-edge[train])")
    make(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert sum(map(len, made.values())) < 20_000
    models = [name for name in made if name.suffix == ".onnx"]
    assert len(models) == 4
    for name, data in made.items():  # the bytes of a network are those of the onnx package's version
        if name.suffix not in (".onnx", ".json"):
            assert (FIXTURES / name).read_bytes() == data


@pytest.mark.parametrize("folder", [SCHEMA1, SCHEMA2])
def test_each_loads_passes_its_self_test_and_keeps_its_files(folder: Path) -> None:
    before = snapshot(FIXTURES)
    leaf_edge.load(folder, self_test=True)
    leaf_edge.load(folder, encoding="trt", self_test=True)
    assert snapshot(FIXTURES) == before


def test_schema_1_states_no_acceptance_no_engines_and_no_signature() -> None:
    manifest = load_bundle(SCHEMA1).manifest
    assert (manifest.schema, manifest.acceptance, manifest.engines, manifest.signature) == (1, None, (), None)


def test_schema_2_states_all_three() -> None:
    manifest = load_bundle(SCHEMA2, key=PUBLIC).manifest
    assert manifest.schema == 2
    assert manifest.acceptance == Acceptance(False, True, ("cpu: mos_max 0.31; at most 0.25",))
    assert manifest.engines == (ENGINE,)
    assert manifest.signature is not None and manifest.signature.key_id == KEY.public.id
    assert parse_manifest(manifest.to_bytes()) == manifest


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_models_load(name: str) -> None:
    assert load_bundle(locate(name)).manifest.schema in SCHEMAS


def test_an_old_bundle_is_written_as_the_present_schema_with_all_else_as_it_was(tmp_path: Path) -> None:
    old = load_bundle(SCHEMA1)
    new = write_bundle(tmp_path / "a.leaf", old.manifest, old.contents)
    assert new.manifest == replace(old.manifest, schema=SCHEMA)
    assert new.contents == old.contents


def test_recalibration_keeps_acceptance_and_engines_and_drops_the_signature(tmp_path: Path) -> None:
    old = load_bundle(SCHEMA2, key=PUBLIC)
    curves = {name: (entry.curve, entry.interval) for name, entry in old.manifest.encodings.items()}
    new = recalibrated(old, curves, {"why": "test"}, name="door", version="2")
    assert (new.manifest.signature, new.verified_by) == (None, None)
    assert parse_manifest(new.text) == new.manifest
    written = write_bundle(tmp_path / "door.leaf", new.manifest, new.contents)
    assert written.manifest.acceptance == old.manifest.acceptance is not None
    assert written.manifest.engines == old.manifest.engines
    assert written.text == new.text
    with pytest.raises(BundleError, match="LEAF_E_SIGNATURE_MISSING"):
        load_bundle(written.path, key=PUBLIC)


@pytest.mark.parametrize(
    ("accepted", "anyway", "failures"),
    [(True, False, ("x",)), (False, True, ()), (True, True, ()), (False, False, ("x",)), (False, False, ())],
)
def test_an_acceptance_that_contradicts_itself_cannot_be_made(
    accepted: bool, anyway: bool, failures: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="accept"):
        Acceptance(accepted, anyway, failures)
    assert Acceptance(True) == Acceptance(True, False, ())
