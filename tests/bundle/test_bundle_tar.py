"""The tar reader: what it takes, and hostile archives, written header by header."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers_attacks import PUBLIC, SCHEMA2, nothing_is_written, snapshot

from leaf_edge.bundle import BundleCode as Code
from leaf_edge.bundle import BundleError, load_bundle, pack
from leaf_edge.bundle.manifest import MAX_FILES
from leaf_edge.cli.main import main


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The signed fixture as a tar."""
    return pack(SCHEMA2, tmp_path_factory.mktemp("tar") / "tiny.tar").read_bytes()


def header(
    name: bytes,
    *,
    kind: bytes = b"0",
    size: bytes | int = 0,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
) -> bytes:
    """A header block with a right checksum, whatever else is in it."""
    stated = size if isinstance(size, bytes) else b"%011o\0" % size
    fields = (
        name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + stated + b"0" * 11 + b"\0" + b" " * 8
        + kind + link.ljust(100, b"\0") + magic + bytes(32) + bytes(32) + b"0000000\0" * 2
        + prefix.ljust(155, b"\0") + bytes(12)
    )  # fmt: skip
    assert len(fields) == 512
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


def member(name: bytes, data: bytes, kind: bytes = b"0") -> bytes:
    return header(name, kind=kind, size=len(data)) + data + bytes(-len(data) % 512)


def pax(keyword: bytes, value: bytes) -> bytes:
    """One record of a pax header."""
    length = len(keyword) + len(value) + 3
    while len(b"%d" % length) + len(keyword) + len(value) + 3 != length:
        length += 1
    return b"%d %s=%s\n" % (length, keyword, value)


END = bytes(1024)
CARD = member(b"tiny.leaf/card.md", b"# tiny\n")


def test_what_pack_writes_is_the_bundle_with_its_signature_and_always_the_same(
    good: bytes, tmp_path: Path
) -> None:
    tar = tmp_path / "x.tar"
    tar.write_bytes(good)
    loaded, original = load_bundle(tar, key=PUBLIC), load_bundle(SCHEMA2, key=PUBLIC)
    assert (loaded.text, loaded.contents) == (original.text, original.contents)
    assert loaded.verified_by == original.verified_by == original.manifest.signature.key_id  # type: ignore[union-attr]
    assert pack(tar, tmp_path / "again.tar").read_bytes() == good
    with tarfile.open(tar) as archive:
        assert [(m.uid, m.gid, m.mtime, m.mode) for m in archive] == [(0, 0, 0, 0o644)] * 8
        assert archive.getnames() == sorted(archive.getnames())


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_format_are_read_as_they_are(tmp_path: Path, style: int) -> None:
    """A folder's name is free, so an archive may need long names though no file of a bundle does."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=style) as archive:
        archive.add(SCHEMA2, "n" * 90)
    assert load_bundle(path, key=PUBLIC).name == "tiny"


def test_pax_headers_that_change_nothing_are_passed_over(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    comment = member(b"pax_global_header", pax(b"comment", b"0" * 40), b"g")
    times = member(b"x", pax(b"mtime", b"1.5") + pax(b"SCHILY.xattr.user.a", b"b"), b"x")
    path.write_bytes(comment + times + good)
    assert load_bundle(path, key=PUBLIC).name == "tiny"


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], Code]] = {
    "parent folder": (lambda g: member(b"tiny.leaf/../../evil", b"x") + g, Code.PATH),
    "parent folder first": (lambda g: member(b"../outside/evil", b"x") + g, Code.PATH),
    "absolute": (lambda g: member(b"/evil", b"x") + g, Code.PATH),
    "absolute inside": (lambda g: member(b"tiny.leaf//etc/evil", b"x") + g, Code.PATH),
    "parent in the prefix": (lambda g: header(b"evil", prefix=b"tiny.leaf/../..") + g, Code.PATH),
    "drive letter": (lambda g: member(b"C:/evil", b"x") + g, Code.PATH),
    "backslashes": (lambda g: member(b"tiny.leaf\\..\\..\\evil", b"x") + g, Code.PATH),
    "no ASCII": (lambda g: member("tiny.leaf/\u2025/evil".encode(), b"x") + g, Code.PATH),
    "a name after the name's end": (lambda g: member(b"tiny.leaf/a\0/../../evil", b"x") + g, Code.PATH),
    "parent in GNU's long name": (
        lambda g: member(b"x", b"tiny.leaf/../../outside/evil\0", b"L") + CARD + g, Code.PATH),
    "parent in pax's name": (
        lambda g: member(b"x", pax(b"path", b"tiny.leaf/../../outside/evil"), b"x") + CARD + g, Code.PATH),
    "NUL in pax's name": (
        lambda g: member(b"x", pax(b"path", b"tiny.leaf/a\0b"), b"x") + CARD + g, Code.PATH),
    "pax's name for all files": (
        lambda g: member(b"x", pax(b"path", b"tiny.leaf/a"), b"g") + CARD + g, Code.ARCHIVE),
    "symbolic link": (lambda g: header(b"tiny.leaf/a", kind=b"2", link=b"/etc/passwd") + g, Code.PATH),
    "hard link": (lambda g: header(b"tiny.leaf/a", kind=b"1", link=b"tiny.leaf/card.md") + g, Code.PATH),
    "folder that is a link": (lambda g: header(b"tiny.leaf", kind=b"2", link=b"../outside") + g, Code.PATH),
    "pax's link": (
        lambda g: member(b"x", pax(b"linkpath", b"/etc/passwd"), b"x") + CARD + g, Code.ARCHIVE),
    "character device": (lambda g: header(b"tiny.leaf/a", kind=b"3") + g, Code.PATH),
    "block device": (lambda g: header(b"tiny.leaf/a", kind=b"4") + g, Code.PATH),
    "pipe": (lambda g: header(b"tiny.leaf/a", kind=b"6") + g, Code.PATH),
    "contiguous file": (lambda g: header(b"tiny.leaf/a", kind=b"7") + g, Code.PATH),
    "old sparse file": (lambda g: header(b"tiny.leaf/a", kind=b"S") + g, Code.PATH),
    "multi-volume": (lambda g: header(b"tiny.leaf/a", kind=b"M") + g, Code.PATH),
    "unknown kind": (lambda g: header(b"tiny.leaf/a", kind=b"Z") + g, Code.PATH),
    "pax's sparse file": (
        lambda g: member(b"x", pax(b"GNU.sparse.realsize", b"9" * 15) + pax(b"GNU.sparse.major", b"1"), b"x")
        + CARD + g, Code.ARCHIVE),
    "pax's own size": (lambda g: member(b"x", pax(b"size", b"9" * 15), b"x") + CARD + g, Code.ARCHIVE),
    "pax's character set": (
        lambda g: member(b"x", pax(b"hdrcharset", b"BINARY"), b"x") + CARD + g, Code.ARCHIVE),
    "pax record without its length": (
        lambda g: member(b"x", b"9" * 8000 + b" path=a\n", b"x") + CARD + g, Code.ARCHIVE),
    "pax record that is longer than it says": (
        lambda g: member(b"x", b"12 path=abcdefgh\n", b"x") + CARD + g, Code.ARCHIVE),
    "pax record of no length": (lambda g: member(b"x", b"0 path=a\n", b"x") + CARD + g, Code.ARCHIVE),
    "giant pax header": (lambda g: header(b"x", kind=b"x", size=1 << 30) + g, Code.ARCHIVE),
    "giant long name": (lambda g: member(b"x", b"a" * (1 << 15), b"L") + CARD + g, Code.ARCHIVE),
    "a chain of long names": (lambda g: member(b"x", b"a\0", b"L") * 3000 + g, Code.ARCHIVE),
    "a chain of pax headers": (lambda g: member(b"x", pax(b"comment", b"a"), b"x") * 3000 + g, Code.ARCHIVE),
    "a chain of folders": (lambda g: header(b"tiny.leaf/", kind=b"5") * 3000 + g, Code.ARCHIVE),
    "a folder with data": (lambda g: member(b"tiny.leaf/", b"data", b"5") + g, Code.SIZE),
    "size beyond the archive": (
        lambda g: header(b"tiny.leaf/a", size=1 << 20) + g, Code.ARCHIVE),
    "size above the bound": (lambda g: header(b"tiny.leaf/a", size=1 << 32) + g, Code.SIZE),
    "size in base 256": (
        lambda g: header(b"tiny.leaf/a", size=b"\x80" + bytes(7) + b"\x7f" * 4) + g, Code.SIZE),
    "negative size": (lambda g: header(b"tiny.leaf/a", size=b"\xff" * 12) + g, Code.SIZE),
    "size with a sign": (lambda g: header(b"tiny.leaf/a", size=b"-0000000777\0") + g, Code.ARCHIVE),
    "size that is no number": (lambda g: header(b"tiny.leaf/a", size=b"0x000000777\0") + g, Code.ARCHIVE),
    "size that is empty": (lambda g: header(b"tiny.leaf/a", size=bytes(12)) + g, Code.ARCHIVE),
    "manifest above its bound": (
        lambda g: header(b"tiny.leaf/manifest.json", size=1 << 21) + g, Code.SIZE),
    "a file twice": (lambda g: CARD + g, Code.ARCHIVE),
    "the manifest twice": (lambda g: member(b"tiny.leaf/manifest.json", b"{}") + g, Code.ARCHIVE),
    "names that differ in case": (lambda g: member(b"tiny.leaf/Card.md", b"x") + g, Code.FILES),
    "a second folder": (lambda g: member(b"other.leaf/card.md", b"x") + g, Code.ARCHIVE),
    "a file beside the folder": (lambda g: member(b"card.md", b"x") + g, Code.ARCHIVE),
    "an unlisted file": (lambda g: member(b"tiny.leaf/more", b"x") + g, Code.FILES),
    "a hidden file": (lambda g: member(b"tiny.leaf/.x", b"x") + g, Code.PATH),
    "very many files": (
        lambda g: b"".join(member(b"tiny.leaf/f%d" % i, b"") for i in range(MAX_FILES + 2)) + END,
        Code.ARCHIVE),
    "a wrong checksum": (lambda g: g[:148] + b"000000\0 " + g[156:], Code.ARCHIVE),
    "a header without its magic": (lambda g: header(b"tiny.leaf/a", magic=bytes(8)) + g, Code.ARCHIVE),
    "more after its end": (lambda g: g + CARD, Code.ARCHIVE),
    "no end": (lambda g: g.rstrip(b"\0") + bytes(-len(g.rstrip(b"\0")) % 512), Code.ARCHIVE),
    "nothing": (lambda g: b"", Code.ARCHIVE),
    "nothing but an end": (lambda g: END, Code.FILES),
    "gzip bomb": (lambda g: gzip.compress(bytes(1 << 24)), Code.ARCHIVE),
    "gzip of a good one": (gzip.compress, Code.ARCHIVE),
    "bzip2 of a good one": (bz2.compress, Code.ARCHIVE),
    "xz of a good one": (lzma.compress, Code.ARCHIVE),
    "zip bomb": (lambda g: _zip(bytes(1 << 24)), Code.ARCHIVE),
    "zip of a good one": (lambda g: _zip(g), Code.ARCHIVE),
}  # fmt: skip


def _zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny.leaf/card.md", data)
    return file.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_is_written(
    good: bytes, outside: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, code = HOSTILE[name]
    path = tmp_path / "x.tar"
    path.write_bytes(change(good))
    before = snapshot(tmp_path)
    with nothing_is_written(), pytest.raises(BundleError) as caught:
        load_bundle(path)
    assert caught.value.code is code
    with nothing_is_written():
        assert main(["bundle", "pack", str(path), str(tmp_path / "new.leaf")]) == 5
    assert code.value in capsys.readouterr().err
    assert snapshot(tmp_path) == before


def test_an_archive_cut_at_any_block_is_refused(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    needed = len(good.rstrip(b"\0")) + 512
    for length in {*range(0, needed, 512), *range(100, needed, 1300)}:
        path.write_bytes(good[:length])
        with pytest.raises(BundleError) as caught:
            load_bundle(path)
        assert caught.value.code is Code.ARCHIVE
