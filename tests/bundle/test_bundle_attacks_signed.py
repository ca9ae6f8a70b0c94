"""Bundles that are not what was signed: each is refused with its code, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers_attacks import (
    PUBLIC,
    SCHEMA1,
    Attack,
    edit,
    nothing_is_written,
    put,
    snapshot,
    text_edit,
)

from leaf_edge.bundle import BundleCode as Code
from leaf_edge.bundle import BundleError, load_bundle
from leaf_edge.cli.main import main


def _strip(folder: Path, outside: Path) -> None:
    edit(folder, lambda m: m.update(signature=None))


def _downgrade(folder: Path, outside: Path) -> None:
    """All that schema 1 does not know goes: signature, acceptance, engines and their files."""
    shutil.rmtree(folder / "engines")

    def older(m: dict[str, Any]) -> None:
        m.update(schema=1, signature=None)
        del m["acceptance"], m["engines"]
        m["files"] = {name: entry for name, entry in m["files"].items() if not name.startswith("engines/")}

    edit(folder, older)


def _another_signature(folder: Path, outside: Path) -> None:
    """Another bundle's signature by the same key."""
    from fixtures.make import KEY

    edit(folder, lambda m: m["signature"].update(value=KEY.sign(b"another manifest").hex()))


SIGNED: dict[str, tuple[Attack, Code]] = {
    "the signature is stripped": (_strip, Code.SIGNATURE_MISSING),
    "the manifest is downgraded": (_downgrade, Code.SIGNATURE_MISSING),
    "an old bundle in its place": (
        lambda f, o: [shutil.rmtree(f), shutil.copytree(SCHEMA1, f)],
        Code.SIGNATURE_MISSING,
    ),
    "the signature is of another bundle": (_another_signature, Code.SIGNATURE_INVALID),
    "one bit of the signature": (
        lambda f, o: edit(f, lambda m: m["signature"].update(
            value=f"{int(m['signature']['value'], 16) ^ 1:0128x}")),
        Code.SIGNATURE_INVALID,
    ),
    "a signature of zeros": (
        lambda f, o: edit(f, lambda m: m["signature"].update(value="0" * 128)),
        Code.SIGNATURE_INVALID,
    ),
    "another key's id": (
        lambda f, o: edit(f, lambda m: m["signature"].update(key_id="0" * 16)),
        Code.SIGNATURE_KEY,
    ),
    "another algorithm": (
        lambda f, o: edit(f, lambda m: m["signature"].update(algorithm="none")),
        Code.MANIFEST,
    ),
    "a file and its hash are changed": (lambda f, o: put(f, "card.md", b"# mine\n"), Code.SIGNATURE_INVALID),
    "a threshold is changed": (
        text_edit('"reason_threshold": 0.3', '"reason_threshold": 0.9'), Code.SIGNATURE_INVALID
    ),
    "the mark of acceptance is removed": (
        lambda f, o: edit(f, lambda m: m.update(acceptance=None)),
        Code.SIGNATURE_INVALID,
    ),
    "an engine's flags are changed": (
        lambda f, o: edit(f, lambda m: m["engines"][0].update(flags=["fp16"])),
        Code.SIGNATURE_INVALID,
    ),
    "white space only": (text_edit('"version": "1.0.0"', '"version":  "1.0.0"'), Code.SIGNATURE_INVALID),
    "white space in the signature": (text_edit('"algorithm": ', '"algorithm":  '), Code.SIGNATURE_INVALID),
    "white space at the end": (text_edit(r"\}\s*\Z", "}\n\n"), Code.SIGNATURE_INVALID),
    "the signature stands first": (
        lambda f, o: edit(f, lambda m: [m.update(version=m.pop("version")),]),
        Code.SIGNATURE_INVALID,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNED)
def test_a_bundle_that_is_not_what_was_signed_is_refused(
    target: Path, outside: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_bundle(target, key=PUBLIC).verified_by is not None
    attack, code = SIGNED[name]
    attack(target, outside)
    before = snapshot(tmp_path)
    with nothing_is_written(), pytest.raises(BundleError) as caught:
        load_bundle(target, key=PUBLIC)
    assert caught.value.code is code
    verify = ["bundle", "verify", str(target), "--key", str(PUBLIC), "--require-signature", "--json"]
    with nothing_is_written():
        assert main(verify) == 5
    assert json.loads(capsys.readouterr().out)["code"] == code.value
    assert snapshot(tmp_path) == before
