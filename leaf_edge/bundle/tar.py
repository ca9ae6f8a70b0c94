"""Reading the tar of a bundle into memory: plain files of one folder, and nothing else.

A small part of the format is understood, and all else is refused: POSIX ustar headers, GNU's and pax's long
names. No compression, links, devices, sparse files, sizes beyond the header's octal field or members of one
name. Nothing is unpacked to disk, and no more is read than the file holds. Layout: POSIX.1-2017, pax,
"ustar Interchange Format" and "pax Extended Header".
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, NoReturn

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.manifest import (
    MANIFEST_NAME,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    MAX_TOTAL_BYTES,
)
from leaf_edge.bundle.paths import check_path

_BLOCK = 512
_OVERHEAD = 4096 * (MAX_FILES + 16)
"""Headers, padding and end blocks that a tar may add to its files, in bytes; generous."""
_MAX_HEADERS = 4 * MAX_FILES
_MAX_EXTENDED = 1 << 14
_POSIX, _GNU = b"ustar\x0000", b"ustar  \x00"
_FILE, _FOLDER, _LONG_NAME, _PAX, _PAX_GLOBAL = b"0\0", b"5", b"L", b"x", b"g"
_HARMLESS = ("atime", "ctime", "mtime", "uid", "gid", "uname", "gname", "comment", "SCHILY.", "LIBARCHIVE.")
"""Beginnings of pax keywords that do not change which bytes a file has, nor its name."""


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
        return _read_members(file)


def _read_members(file: BinaryIO) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    root: str | None = None
    long_name: bytes | None = None
    for _ in range(_MAX_HEADERS):
        header = _exactly(file, _BLOCK)
        if header == bytes(_BLOCK):
            _check_end(file)
            return contents
        kind, name, size = _header(header)
        if kind in (_LONG_NAME, _PAX, _PAX_GLOBAL):
            if long_name is not None or size > _MAX_EXTENDED:
                _refuse("an extended header that is too long, or two for one file")
            data = _data(file, size)
            long_name = _pax_path(data) if kind in (_PAX, _PAX_GLOBAL) else data.rstrip(b"\0")
            if long_name is not None and kind == _PAX_GLOBAL:
                _refuse("one name for all files")
            continue
        name, long_name = long_name or name, None
        if kind not in _FILE and kind != _FOLDER:
            raise BundleError(BundleCode.PATH, f"{name[:80]!r} is neither a plain file nor a folder")
        text = name.decode("ascii", "backslashreplace").removeprefix("./")
        is_file = kind != _FOLDER
        folder, _, inner = (text if is_file else text.removesuffix("/")).partition("/")
        if not is_file and folder in ("", ".") and not inner:
            continue
        root = root or check_path(folder)
        if check_path(folder) != root or (is_file and not inner):
            _refuse(f"expected one folder NAME.leaf; found {root!r} and {text[:80]!r}")
        if inner:
            check_path(inner)
        limit = 0 if not is_file else MAX_MANIFEST_BYTES if inner == MANIFEST_NAME else MAX_FILE_BYTES
        if size > limit:
            raise BundleError(BundleCode.SIZE, f"{text}: {size} bytes are stated; {limit} are allowed")
        if is_file:
            if inner in contents:
                _refuse(f"{inner} is in the archive twice")
            contents[inner] = _data(file, size)
            if len(contents) > MAX_FILES + 1:
                _refuse(f"more than {MAX_FILES} files and the manifest")
    _refuse(f"more than {_MAX_HEADERS} entries")


def _header(block: bytes) -> tuple[bytes, bytes, int]:
    """Kind, name and size of data that a header block states."""
    posix = block[257:265] == _POSIX
    if not posix and block[257:265] != _GNU:
        _refuse("no tar header where one is due; a bundle's tar is not compressed")
    if _octal(block[148:156]) != sum(block[:148]) + 8 * ord(" ") + sum(block[156:]):
        _refuse("a header's checksum is wrong")
    if block[124] & 0x80:
        raise BundleError(BundleCode.SIZE, "a file's stated size is negative or beyond all bounds")
    name = _text(block[:100])
    if posix and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    return block[156:157], name, _octal(block[124:136])


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        _refuse("a header's number is not octal")
    return int(digits, 8)


def _text(field: bytes) -> bytes:
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise BundleError(BundleCode.PATH, f"a name goes on after its end: {field[:80]!r}")
    return text


def _pax_path(data: bytes) -> bytes | None:
    """The name in a pax header, records of `LENGTH KEYWORD=VALUE\\n`; refuses what changes anything else."""
    path = None
    while data:
        length_text, space, _ = data.partition(b" ")
        length = int(length_text) if len(length_text) < 6 and length_text.isdigit() else 0
        record, data = data[:length], data[length:]
        keyword, equals, value = record[len(length_text) + 1 :].partition(b"=")
        if not (space and equals and len(record) == length and value.endswith(b"\n")):
            _refuse("a pax header is damaged")
        name = keyword.decode("ascii", "backslashreplace")
        if name == "path" and path is None:
            path = value[:-1]
        elif not name.startswith(_HARMLESS):
            _refuse(f"a pax header sets {name[:40]!r}, which no bundle needs")
    return path


def _data(file: BinaryIO, size: int) -> bytes:
    """`size` bytes of the archive; the padding after them is passed over."""
    data = _exactly(file, size)
    _exactly(file, -size % _BLOCK)
    return data


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        _refuse("the archive is cut off")
    return data


def _check_end(file: BinaryIO) -> None:
    while rest := file.read(1 << 16):
        if rest.strip(b"\0"):
            _refuse("there is more after the archive's end")


def _refuse(why: str) -> NoReturn:
    raise BundleError(BundleCode.ARCHIVE, f"not a plain tar of a bundle ({why})")
