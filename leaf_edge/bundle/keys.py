"""Ed25519 keys: made, written to PEM files, read from them.

`cryptography` is imported where a key is used, so a bundle that is loaded without one costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MAX_BYTES = 1 << 16
_MAX_KEYS = 32
_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class KeyFileError(ValueError):
    """A key file that cannot be used; the text says what was expected, what was found, what to do."""


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key. raw: its 32 bytes."""

    raw: bytes

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of `raw`."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (64 bytes) over `message` is this key's."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def to_pem(self) -> bytes:
        """As a PEM file holds it (SubjectPublicKeyInfo)."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@dataclass(frozen=True)
class PrivateKey:
    """An Ed25519 private key, which its repr does not show."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key from the system's random numbers."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @property
    def public(self) -> PublicKey:
        """The public key that belongs to it."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, 64 bytes; the same for the same message."""
        return self._key.sign(message)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """As a PEM file holds it (PKCS8), encrypted where there is a passphrase."""
        from cryptography.hazmat.primitives import serialization

        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(passphrase)
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )


def write_key_pair(
    private: Path, public: Path, passphrase: bytes | None = None, *, overwrite: bool = False
) -> PublicKey:
    """Makes a key and writes its two PEM files; the private one may be read by its owner only (mode 0600).

    passphrase: encrypts the private key; None leaves it plain.
    Raises FileExistsError where one of the files is there and `overwrite` is not given, OSError where one
    cannot be written, ValueError for an empty passphrase or one file for both.
    """
    if passphrase == b"":
        raise KeyFileError("the passphrase is empty; give one, or none at all")
    if private.absolute() == public.absolute():
        raise KeyFileError(f"{private} cannot hold both keys; name two files")
    for path in (private, public):
        if path.exists() and not overwrite:
            raise FileExistsError(17, "exists already; a key that was in use may be needed", str(path))
    key = PrivateKey.generate()
    _replace(private, key.to_pem(passphrase), 0o600)
    _replace(public, key.public.to_pem(), 0o644)
    return key.public


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Writes a file whole, never readable by more than `mode` allows, also not while it is written."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            os.fsync(handle)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_public_keys(path: str | Path) -> Sequence[PublicKey]:
    """The public keys in a PEM file: one, or several one after another, the old and the new one for instance.

    Raises `KeyFileError` for a file that holds anything else, OSError where it cannot be read.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _read(Path(path))
    if b"PRIVATE KEY-----" in data:
        raise KeyFileError(f"{path} holds a private key; expected the public one: keep this file to yourself")
    blocks = _PUBLIC.findall(data)
    if not 1 <= len(blocks) <= _MAX_KEYS:
        raise KeyFileError(
            f"{path} holds {len(blocks)} public keys in PEM; expected 1 to {_MAX_KEYS}, as "
            "leaf-edge bundle keygen writes them"
        )
    keys = []
    for block in blocks:
        try:
            key = load_pem_public_key(block)
        except Exception as error:  # the package raises ValueError and types of its own
            raise KeyFileError(f"{path} is not a PEM of a public key ({_line(error)})") from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyFileError(f"{path} holds a key of another kind; expected Ed25519")
        keys.append(PublicKey(key.public_bytes_raw()))
    return keys


def read_private_key(path: str | Path, passphrase: bytes | None = None) -> PrivateKey:
    """The private key in a PEM file (PKCS8).

    Raises `KeyFileError` where it is none, needs a passphrase or another one; OSError.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(Path(path))
    encrypted = is_encrypted(data)
    if encrypted and passphrase is None:
        raise KeyFileError(f"{path} is encrypted; give its passphrase")
    try:
        key = load_pem_private_key(data, passphrase if encrypted else None)
    except Exception as error:  # the package raises ValueError, TypeError and types of its own
        what = "the passphrase is wrong" if encrypted else "not a PEM of a private key"
        raise KeyFileError(f"{path}: {what} ({_line(error)})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} holds a key of another kind; expected Ed25519")
    return PrivateKey(key)


def is_encrypted(pem: bytes) -> bool:
    """Whether a private key's PEM needs a passphrase."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise KeyFileError(f"{path} has more than {_MAX_BYTES} bytes; expected a PEM of a key")
    return data


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]
