"""Hostile folders: each is refused with its code, and nothing beside the bundle is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers_attacks import Attack, edit, fifo, nothing_is_written, put, replace_by_link, snapshot, text_edit

from leaf_edge.bundle import BundleCode as Code
from leaf_edge.bundle import BundleError, load_bundle
from leaf_edge.cli.main import main


def _name(name: str) -> Attack:
    """A file listed under a hostile name, with the size and hash of a canary's file."""

    def attack(folder: Path, outside: Path) -> None:
        edit(
            folder,
            lambda m: m["files"].update({name.replace("OUTSIDE", str(outside)): m["files"]["card.md"]}),
        )

    return attack


NAMES = [
    "../../outside/secret", "golden/../../../outside/secret", "..", ".", "./card2.md", "a/./b", "a//b", "a/",
    "OUTSIDE/secret", "/etc/passwd", "~/x", "C:/x", "C:x", "c:\\x", "..\\..\\outside\\secret",
    "\\\\host\\share\\x",
    "%2e%2e/secret", "a\0b", "card.md\0.png", "a\nb", "a\x1bb", "\u2025/x", "..\u2215x", "\uff0e\uff0e/x",
    "a\u202emd.x", "c\u0430rd.md", "card\u200b.md", "e\u0301.md", "\ufeffcard.md", 
    "CON", "nul.txt", "golden/aux",
    "COM1.raw", "card.", "card ", ".hidden", "-rf/x", "a/b/c/d/e", "x" * 201, "",
    "CARD.md", "Golden/0.rgb.raw",
    "golden", "card.md/x", "MANIFEST.json", "manifest.json",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_refused_before_any_file_is_opened(
    target: Path, outside: Path, tmp_path: Path, name: str
) -> None:
    _name(name)(target, outside)
    before = snapshot(tmp_path)
    with nothing_is_written(), pytest.raises(BundleError) as caught:
        load_bundle(target)
    assert caught.value.code is Code.PATH
    assert "\0" not in str(caught.value) and "\x1b" not in str(caught.value)
    assert snapshot(tmp_path) == before


def _whole(text: bytes) -> Attack:
    return lambda folder, outside: (folder / "manifest.json").write_bytes(text)


def _size(value: object) -> Attack:
    return lambda folder, outside: edit(folder, lambda m: m["files"]["card.md"].update(size=value))


def _swap(folder: Path, outside: Path) -> None:
    a, b = folder / "model.cpu.onnx", folder / "card.md"
    a.rename(folder / "x"), b.rename(a), (folder / "x").rename(b)


FOLDERS: dict[str, tuple[Attack, Code]] = {
    "a file is a link to one outside": (replace_by_link("card.md", "OUTSIDE/card.md"), Code.PATH),
    "a file is a relative link": (replace_by_link("card.md", "../../outside/card.md"), Code.PATH),
    "a file is a link to itself": (replace_by_link("card.md", "card.md"), Code.PATH),
    "a folder is a link": (replace_by_link("golden", "OUTSIDE/golden"), Code.PATH),
    "the manifest is a link": (replace_by_link("manifest.json", "OUTSIDE/secret"), Code.PATH),
    "the manifest is a link to a device": (replace_by_link("manifest.json", "/dev/zero"), Code.PATH),
    "a file is a pipe": (fifo("card.md"), Code.FILES),
    "the manifest is a pipe": (fifo("manifest.json"), Code.PATH),
    "a file is hugely sparse": (lambda f, o: os.truncate(f / "card.md", 1 << 40), Code.SIZE),
    "the manifest is hugely sparse": (lambda f, o: os.truncate(f / "manifest.json", 1 << 40), Code.SIZE),
    "a file is cut off": (lambda f, o: os.truncate(f / "model.cpu.onnx", 10), Code.SIZE),
    "the manifest is cut off": (lambda f, o: os.truncate(f / "manifest.json", 900), Code.MANIFEST),
    "two files are swapped": (_swap, Code.SIZE),
    "a plan has other bytes": (
        lambda f, o: (f / "engines/10.3.0-sm87-linux-aarch64.plan").write_bytes(b"x" * 440),
        Code.ENGINE_HASH,
    ),
    "a plan that no engine names": (
        lambda f, o: put(f, "engines/9.9.9-sm87-linux-aarch64.plan", b"x"),
        Code.MANIFEST,
    ),
    "a negative size": (_size(-1), Code.MANIFEST),
    "a size beyond 64 bits": (_size(1 << 80), Code.MANIFEST),
    "a size that is a fraction": (_size(7.5), Code.MANIFEST),
    "a size that is text": (_size("7"), Code.MANIFEST),
    "a size above the bound": (_size(1 << 40), Code.SIZE),
    "a size that lies by one": (_size(8), Code.SIZE),
    "sizes that are too large in all": (
        lambda f, o: edit(f, lambda m: [e.update(size=1 << 28) for e in m["files"].values()]),
        Code.SIZE,
    ),
    "a field twice": (text_edit('"version": "1.0.0"', '"version": "1.0.0", "version": "9"'), Code.MANIFEST),
    "a nested field twice": (text_edit('"size": 7', '"size": 7, "size": 7'), Code.MANIFEST),
    "a field twice, once in escapes": (
        text_edit('"version": "1.0.0"', '"version": "1.0.0", "versi\\u006fn": "9"'),
        Code.MANIFEST,
    ),
    "NaN": (text_edit('"srcc": 0.0', '"srcc": NaN'), Code.MANIFEST),
    "infinity": (text_edit('"srcc": 0.0', '"srcc": -Infinity'), Code.MANIFEST),
    "a number beyond float64": (text_edit('"srcc": 0.0', '"srcc": 1e999'), Code.MANIFEST),
    "a number of 20,000 digits": (text_edit('"srcc": 0.0', '"srcc": ' + "9" * 20_000), Code.MANIFEST),
    "half a character": (text_edit('"made up"', '"\\ud800"'), Code.MANIFEST),
    "lists in lists in lists": (text_edit('"srcc": 0.0', '"srcc": ' + "[" * 50_000), Code.MANIFEST),
    "closed lists in lists": (
        text_edit('"srcc": 0.0', '"srcc": ' + "[" * 50_000 + "]" * 50_000),
        Code.MANIFEST,
    ),
    "objects in objects": (
        text_edit('"srcc": 0.0', '"srcc": ' + '{"a":' * 20_000 + "1" + "}" * 20_000),
        Code.MANIFEST,
    ),
    "UTF-16": (_whole('{"schema": 2}'.encode("utf-16")), Code.MANIFEST),
    "bytes that are no UTF-8": (_whole(b'{"schema": "\xc0\xaf"}'), Code.MANIFEST),
    "a newer schema": (lambda f, o: edit(f, lambda m: m.update(schema=3)), Code.SCHEMA),
    "schema 0": (lambda f, o: edit(f, lambda m: m.update(schema=0)), Code.MANIFEST),
    "schema 1 that keeps the new fields": (
        lambda f, o: edit(f, lambda m: m.update(schema=1, signature=None)),
        Code.MANIFEST,
    ),
    "schema 1 that keeps the signature": (
        lambda f, o: edit(f, lambda m: [m.update(schema=1), m.pop("engines"), m.pop("acceptance")]),
        Code.MANIFEST,
    ),
    "schema 1 that keeps the plan": (
        lambda f, o: edit(
            f, lambda m: [m.update(schema=1, signature=None), m.pop("engines"), m.pop("acceptance")]
        ),
        Code.MANIFEST,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_hostile_folder_is_refused_and_nothing_outside_is_touched(
    target: Path, outside: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    attack, code = FOLDERS[name]
    attack(target, outside)
    before = snapshot(tmp_path)
    with nothing_is_written(), pytest.raises(BundleError) as caught:
        load_bundle(target)
    assert caught.value.code is code
    with nothing_is_written():  # the verbs that write refuse it before they write
        assert main(["bundle", "pack", str(target), str(tmp_path / "out.tar")]) == 5
    assert code.value in capsys.readouterr().err
    assert snapshot(tmp_path) == before
