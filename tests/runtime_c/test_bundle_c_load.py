"""Folders and tars: the C library takes and refuses each as Python does, byte for byte and code for code."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest
from bundle_programs import Reader, dump, loaded, outside, programs, reader, target  # noqa: F401
from helpers_attacks import PUBLIC, SCHEMA1, SCHEMA2, snapshot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bundle_attacks import FOLDERS
from test_bundle_attacks_signed import SIGNED
from test_bundle_fuzz import _damaged, _right_checksums
from test_bundle_load import ATTACKS, CORRUPTIONS, _info, _members, _rewrite
from test_bundle_tar import CARD, END, HOSTILE, member, pax

from leaf_edge.bundle import load_bundle, locate, pack
from leaf_edge.bundle.keys import read_public_keys

KEYS = read_public_keys(PUBLIC)
# ruff: noqa: F811


def same(reader: Reader, path: Path) -> str:
    """Asserts that both load or refuse it alike, without a key and with one; returns what the first is."""
    expected = loaded(path)
    assert reader.load(path) == expected
    if expected.startswith("LEAF_E_"):
        assert str(path)[:300] in reader.message and reader.message.isprintable()
    assert reader.load(path, KEYS) == loaded(path, KEYS)
    assert reader.load(path, KEYS, False) == loaded(path, KEYS, False)
    return expected


@pytest.mark.parametrize("folder", [SCHEMA1, SCHEMA2])
def test_the_fixtures_are_read_whole_as_folder_and_as_tar(
    reader: Reader, folder: Path, tmp_path: Path
) -> None:
    expected = dump(load_bundle(folder))
    assert same(reader, folder) == same(reader, pack(folder, tmp_path / "x.tar")) == expected
    (tmp_path / "link").symlink_to(folder)
    assert same(reader, tmp_path / "link") == expected


@pytest.mark.parametrize("name", ["leaf-s", "leaf-m"])
def test_the_shipped_models_are_read(reader: Reader, name: str) -> None:
    path = locate(name)
    assert reader.load(path) == loaded(path)


@pytest.mark.parametrize("name", FOLDERS)
def test_hostile_folders(reader: Reader, target: Path, outside: Path, tmp_path: Path, name: str) -> None:
    attack, code = FOLDERS[name]
    attack(target, outside)
    before = snapshot(tmp_path)
    assert same(reader, target) == code.value
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", SIGNED)
def test_folders_that_are_not_what_was_signed(reader: Reader, target: Path, outside: Path, name: str) -> None:
    attack, code = SIGNED[name]
    attack(target, outside)
    same(reader, target)
    assert reader.load(target, KEYS) == reader.load(target, KEYS, True) == code.value
    assert same(reader, pack_raw(target)) is not None


def pack_raw(folder: Path) -> Path:
    """A tar of whatever is in the folder, which `pack` would refuse."""
    path = folder.with_suffix(".raw.tar")
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(folder, "tiny.leaf")
    return path


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions(reader: Reader, tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "tiny.leaf"))
    corrupt, code = CORRUPTIONS[name]
    assert not same(reader, folder).startswith("LEAF_E_")
    corrupt(folder)
    assert same(reader, folder) == code.value


def test_folders_and_files_of_other_kinds(reader: Reader, target: Path, tmp_path: Path) -> None:
    def anew() -> Path:
        shutil.rmtree(target)
        return Path(shutil.copytree(SCHEMA2, target))

    for path in ("nothing", "x" * 5000, ".", "..", "/dev/null", "/dev/zero", "/proc/cpuinfo"):
        same(reader, tmp_path / path)
    os.mkfifo(tmp_path / "pipe")
    assert same(reader, tmp_path / "pipe") == "LEAF_E_BUNDLE_NOT_FOUND"
    (tmp_path / "to itself").symlink_to("to itself")
    same(reader, tmp_path / "to itself")
    (anew() / "manifest.json").unlink()
    (target / "manifest.json").mkdir()
    assert same(reader, target) == "LEAF_E_BUNDLE_FILES"
    (anew() / "golden" / "more").mkdir()
    assert same(reader, target) == "LEAF_E_BUNDLE_FILES"
    (anew() / "golden" / "b\xe9d\n").write_bytes(b"")
    assert same(reader, target) == "LEAF_E_BUNDLE_FILES"
    for i in range(300):
        (target / f"f{i}").write_bytes(b"")
    assert same(reader, target) == "LEAF_E_BUNDLE_FILES"
    os.truncate(anew() / "manifest.json", (1 << 20) + 1)
    assert same(reader, target) == "LEAF_E_BUNDLE_SIZE"
    os.truncate(target / "manifest.json", 1 << 20)
    assert same(reader, target) == "LEAF_E_BUNDLE_MANIFEST"


# ---- tar ----


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack(SCHEMA2, tmp_path_factory.mktemp("tar") / "tiny.tar").read_bytes()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives(reader: Reader, good: bytes, tmp_path: Path, name: str) -> None:
    change, code = HOSTILE[name]
    path = tmp_path / "x.tar"
    path.write_bytes(change(good))
    before = snapshot(tmp_path)
    assert same(reader, path) == code.value
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ATTACKS)
def test_archives_with_one_more_member(reader: Reader, good: bytes, tmp_path: Path, name: str) -> None:
    extra, code = ATTACKS[name]
    path = tmp_path / "x.tar"
    path.write_bytes(good)
    _rewrite(path, [*_members(path), (extra, b"")])
    assert same(reader, path) == code.value


def test_archives_that_state_odd_sizes(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    for size in (1 << 40, -512, 1 << 28, (1 << 28) + 1):
        path.write_bytes(_info("tiny.leaf/card.md", size=size).tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        assert same(reader, path).startswith("LEAF_E_BUNDLE_")
    for length in (1 << 40, (512 << 20) + 4096 * 272, (512 << 20) + 4096 * 272 + 1):
        os.truncate(path, length)
        assert same(reader, path).startswith("LEAF_E_BUNDLE_")


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("root", ["tiny.leaf", "./tiny.leaf", "n" * 90, "n" * 180, "n" * 201])
def test_archives_of_other_makers(reader: Reader, tmp_path: Path, style: int, root: str) -> None:
    path = tmp_path / "x.tar"
    try:
        with tarfile.open(path, "w", format=style) as archive:
            archive.add(SCHEMA2, root)
    except ValueError:
        pytest.skip("ustar has no room for the name")
    assert same(reader, path).startswith("LEAF_E_") == (len(root) > 200)


def test_extended_headers(reader: Reader, good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    bodies = [
        pax(b"comment", b"0" * 40), pax(b"mtime", b"1") + pax(b"SCHILY.xattr.user.a", b"b"),
        pax(b"path", b""), pax(b"path", b"tiny.leaf/card.md") * 2, pax(b"path", b"tiny.leaf/x"),
        b"", b" ", b"5 a=\n", b"5 a=\nx", b"05 a=\n", b"6 uid=\n", b"4 =\n", b"3 \n", b"1000000 path=a\n",
        b"-1 a=b\n", b"9 mtime=\n\n", b"\0" * 20, b"8 uid=1\n8 uid=2\n", b"8 uid=1\n8 uix=2\n", b"7 path=\n",
        b"9 ctime\n=", "11 c\u00e9t=a\n".encode(),
    ]  # fmt: skip
    for body in bodies:
        for kind in (b"x", b"g", b"L", b"K"):
            path.write_bytes(member(b"h", body, kind) + CARD + good.replace(CARD, b""))
            same(reader, path)
            path.write_bytes(member(b"h", body, kind) + good)
            same(reader, path)
    for folder in (
        b"",
        b".",
        b"./",
        b"/",
        b"tiny.leaf",
        b"tiny.leaf/",
        b"./tiny.leaf//",
        b"tiny.leaf/golden/",
    ):
        path.write_bytes(member(folder, b"", b"5") + good)
        same(reader, path)
    path.write_bytes(END)
    same(reader, path)


def test_an_archive_cut_anywhere(reader: Reader, good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    for length in {*range(0, len(good), 512), *range(100, len(good), 1300)}:
        path.write_bytes(good[:length])
        assert reader.load(path) == loaded(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_archives(
    reader: Reader, data: st.DataObject, good: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bad = bytearray(_damaged(data, good) if data.draw(st.booleans()) else good)
    for _ in range(data.draw(st.integers(0, 3))):
        start = 512 * data.draw(st.integers(0, max(0, len(bad) // 512 - 1)))
        field = data.draw(st.sampled_from([0, 99, 100, 124, 135, 148, 156, 157, 257, 345]))
        values = st.binary(min_size=4, max_size=4) | st.sampled_from(
            [b"7777", b"    ", b"\0\0\0\0", b"5000", b"x000"]
        )
        bad[start + field : start + field + 4] = data.draw(values)
    path = tmp_path_factory.getbasetemp() / "damaged.tar"
    path.write_bytes(_right_checksums(bytes(bad)) if data.draw(st.booleans()) else bytes(bad))
    for keys in ((), KEYS):
        assert reader.load(path, keys) == loaded(path, keys)
