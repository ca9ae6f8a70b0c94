"""Reading a bundle: a `NAME.leaf` folder or a tar of it, checked in full before any of it is used.

The verified bytes are the ones that are used: every file is read once, hashed, and handed on from
memory, so nothing can be swapped between check and use, and nothing is unpacked to disk.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.manifest import (
    MANIFEST_NAME,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    Encoding,
    Manifest,
)
from leaf_edge.bundle.parse import parse_manifest
from leaf_edge.bundle.parse_added import ENGINES
from leaf_edge.bundle.tar import read_tar

if TYPE_CHECKING:
    from leaf_edge.bundle.keys import PublicKey


_ATTEMPTS = 3
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory.

    path: the folder or tar that it came from.
    manifest: what the bundle states about itself; text: the bytes of manifest.json.
    contents: every listed file by name.
    verified_by: id of the key that the signature was verified with; None where none was asked for.
    """

    path: Path
    manifest: Manifest
    text: bytes = field(repr=False)
    contents: Mapping[str, bytes] = field(repr=False)
    verified_by: str | None = None

    @property
    def name(self) -> str:
        """The model's name, such as `leaf-s`."""
        return self.manifest.name

    def encoding(self, name: str) -> Encoding:
        """The encoding `name`. Raises `BundleError` ENCODING where the bundle has none of that name."""
        try:
            return self.manifest.encodings[name]
        except KeyError:
            known = ", ".join(self.manifest.encodings)
            raise BundleError(
                BundleCode.ENCODING, f"{self.path}: no encoding {name!r}; the bundle has: {known}"
            ) from None

    def model(self, encoding: str) -> bytes:
        """The ONNX file of an encoding. Raises as `encoding` does."""
        return self.contents[self.encoding(encoding).file]


def load_bundle(
    path: str | Path,
    *,
    key: str | Path | Sequence[PublicKey] | None = None,
    require_signature: bool | None = None,
) -> Bundle:
    """Read and verify a bundle.

    path: a `NAME.leaf` folder, or an uncompressed tar with that one folder in it.
    key: who must have signed it: a PEM file of Ed25519 public keys, or keys that were read (bundle/keys.py).
        The signature is verified before any file but the manifest is used.
    require_signature: whether a bundle without signature is refused; by default where a key is given. A
        signature that is there must hold in any case, once a key is given.
    Always checked: schema, views version and MOS scale; that exactly the listed files are there,
    plain files under safe names; their sizes; their SHA-256. Files outside are never opened.
    Raises `BundleError`; its `code` tells what is wrong and its text what to do. Raises `KeyFileError` (a
    ValueError) for a key that cannot be read, ValueError where a signature is required and no key given.
    """
    path = Path(path)
    keys: Sequence[PublicKey] = ()
    if key is not None:
        from leaf_edge.bundle.keys import read_public_keys

        keys = read_public_keys(key) if isinstance(key, str | Path) else key
    if require_signature is None:
        require_signature = bool(keys)
    if require_signature and not keys:
        raise ValueError("a signature can be required only with the public key that it must be from")
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BundleError(BundleCode.NOT_FOUND, f"{path}: {reason}") from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise BundleError(BundleCode.NOT_FOUND, f"{path}: neither a folder nor a file")
    try:
        return (_load_folder if stat.S_ISDIR(mode) else _load_tar)(path, keys, require_signature)
    except BundleError as error:
        raise BundleError(error.code, f"{path}: {error.message}") from None
    except OSError as error:
        raise BundleError(BundleCode.FILES, f"{path}: cannot be read ({error.strerror})") from None


def _checked(text: bytes, keys: Sequence[PublicKey], require_signature: bool) -> tuple[Manifest, str | None]:
    """The manifest, and the id of the key that its signature was verified with."""
    manifest = parse_manifest(text)
    if not keys or (manifest.signature is None and not require_signature):
        return manifest, None
    from leaf_edge.bundle.sign import verify_signature

    return manifest, verify_signature(manifest, text, keys)


def _load_folder(path: Path, keys: Sequence[PublicKey], require_signature: bool) -> Bundle:
    for attempt in range(_ATTEMPTS):
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _load_opened(path, root, keys, require_signature)
        except (BundleError, OSError) as error:
            # Another process may have put a new bundle in this one's place and be removing the old files.
            replaced = not os.path.samestat(os.fstat(root), path.stat())
            refused = isinstance(error, BundleError) and error.code is not BundleCode.FILES
            if refused or not replaced or attempt == _ATTEMPTS - 1:
                raise
        finally:
            os.close(root)
    raise AssertionError("the last attempt returns or raises")


def _load_opened(path: Path, root: int, keys: Sequence[PublicKey], require_signature: bool) -> Bundle:
    text = _read(root, MANIFEST_NAME, MAX_MANIFEST_BYTES)
    manifest, verified_by = _checked(text, keys, require_signature)
    _check_listing(manifest, _walk(root, manifest))
    contents: dict[str, bytes] = {}
    for name, entry in manifest.files.items():
        contents[name] = _read(root, name, entry.size, exact=True)
    _check_hashes(manifest, contents)
    return Bundle(path, manifest, text, MappingProxyType(contents), verified_by)


def _load_tar(path: Path, keys: Sequence[PublicKey], require_signature: bool) -> Bundle:
    contents = read_tar(path)
    text = contents.pop(MANIFEST_NAME, None)
    if text is None:
        raise BundleError(BundleCode.FILES, f"{MANIFEST_NAME} is missing")
    manifest, verified_by = _checked(text, keys, require_signature)
    _check_listing(manifest, set(contents))
    for name, entry in manifest.files.items():
        _check_size(name, len(contents[name]), entry.size, exact=True)
    _check_hashes(manifest, contents)
    return Bundle(path, manifest, text, MappingProxyType(contents), verified_by)


def _open(root: int, name: str, flags: int) -> int:
    """A handle on `name` below the folder `root`, from folder to folder, so that no link is followed in any
    part of it even where one is put there meanwhile."""
    *folders, last = name.split("/")
    here = os.dup(root)
    try:
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _SAFE, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(last, flags | _SAFE, dir_fd=here)
    finally:
        os.close(here)


def _walk(root: int, manifest: Manifest) -> set[str]:
    """Names of all files under `root` but the manifest. Refuses links, devices and stray folders."""
    folders = {str(parent) for name in manifest.files for parent in PurePosixPath(name).parents}
    found: set[str] = set()
    pending = [""]
    while pending:
        prefix = pending.pop()
        handle = _open(root, prefix or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(handle) as entries:
                for entry in entries:
                    name = f"{prefix}/{entry.name}" if prefix else entry.name
                    if entry.is_symlink():
                        raise BundleError(BundleCode.PATH, f"{name!r} is a link")
                    if entry.is_dir(follow_symlinks=False) and name in folders:
                        pending.append(name)
                    elif entry.is_file(follow_symlinks=False) and name != MANIFEST_NAME:
                        found.add(name)
                    elif name != MANIFEST_NAME:
                        raise BundleError(BundleCode.FILES, f"{name!r} is not in the manifest's list")
                    if len(found) > MAX_FILES:
                        raise BundleError(BundleCode.FILES, f"more than {MAX_FILES} files")
        finally:
            os.close(handle)
    return found


def _read(root: int, name: str, limit: int, *, exact: bool = False) -> bytes:
    """The bytes of a plain file of at most (or exactly) `limit` bytes; links are not followed."""
    try:
        handle = _open(root, name, os.O_RDONLY)
    except FileNotFoundError:
        raise BundleError(BundleCode.FILES, f"{name} is missing") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise BundleError(BundleCode.PATH, f"{name} is a link, or in a folder that is one") from None
        raise BundleError(BundleCode.FILES, f"{name}: cannot be read ({error.strerror})") from None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(BundleCode.PATH, f"{name} is not a plain file")
        _check_size(name, status.st_size, limit, exact)
        data = file.read(limit + 1)
    _check_size(name, len(data), limit, exact)
    return data


def _check_size(name: str, found: int, limit: int, exact: bool) -> None:
    if found > limit or (exact and found != limit):
        allowed = f"{limit} bytes" if exact else f"at most {limit} bytes"
        raise BundleError(BundleCode.SIZE, f"{name} has {found} bytes; expected {allowed}")


def _check_listing(manifest: Manifest, found: set[str]) -> None:
    missing, extra = manifest.files.keys() - found, found - manifest.files.keys()
    if missing:
        raise BundleError(BundleCode.FILES, f"{sorted(missing)[0]} is missing")
    if extra:
        raise BundleError(BundleCode.FILES, f"{sorted(extra)[0]!r} is not in the manifest's list")


def _check_hashes(manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    for name, entry in manifest.files.items():
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != entry.sha256:
            raise BundleError(
                BundleCode.ENGINE_HASH if name.startswith(ENGINES) else BundleCode.HASH,
                f"{name}: SHA-256 is {found[:16]}...; the manifest states {entry.sha256[:16]}...",
            )
