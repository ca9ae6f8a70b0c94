"""Writing bundles: whole or not at all; codes and their documentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers_bundle import tiny_contents, tiny_manifest, write_tiny

from leaf_edge.bundle import SHIPPED, BundleCode, BundleError, load_bundle, locate, shipped, write_bundle
from leaf_edge.bundle.errors import REMEDY

pytest.importorskip("onnx", reason="needs onnx to make a network (leaf-edge[train])")


def test_written_and_loaded_are_the_same(tmp_path: Path) -> None:
    written = write_tiny(tmp_path / "a.leaf")
    assert load_bundle(tmp_path / "a.leaf") == written
    assert [p.name for p in tmp_path.iterdir()] == ["a.leaf"]
    assert write_tiny(tmp_path / "b.leaf").text == written.text


def test_files_can_be_copied_from_disk(tmp_path: Path) -> None:
    card = tmp_path / "my card"
    card.write_text("# mine\n")
    bundle = write_bundle(tmp_path / "a.leaf", tiny_manifest(), {**tiny_contents(), "card.md": card})
    assert bundle.contents["card.md"] == b"# mine\n"


@pytest.mark.parametrize("break_it", ["no model", "unsafe name", "bad name", "missing source"])
def test_nothing_is_left_of_a_bundle_that_is_not_valid(tmp_path: Path, break_it: str) -> None:
    manifest, contents = tiny_manifest(), tiny_contents()
    expected: type[Exception] = BundleError
    if break_it == "no model":
        del contents["model.cpu.onnx"]
    elif break_it == "unsafe name":
        contents["../evil"] = b""
    elif break_it == "bad name":
        manifest = replace(manifest, name="Bad Name")
    else:
        contents["card.md"], expected = tmp_path / "absent", FileNotFoundError
    with pytest.raises(expected):
        write_bundle(tmp_path / "a.leaf", manifest, contents)
    assert list(tmp_path.iterdir()) == []


def test_existing_bundle_is_kept_or_replaced_as_asked(tmp_path: Path) -> None:
    folder = tmp_path / "a.leaf"
    write_tiny(folder)
    newer = tiny_manifest(version="2.0.0")
    with pytest.raises(FileExistsError):
        write_bundle(folder, newer, tiny_contents())
    assert load_bundle(folder).manifest.version == "1.0.0"
    assert write_bundle(folder, newer, tiny_contents(), overwrite=True).manifest.version == "2.0.0"
    assert [p.name for p in tmp_path.iterdir()] == ["a.leaf"]


def test_rest_of_a_killed_run_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "a.leaf.part").mkdir()
    (tmp_path / "a.leaf.part" / "junk").write_text("x")
    assert write_tiny(tmp_path / "a.leaf").name == "tiny"
    assert [p.name for p in tmp_path.iterdir()] == ["a.leaf"]


def test_models_by_name_and_by_path() -> None:
    assert locate("some/folder.leaf") == Path("some/folder.leaf")
    assert locate(Path("leaf-s")) == Path("leaf-s")
    with pytest.raises(BundleError, match="leaf-x") as caught:
        shipped("leaf-x")
    assert caught.value.code is BundleCode.NOT_FOUND
    assert SHIPPED == ("leaf-s", "leaf-m")


def test_every_code_has_a_remedy_and_stands_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "bundle.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `LEAF_E_")]
    documented = {}
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        documented[cells[0].strip("`")] = cells[-1]
    assert documented == {code.value: REMEDY[code] for code in BundleCode}
