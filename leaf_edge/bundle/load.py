"""Reading a bundle: a `NAME.leaf` folder or a tar of it, checked in full before any of it is used.

The verified bytes are the ones that are used: every file is read once, hashed, and handed on from
memory, so nothing can be swapped between check and use, and nothing is unpacked to disk.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.manifest import (
    MANIFEST_NAME,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    MAX_TOTAL_BYTES,
    Encoding,
    Manifest,
)
from leaf_edge.bundle.parse import check_path, parse_manifest

_TAR_OVERHEAD = 4096 * (MAX_FILES + 16)
"""Headers, padding and end blocks that a tar may add to its files, in bytes; generous."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory.

    path: the folder or tar that it came from.
    manifest: what the bundle states about itself; text: the bytes of manifest.json.
    contents: every listed file by name.
    """

    path: Path
    manifest: Manifest
    text: bytes = field(repr=False)
    contents: Mapping[str, bytes] = field(repr=False)

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


def load_bundle(path: str | Path) -> Bundle:
    """Read and verify a bundle.

    path: a `NAME.leaf` folder, or an uncompressed tar with that one folder in it.
    Always checked: schema, views version and MOS scale; that exactly the listed files are there,
    plain files under safe names; their sizes; their SHA-256. Files outside are never opened.
    Raises `BundleError`; its `code` tells what is wrong and its text what to do.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BundleError(BundleCode.NOT_FOUND, f"{path}: {reason}") from None
    try:
        if stat.S_ISDIR(mode):
            return _load_folder(path)
        if stat.S_ISREG(mode):
            return _load_tar(path)
    except BundleError as error:
        raise BundleError(error.code, f"{path}: {error.message}") from None
    except OSError as error:
        raise BundleError(BundleCode.FILES, f"{path}: cannot be read ({error.strerror})") from None
    raise BundleError(BundleCode.NOT_FOUND, f"{path}: neither a folder nor a file")


def _load_folder(path: Path) -> Bundle:
    text = _read(path, MANIFEST_NAME, MAX_MANIFEST_BYTES)
    manifest = parse_manifest(text)
    _check_listing(manifest, _walk(path, manifest))
    contents: dict[str, bytes] = {}
    for name, entry in manifest.files.items():
        contents[name] = _read(path, name, entry.size, exact=True)
    _check_hashes(manifest, contents)
    return Bundle(path, manifest, text, MappingProxyType(contents))


def _walk(root: Path, manifest: Manifest) -> set[str]:
    """Names of all files under `root` but the manifest. Refuses links, devices and stray folders."""
    folders = {str(parent) for name in manifest.files for parent in PurePosixPath(name).parents}
    found: set[str] = set()
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                name = f"{prefix}/{entry.name}" if prefix else entry.name
                if entry.is_symlink():
                    raise BundleError(BundleCode.PATH, f"{name} is a link")
                if entry.is_dir(follow_symlinks=False) and name in folders:
                    pending.append(name)
                elif entry.is_file(follow_symlinks=False) and name != MANIFEST_NAME:
                    found.add(name)
                elif name != MANIFEST_NAME:
                    raise BundleError(BundleCode.FILES, f"{name} is not in the manifest's list")
                if len(found) > MAX_FILES:
                    raise BundleError(BundleCode.FILES, f"more than {MAX_FILES} files")
    return found


def _read(root: Path, name: str, limit: int, *, exact: bool = False) -> bytes:
    """The bytes of a plain file of at most (or exactly) `limit` bytes; links are not followed."""
    try:
        handle = os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BundleError(BundleCode.FILES, f"{name} is missing") from None
    except OSError as error:
        code = BundleCode.PATH if (root / name).is_symlink() else BundleCode.FILES
        raise BundleError(code, f"{name}: cannot be read ({error.strerror})") from None
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
        raise BundleError(BundleCode.FILES, f"{sorted(extra)[0]} is not in the manifest's list")


def _check_hashes(manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    for name, entry in manifest.files.items():
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != entry.sha256:
            raise BundleError(
                BundleCode.HASH,
                f"{name}: SHA-256 is {found[:16]}...; the manifest states {entry.sha256[:16]}...",
            )


def _load_tar(path: Path) -> Bundle:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_TOTAL_BYTES + _TAR_OVERHEAD:
            raise BundleError(BundleCode.SIZE, f"{size} bytes are more than a bundle may have")
        try:
            # No compression: a bundle hardly compresses, and what is read stays below the file's size.
            with tarfile.open(fileobj=file, mode="r:") as archive:
                contents = _read_members(archive)
        except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError) as error:
            raise BundleError(BundleCode.ARCHIVE, f"not a plain tar of a bundle ({error})") from None
    text = contents.pop(MANIFEST_NAME, None)
    if text is None:
        raise BundleError(BundleCode.FILES, f"{MANIFEST_NAME} is missing")
    manifest = parse_manifest(text)
    _check_listing(manifest, set(contents))
    for name, entry in manifest.files.items():
        _check_size(name, len(contents[name]), entry.size, exact=True)
    _check_hashes(manifest, contents)
    return Bundle(path, manifest, text, MappingProxyType(contents))


def _read_members(archive: tarfile.TarFile) -> dict[str, bytes]:
    """Files of the one folder in the archive, by their path below it."""
    contents: dict[str, bytes] = {}
    root: str | None = None
    count = 0
    while (member := archive.next()) is not None:
        count += 1
        if count > 2 * MAX_FILES:
            raise BundleError(BundleCode.ARCHIVE, f"more than {2 * MAX_FILES} entries")
        if not (member.isdir() or member.isreg()) or member.issparse():
            raise BundleError(BundleCode.PATH, f"{member.name[:80]!r} is neither a plain file nor a folder")
        name = member.name.removeprefix("./")
        if name in ("", ".") and member.isdir():
            continue
        folder, _, inner = name.partition("/")
        check_path(folder)
        if root is None:
            root = folder
        if folder != root or (member.isreg() and not inner):
            raise BundleError(
                BundleCode.ARCHIVE, f"expected one folder NAME.leaf; found {root!r} and {name[:80]!r}"
            )
        if not inner:
            continue
        check_path(inner)
        if member.isdir():
            continue
        if inner in contents:
            raise BundleError(BundleCode.ARCHIVE, f"{inner} is in the archive twice")
        limit = MAX_MANIFEST_BYTES if inner == MANIFEST_NAME else MAX_FILE_BYTES
        if not 0 <= member.size <= limit:
            raise BundleError(
                BundleCode.SIZE, f"{inner}: {member.size} bytes are stated; {limit} are allowed"
            )
        file = archive.extractfile(member)
        contents[inner] = b"" if file is None else file.read()
    return contents
