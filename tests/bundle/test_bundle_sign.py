"""Keys and signatures: what is signed, who may have signed it, and which key files are taken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fixtures.make import KEY
from helpers_attacks import PUBLIC, SCHEMA1, SCHEMA2

import leaf_edge
from leaf_edge.bundle import BundleCode as Code
from leaf_edge.bundle import BundleError, load_bundle, pack, unpack
from leaf_edge.bundle.keys import (
    KeyFileError,
    PrivateKey,
    read_private_key,
    read_public_keys,
    write_key_pair,
)
from leaf_edge.bundle.sign import signed
from leaf_edge.bundle.write import save, store


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A public key that signed nothing."""
    write_key_pair(tmp_path / "other.pem", tmp_path / "other.pub.pem")
    return tmp_path / "other.pub.pem"


def code_of(path: Path, key: Path, **options: bool) -> Code:
    with pytest.raises(BundleError) as caught:
        load_bundle(path, key=key, **options)
    return caught.value.code


def _message(text: bytes) -> bytes:
    """The signed bytes, found as docs/bundle.md tells, with no code of leaf-edge."""
    start = text.rindex(b'\n  "signature": {')
    return text[:start] + b'\n  "signature": null\n}\n'


def test_the_signature_is_over_the_manifest_with_null_in_its_place() -> None:
    text = (SCHEMA2 / "manifest.json").read_bytes()
    stated = json.loads(text)["signature"]
    key = serialization.load_pem_public_key(PUBLIC.read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    key.verify(bytes.fromhex(stated["value"]), _message(text))
    assert json.loads(_message(text)) == {**json.loads(text), "signature": None}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_openssl_verifies_it_too(tmp_path: Path) -> None:
    text = (SCHEMA2 / "manifest.json").read_bytes()
    (tmp_path / "signed").write_bytes(_message(text))
    (tmp_path / "signature").write_bytes(bytes.fromhex(json.loads(text)["signature"]["value"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(PUBLIC), "-rawin"]
    command += ["-in", str(tmp_path / "signed"), "-sigfile", str(tmp_path / "signature")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (tmp_path / "signed").write_bytes(_message(text) + b" ")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_a_signed_bundle_stays_so_as_tar_and_back_and_is_loaded_by_key(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SCHEMA1, tmp_path / "a.leaf"))
    assert load_bundle(folder).verified_by is None
    bundle = store(signed(load_bundle(folder), KEY))
    assert bundle.manifest.schema == 2
    assert load_bundle(folder).verified_by is None, "without a key nothing is verified"
    assert load_bundle(folder, key=PUBLIC).verified_by == KEY.public.id
    assert load_bundle(pack(folder, tmp_path / "a.tar"), key=PUBLIC).text == bundle.text
    unpack(tmp_path / "a.tar", tmp_path / "b.leaf")
    assert (tmp_path / "b.leaf" / "manifest.json").read_bytes() == bundle.text
    again = store(signed(load_bundle(tmp_path / "a.tar"), KEY))
    assert again.text == bundle.text and again.path == tmp_path / "a.tar"
    assert leaf_edge.load(folder, key=PUBLIC, self_test=True).name == "tiny"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.leaf", "a.tar", "b.leaf"]


def test_signing_changes_nothing_but_schema_and_signature(tmp_path: Path) -> None:
    old = load_bundle(SCHEMA1)
    new = save(signed(old, KEY), tmp_path / "a.leaf")
    stated = {**old.manifest.to_json(), "signature": None}
    assert {**new.manifest.to_json(), "signature": None} == stated
    assert new.contents == old.contents


def test_a_wrong_key_a_missing_signature_and_an_unsigned_bundle_that_is_allowed(other: Path) -> None:
    assert code_of(SCHEMA2, other) is Code.SIGNATURE_KEY
    assert code_of(SCHEMA1, PUBLIC) is Code.SIGNATURE_MISSING
    assert code_of(SCHEMA1, PUBLIC, require_signature=True) is Code.SIGNATURE_MISSING
    assert load_bundle(SCHEMA1, key=PUBLIC, require_signature=False).verified_by is None
    assert code_of(SCHEMA2, other, require_signature=False) is Code.SIGNATURE_KEY
    with pytest.raises(ValueError, match="only with the public key"):
        load_bundle(SCHEMA2, require_signature=True)
    with pytest.raises(BundleError) as caught:
        leaf_edge.load(SCHEMA2, key=other)
    assert caught.value.code is Code.SIGNATURE_KEY


def test_a_file_of_several_keys_takes_bundles_of_each(other: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"the old one\n" + other.read_bytes() + b"\n" + PUBLIC.read_bytes())
    assert len(read_public_keys(both)) == 2
    assert load_bundle(SCHEMA2, key=both).verified_by == KEY.public.id
    renewed = signed(load_bundle(SCHEMA2), read_private_key(tmp_path / "other.pem"))
    written = save(renewed, tmp_path / "a.leaf")
    assert load_bundle(written.path, key=both).verified_by == renewed.verified_by != KEY.public.id
    assert code_of(written.path, PUBLIC) is Code.SIGNATURE_KEY


def test_the_private_key_may_be_read_by_its_owner_only_and_is_never_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "k.pem", tmp_path / "k.pub.pem"
    mask = os.umask(0)
    try:
        key = write_key_pair(private, public)
    finally:
        os.umask(mask)
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert read_private_key(private).public == key == read_public_keys(public)[0]
    assert len(key.id) == 16 and "raw" not in repr(read_private_key(private))
    before = private.read_bytes(), public.read_bytes()
    with pytest.raises(FileExistsError):
        write_key_pair(private, public)
    with pytest.raises(FileExistsError):
        write_key_pair(tmp_path / "new.pem", public)
    assert (private.read_bytes(), public.read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k.pem", "k.pub.pem"]
    with pytest.raises(KeyFileError, match="both keys"):
        write_key_pair(tmp_path / "x.pem", tmp_path / "x.pem")


def test_a_passphrase_encrypts_the_private_key(tmp_path: Path) -> None:
    private = tmp_path / "k.pem"
    key = write_key_pair(private, tmp_path / "p.pem", b"correct horse")
    assert b"ENCRYPTED" in private.read_bytes()
    assert read_private_key(private, b"correct horse").public == key
    with pytest.raises(KeyFileError, match="passphrase is wrong"):
        read_private_key(private, b"wrong")
    with pytest.raises(KeyFileError, match="give its passphrase"):
        read_private_key(private)
    with pytest.raises(KeyFileError, match="empty"):
        write_key_pair(tmp_path / "e.pem", tmp_path / "f.pem", b"")


@pytest.mark.parametrize("kind", ["rsa", "curve", "private", "empty", "text", "damaged", "large"])
def test_key_files_of_another_kind_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "k.pem"
    spki = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    if kind == "rsa":
        path.write_bytes(rsa.generate_private_key(65537, 2048).public_key().public_bytes(*spki))
    elif kind == "curve":
        path.write_bytes(ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*spki))
    elif kind == "private":
        path.write_bytes(PrivateKey.generate().to_pem())
    else:
        damaged = PUBLIC.read_bytes().replace(b"MCow", b"MCox")
        data = {"empty": b"", "text": b"no key\n", "damaged": damaged, "large": b"x" * (1 << 17)}
        path.write_bytes(data[kind])
    with pytest.raises(KeyFileError, match=r"k\.pem"):
        load_bundle(SCHEMA2, key=path)
    if kind != "private":
        with pytest.raises(KeyFileError, match=r"k\.pem"):
            read_private_key(path)


def test_without_a_key_no_cryptography_is_imported() -> None:
    program = (
        "import sys; from leaf_edge.bundle import load_bundle, locate; "
        f"load_bundle(locate('leaf-s')); load_bundle({str(SCHEMA2)!r}); "
        "assert 'cryptography' not in sys.modules; assert 'onnxruntime' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
