"""Reading the tar of a bundle into memory: plain files of one folder, and nothing else.

Nothing is unpacked to disk. What a tar may hold is kept small: no compression, no links, devices or sparse
files, no two members of one name.
"""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.manifest import (
    MANIFEST_NAME,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    MAX_TOTAL_BYTES,
)
from leaf_edge.bundle.paths import check_path

_OVERHEAD = 4096 * (MAX_FILES + 16)
"""Headers, padding and end blocks that a tar may add to its files, in bytes; generous."""
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)


def read_tar(path: Path) -> dict[str, bytes]:
    """Files of the one folder in the tar at `path`, by their path below it.

    Raises `BundleError` ARCHIVE, PATH or SIZE, OSError where it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(BundleCode.NOT_FOUND, "neither a folder nor a file")
        if status.st_size > MAX_TOTAL_BYTES + _OVERHEAD:
            raise BundleError(BundleCode.SIZE, f"{status.st_size} bytes are more than a bundle may have")
        try:
            # No compression: a bundle hardly compresses, and what is read stays below the file's size.
            with tarfile.open(fileobj=file, mode="r:") as archive:
                return _read_members(archive, status.st_size)
        except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError) as error:
            raise BundleError(BundleCode.ARCHIVE, f"not a plain tar of a bundle ({error})") from None


def _read_members(archive: tarfile.TarFile, size: int) -> dict[str, bytes]:
    """Files of the one folder in the archive, by their path below it."""
    contents: dict[str, bytes] = {}
    root: str | None = None
    count = 0
    while (member := archive.next()) is not None:
        count += 1
        if count > 2 * MAX_FILES:
            raise BundleError(BundleCode.ARCHIVE, f"more than {2 * MAX_FILES} entries")
        if member.type not in _PLAIN or member.issparse():
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
        if member.offset_data + member.size > size:
            raise BundleError(BundleCode.ARCHIVE, f"{inner} is cut off: the archive ends before it does")
        file = archive.extractfile(member)
        contents[inner] = b"" if file is None else file.read()
    return contents
