"""Reading the manifest: what is right comes back as it was, what is wrong is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaf_edge.bundle import BundleCode as Code
from leaf_edge.bundle import BundleError, load_bundle
from leaf_edge.bundle.manifest import MAX_FILE_BYTES, MAX_FILES
from leaf_edge.bundle.parse import check_path, parse_manifest

Json = dict[str, Any]


@pytest.fixture
def stated(tiny_bundle: Path) -> Json:
    return dict(json.loads((tiny_bundle / "manifest.json").read_text()))


def refusal(stated: Json) -> BundleError:
    with pytest.raises(BundleError) as caught:
        parse_manifest(json.dumps(stated).encode())
    return caught.value


def test_a_manifest_survives_being_written_and_read(tiny_bundle: Path) -> None:
    manifest = load_bundle(tiny_bundle).manifest
    assert parse_manifest(manifest.to_bytes()) == manifest
    assert manifest.to_bytes() == (tiny_bundle / "manifest.json").read_bytes()


EDITS: list[tuple[str, Callable[[Json], Any], Code, str]] = [
    ("newer schema", lambda m: m.update(schema=3), Code.SCHEMA, "schema 3"),
    ("schema as text", lambda m: m.update(schema="1"), Code.MANIFEST, "schema"),
    ("schema as bool", lambda m: m.update(schema=True), Code.MANIFEST, "schema"),
    ("other views", lambda m: m.update(views_version=9), Code.VIEWS, "version 9"),
    ("other scale", lambda m: m["scale"].update(name="acr100"), Code.SCALE, "acr100"),
    ("other scale version", lambda m: m["scale"].update(version=2), Code.SCALE, "version 2"),
    ("signature", lambda m: m.update(signature="ab"), Code.MANIFEST, "field signature"),
    ("no name", lambda m: m.pop("name"), Code.MANIFEST, "field name: expected a value; found nothing"),
    ("name with slash", lambda m: m.update(name="../x"), Code.MANIFEST, "field name"),
    ("unknown field", lambda m: m.update(colour=1), Code.MANIFEST, "field colour"),
    ("unknown inner field", lambda m: m["scale"].update(x=1), Code.MANIFEST, "field scale.x"),
    ("other input", lambda m: m["input"].update(dtype="float32"), Code.MANIFEST, "field input"),
    ("other faults", lambda m: m["faults"].reverse(), Code.MANIFEST, "field faults"),
    ("threshold", lambda m: m.update(reason_threshold=1.5), Code.MANIFEST, "reason_threshold"),
    ("no encoding", lambda m: m.update(encodings={}), Code.MANIFEST, "field encodings"),
    (
        "unknown encoding",
        lambda m: m["encodings"].update(npu=m["encodings"]["cpu"]),
        Code.MANIFEST,
        "encodings.npu",
    ),
    (
        "unlisted model",
        lambda m: m["encodings"]["cpu"].update(file="other.onnx"),
        Code.MANIFEST,
        "encodings.cpu.file",
    ),
    (
        "falling curve",
        lambda m: m["encodings"]["cpu"]["curve"].update(mos=[3, 2, 1]),
        Code.MANIFEST,
        "encodings.cpu.curve.raw",
    ),
    (
        "curve kind",
        lambda m: m["encodings"]["cpu"]["curve"].update(kind="spline"),
        Code.MANIFEST,
        "encodings.cpu.curve.kind",
    ),
    (
        "curve of text",
        lambda m: m["encodings"]["cpu"]["curve"].update(raw=[0, "1", 2]),
        Code.MANIFEST,
        r"curve.raw\[1\]",
    ),
    (
        "coverage",
        lambda m: m["encodings"]["cpu"]["interval"].update(coverage=1.0),
        Code.MANIFEST,
        "interval.coverage",
    ),
    ("golden format", lambda m: m["golden"][0].update(format="nv99"), Code.MANIFEST, r"golden\[0\].format"),
    ("golden size", lambda m: m["golden"][0].update(width=31), Code.MANIFEST, r"golden\[0\].file"),
    ("golden matrix", lambda m: m["golden"][1].update(matrix=None), Code.MANIFEST, r"golden\[1\].matrix"),
    ("rgb matrix", lambda m: m["golden"][0].update(matrix="bt709"), Code.MANIFEST, r"golden\[0\].matrix"),
    ("golden scores", lambda m: m["golden"][0]["scores"].pop("trt"), Code.MANIFEST, r"golden\[0\].scores"),
    (
        "golden faults",
        lambda m: m["golden"][0]["scores"]["cpu"].update(faults=[0.5]),
        Code.MANIFEST,
        "scores.cpu.faults",
    ),
    ("tolerance", lambda m: m["golden_tolerance"].update(mos=-1), Code.MANIFEST, "tolerance.mos"),
    ("files no object", lambda m: m.update(files=[]), Code.MANIFEST, "field files"),
    ("hash", lambda m: m["files"]["card.md"].update(sha256="AB" * 32), Code.MANIFEST, "card.md.sha256"),
    (
        "negative size",
        lambda m: m["files"]["card.md"].update(size=-1),
        Code.MANIFEST,
        "card.md.size",
    ),
    (
        "huge size",
        lambda m: m["files"]["card.md"].update(size=MAX_FILE_BYTES + 1),
        Code.SIZE,
        "card.md",
    ),
    (
        "huge in all",
        lambda m: [entry.update(size=MAX_FILE_BYTES) for entry in m["files"].values()],
        Code.SIZE,
        "in all",
    ),
    (
        "too many files",
        lambda m: m["files"].update({f"f{i}": m["files"]["card.md"] for i in range(MAX_FILES)}),
        Code.FILES,
        "listed",
    ),
    ("case twins", lambda m: m["files"].update({"CARD.md": m["files"]["card.md"]}), Code.PATH, "case"),
    ("lists itself", lambda m: m["files"].update({"manifest.json": m["files"]["card.md"]}), Code.PATH, ""),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "code", "text"), [e[1:] for e in EDITS], ids=[e[0] for e in EDITS])
def test_every_wrong_field_is_refused_by_name(
    stated: Json, edit: Callable[[Json], Any], code: Code, text: str
) -> None:
    edit(stated)
    error = refusal(stated)
    assert error.code is code
    assert re.search(text, str(error))
    assert error.remedy in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'{"schema": 1',
        b'{"schema": 1, "schema": 1}',
        b'{"schema": NaN}',
        b'{"schema": 1' + b"0" * 5000 + b"}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
    ],
)
def test_text_that_is_no_json_object(data: bytes) -> None:
    with pytest.raises(BundleError) as caught:
        parse_manifest(data)
    assert caught.value.code is Code.MANIFEST


def test_numbers_that_are_not_finite(stated: Json) -> None:
    text = json.dumps(stated).replace('"reason_threshold": 0.3', '"reason_threshold": 1e999')
    with pytest.raises(BundleError, match="float"):
        parse_manifest(text.encode())


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a/",
        ".hidden",
        "a/.b",
        "a\\b",
        "c:x",
        "a\0b",
        "é",
        "a\n",
        "x" * 201,
        "a/b/c/d/e",
    ],
)
def test_names_that_could_leave_the_folder(name: str) -> None:
    with pytest.raises(BundleError) as caught:
        check_path(name)
    assert caught.value.code is Code.PATH


@pytest.mark.parametrize("name", ["model.cpu.onnx", "golden/0.nv12.raw", "a/b/c/d", "A-1_2.x"])
def test_plain_names(name: str) -> None:
    assert check_path(name) == name
