"""Loading bundles: every corruption is refused with its code, and nothing outside is touched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from leaf_edge.bundle import BundleCode, BundleError, load_bundle, pack
from leaf_edge.bundle.manifest import MANIFEST_NAME, MAX_FILES, MAX_MANIFEST_BYTES


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny.leaf"))


def refused(path: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    assert str(path) in caught.value.message
    return caught.value


def test_what_is_loaded_is_what_was_hashed(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    assert bundle.name == "tiny"
    assert bundle.path == tiny_bundle
    on_disk = {str(p.relative_to(tiny_bundle)) for p in tiny_bundle.rglob("*") if p.is_file()}
    assert set(bundle.contents) | {MANIFEST_NAME} == on_disk
    for name, data in bundle.contents.items():
        assert data == (tiny_bundle / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == bundle.manifest.files[name].sha256
    assert bundle.model("cpu") == (tiny_bundle / "model.cpu.onnx").read_bytes()
    with pytest.raises(BundleError, match="has: cpu, trt") as caught:
        bundle.encoding("npu")
    assert caught.value.code is BundleCode.ENCODING


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _swap(folder: Path) -> None:
    first, second = folder / "golden/0.rgb.raw", folder / "golden/1.nv12.raw"
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)


def _link_file(folder: Path) -> None:
    outside = folder.parent / "outside"
    (folder / "card.md").rename(outside)
    (folder / "card.md").symlink_to(outside)


def _link_folder(folder: Path) -> None:
    (folder / "golden").rename(folder.parent / "golden")
    (folder / "golden").symlink_to(folder.parent / "golden")


def _fifo(folder: Path) -> None:
    (folder / "card.md").unlink()
    os.mkfifo(folder / "card.md")


def _fifo_manifest(folder: Path) -> None:
    (folder / MANIFEST_NAME).unlink()
    os.mkfifo(folder / MANIFEST_NAME)


def _same_size_other_bytes(folder: Path) -> None:
    model = folder / "model.trt.onnx"
    model.write_bytes(bytes(model.stat().st_size))


def _traversal(folder: Path) -> None:
    _edit(folder, lambda m: m["files"].update({"../../etc/passwd": m["files"]["card.md"]}))


def _edit(folder: Path, change: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    stated = json.loads((folder / MANIFEST_NAME).read_text())
    change(stated)
    (folder / MANIFEST_NAME).write_text(json.dumps(stated))


CORRUPTIONS: dict[str, tuple[Callable[[Path], object], BundleCode]] = {
    "flipped bit in the model": (lambda f: _flip(f / "model.cpu.onnx"), BundleCode.HASH),
    "other bytes, same size": (_same_size_other_bytes, BundleCode.HASH),
    "swapped files": (_swap, BundleCode.SIZE),
    "truncated model": (lambda f: os.truncate(f / "model.cpu.onnx", 100), BundleCode.SIZE),
    "empty model": (lambda f: os.truncate(f / "model.cpu.onnx", 0), BundleCode.SIZE),
    "grown card": (lambda f: (f / "card.md").write_text("# longer than before\n"), BundleCode.SIZE),
    "sparse giant": (lambda f: os.truncate(f / "card.md", 1 << 40), BundleCode.SIZE),
    "giant manifest": (lambda f: os.truncate(f / MANIFEST_NAME, MAX_MANIFEST_BYTES + 1), BundleCode.SIZE),
    "missing file": (lambda f: (f / "card.md").unlink(), BundleCode.FILES),
    "missing manifest": (lambda f: (f / MANIFEST_NAME).unlink(), BundleCode.FILES),
    "extra file": (lambda f: (f / "extra.bin").write_bytes(b"x"), BundleCode.FILES),
    "hidden extra file": (lambda f: (f / "golden/.x").write_bytes(b"x"), BundleCode.FILES),
    "extra folder": (lambda f: (f / "more").mkdir(), BundleCode.FILES),
    "folder for a file": (
        lambda f: [(f / "card.md").unlink(), (f / "card.md").mkdir()],
        BundleCode.FILES,
    ),
    "linked file": (_link_file, BundleCode.PATH),
    "linked folder": (_link_folder, BundleCode.PATH),
    "dangling link": (lambda f: (f / "x").symlink_to("/nowhere"), BundleCode.PATH),
    "pipe": (_fifo, BundleCode.FILES),
    "pipe for a manifest": (_fifo_manifest, BundleCode.PATH),
    "path out of the folder": (_traversal, BundleCode.PATH),
    "wrong hash": (
        lambda f: _edit(f, lambda m: m["files"]["card.md"].update(sha256="0" * 64)),
        BundleCode.HASH,
    ),
    "truncated manifest": (lambda f: os.truncate(f / MANIFEST_NAME, 500), BundleCode.MANIFEST),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_is_refused(folder: Path, name: str) -> None:
    corrupt, code = CORRUPTIONS[name]
    load_bundle(folder)
    corrupt(folder)
    assert refused(folder).code is code


def test_linked_manifest(folder: Path) -> None:
    (folder / MANIFEST_NAME).rename(folder.parent / "m")
    (folder / MANIFEST_NAME).symlink_to(folder.parent / "m")
    assert refused(folder).code is BundleCode.PATH


def test_the_bundle_itself_may_be_reached_by_a_link(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert load_bundle(link).name == "tiny"


@pytest.mark.parametrize("name", ["nothing.leaf", "a\0b", "x" * 5000])
def test_no_such_bundle(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError) as caught:
        load_bundle(tmp_path / name)
    assert caught.value.code is BundleCode.NOT_FOUND


def test_a_device_is_no_bundle() -> None:
    assert refused(Path("/dev/null")).code is BundleCode.NOT_FOUND


# ---- tar ----


@pytest.fixture
def tar(tiny_bundle: Path, tmp_path: Path) -> Path:
    return pack(tiny_bundle, tmp_path / "tiny.tar")


def test_a_tar_is_the_same_bundle_and_always_the_same_bytes(
    tiny_bundle: Path, tar: Path, tmp_path: Path
) -> None:
    loaded, original = load_bundle(tar), load_bundle(tiny_bundle)
    assert loaded.manifest == original.manifest
    assert loaded.contents == original.contents
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "other name", copy_function=shutil.copyfile))
    assert pack(copy, tmp_path / "again.tar").read_bytes() == tar.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.tar", "other name", "tiny.tar"]


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_tars_of_other_makers(tiny_bundle: Path, tmp_path: Path, style: int, prefix: str) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=style) as archive:
        archive.add(tiny_bundle, f"{prefix}tiny.leaf")
    assert load_bundle(path).name == "tiny"


def _members(tar: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(tar) as archive:
        return [(m, archive.extractfile(m).read()) for m in archive.getmembers()]  # type: ignore[union-attr]


def _rewrite(tar: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(tar, "w") as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))


def _info(name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


ATTACKS: dict[str, tuple[tarfile.TarInfo, BundleCode]] = {
    "parent": (_info("tiny.leaf/../../evil"), BundleCode.PATH),
    "parent first": (_info("../evil"), BundleCode.PATH),
    "absolute": (_info("/tiny.leaf/evil"), BundleCode.PATH),
    "hidden": (_info("tiny.leaf/.evil"), BundleCode.PATH),
    "symlink": (_info("tiny.leaf/evil", tarfile.SYMTYPE, link="/etc/passwd"), BundleCode.PATH),
    "hard link": (_info("tiny.leaf/evil", tarfile.LNKTYPE, link="tiny.leaf/card.md"), BundleCode.PATH),
    "character device": (_info("tiny.leaf/evil", tarfile.CHRTYPE), BundleCode.PATH),
    "block device": (_info("tiny.leaf/evil", tarfile.BLKTYPE), BundleCode.PATH),
    "pipe": (_info("tiny.leaf/evil", tarfile.FIFOTYPE), BundleCode.PATH),
    "second folder": (_info("other.leaf/card.md"), BundleCode.ARCHIVE),
    "file beside": (_info("card.md"), BundleCode.ARCHIVE),
    "twice": (_info("tiny.leaf/card.md"), BundleCode.ARCHIVE),
    "extra": (_info("tiny.leaf/extra"), BundleCode.FILES),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_tar_attacks(tar: Path, name: str) -> None:
    member, code = ATTACKS[name]
    _rewrite(tar, [*_members(tar), (member, b"")])
    before = sorted(tar.parent.rglob("*"))
    assert refused(tar).code is code
    assert sorted(tar.parent.rglob("*")) == before


def test_tar_member_that_states_a_giant_size(tar: Path) -> None:
    member = _info("tiny.leaf/card.md", size=1 << 40)
    with tar.open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert refused(tar).code is BundleCode.SIZE


def test_tar_member_of_negative_size(tar: Path) -> None:
    member = _info("tiny.leaf/card.md", size=-512)
    with tar.open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert refused(tar).code in (BundleCode.SIZE, BundleCode.ARCHIVE)


def test_giant_tar(tar: Path) -> None:
    os.truncate(tar, 1 << 40)
    assert refused(tar).code is BundleCode.SIZE


def test_tar_with_very_many_members(tar: Path) -> None:
    _rewrite(tar, [(_info(f"tiny.leaf/f{i}"), b"") for i in range(2 * MAX_FILES + 1)])
    assert refused(tar).code is BundleCode.ARCHIVE


def test_tar_with_a_chain_of_extended_headers(tar: Path) -> None:
    header = _info("x", tarfile.GNUTYPE_LONGNAME, size=1).tobuf(tarfile.GNU_FORMAT)
    tar.write_bytes((header + bytes(512)) * 5000)
    assert refused(tar).code is BundleCode.ARCHIVE


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 700, 3000])
def test_truncated_tar(tar: Path, keep: int) -> None:
    os.truncate(tar, keep)
    assert refused(tar).code in (BundleCode.ARCHIVE, BundleCode.FILES)


def test_tar_without_manifest(tar: Path) -> None:
    _rewrite(tar, [m for m in _members(tar) if not m[0].name.endswith(MANIFEST_NAME)])
    assert refused(tar).code is BundleCode.FILES


def test_tar_with_a_changed_file(tar: Path) -> None:
    members = [
        (info, data.replace(b"tiny", b"tidy") if info.name.endswith("card.md") else data)
        for info, data in _members(tar)
    ]
    _rewrite(tar, members)
    assert refused(tar).code is BundleCode.HASH


def test_compressed_tar_and_other_files(tar: Path, tmp_path: Path) -> None:
    import gzip

    packed = tmp_path / "tiny.tar.gz"
    packed.write_bytes(gzip.compress(tar.read_bytes()))
    assert refused(packed).code is BundleCode.ARCHIVE
    packed.write_bytes(b"\x08\x01" * 5000)
    assert refused(packed).code is BundleCode.ARCHIVE
