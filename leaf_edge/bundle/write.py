"""Writing a bundle: whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from leaf_edge.bundle.exchange import exchange
from leaf_edge.bundle.load import Bundle, load_bundle
from leaf_edge.bundle.manifest import MANIFEST_NAME, SCHEMA, FileEntry, Manifest
from leaf_edge.bundle.parse import parse_manifest
from leaf_edge.bundle.paths import check_path


def write_bundle(
    folder: str | Path,
    manifest: Manifest,
    contents: Mapping[str, bytes | Path],
    *,
    overwrite: bool = False,
) -> Bundle:
    """Write `folder` (a `NAME.leaf`) and return it as loaded back.

    manifest: as it shall be, without `files`: sizes and hashes are computed here. A signature in it is
        left out, since it holds for the manifest that it was made for; `write_text` keeps one.
    contents: bytes, or the path of a file to copy, by name in the bundle.
    overwrite: replace an existing bundle, which goes only once the new one is complete.
    The bundle is built in `folder` + `.part`, verified as any other by loading, then renamed.
    Raises `BundleError` where the manifest or a name is not valid, FileExistsError where the
    folder is there (with `overwrite`: and is no bundle), OSError where it cannot be written; then no new
    folder is left.
    """
    data = {
        check_path(name): value if isinstance(value, bytes) else value.read_bytes()
        for name, value in contents.items()
    }
    return write_text(folder, with_files(manifest, data).to_bytes(), data, overwrite=overwrite)


def with_files(manifest: Manifest, contents: Mapping[str, bytes]) -> Manifest:
    """`manifest`, unsigned and of the present schema, with the sizes and hashes of `contents`."""
    files = {
        name: FileEntry(len(data), hashlib.sha256(data).hexdigest())
        for name, data in sorted(contents.items())
    }
    return replace(manifest, files=files, signature=None, schema=SCHEMA)


def write_text(
    folder: str | Path, text: bytes, contents: Mapping[str, bytes], *, overwrite: bool = False
) -> Bundle:
    """Write `folder` with `text` as its manifest.json to the byte, signature included.

    Otherwise as `write_bundle`; raises `BundleError` too where `contents` are not what `text` states.
    """
    parse_manifest(text)  # refuse before anything is written
    folder = Path(folder)
    if folder.is_symlink():
        folder = folder.resolve()
    if folder.exists():
        _check_replaceable(folder, overwrite)
    part = folder.with_name(folder.name + ".part")
    if part.exists():
        shutil.rmtree(part)  # left by a run that was killed
    part.mkdir(parents=True)
    try:
        for name, data in {**contents, MANIFEST_NAME: text}.items():
            _write_file(part / check_path(name), data)
        load_bundle(part)
        _sync_folders(part)
        _move_into_place(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return load_bundle(folder)


def _check_replaceable(folder: Path, overwrite: bool) -> None:
    if not overwrite:
        raise FileExistsError(17, "exists already", str(folder))
    if not folder.is_dir() or not ((folder / MANIFEST_NAME).is_file() or not any(folder.iterdir())):
        raise FileExistsError(17, "exists and is not a bundle, so it is not replaced", str(folder))


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # a power cut after the rename must not leave empty files


def _sync_folders(root: Path) -> None:
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` last through a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move_into_place(part: Path, folder: Path) -> None:
    if not folder.exists():
        part.rename(folder)
    elif exchange(part, folder):
        shutil.rmtree(part)  # the old bundle by now
    else:
        old = folder.with_name(folder.name + ".old")
        if old.exists():
            shutil.rmtree(old)
        folder.rename(old)
        try:
            part.rename(folder)
        except OSError:
            old.rename(folder)
            raise
        shutil.rmtree(old)
    sync_folder(folder.parent)


def pack(source: str | Path, tar: str | Path) -> Path:
    """Pack a bundle as a tar; the same bundle always gives the same bytes.

    source: a bundle's folder or tar, verified first. In the tar it is called NAME.leaf after the manifest's
    name; members are sorted, of owner 0, time 0 and mode 0644.
    Raises `BundleError` for a bundle that is not valid, OSError where the tar cannot be written.
    """
    return write_tar(load_bundle(source), tar)


def write_tar(bundle: Bundle, tar: str | Path) -> Path:
    """Write a bundle that is loaded already as a tar (see `pack`), in place of the one that is there."""
    tar = Path(tar)
    part = tar.with_name(tar.name + ".part")
    contents = {MANIFEST_NAME: bundle.text, **bundle.contents}
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
                for name, data in sorted(contents.items()):
                    member = tarfile.TarInfo(f"{bundle.name}.leaf/{name}")  # owner 0, time 0
                    member.size, member.mode = len(data), 0o644
                    archive.addfile(member, io.BytesIO(data))
            file.flush()
            os.fsync(file.fileno())
        part.replace(tar)
    finally:
        part.unlink(missing_ok=True)
    return tar


def unpack(tar: str | Path, folder: str | Path, *, overwrite: bool = False) -> Bundle:
    """Write a bundle's tar as the folder `folder`, its manifest to the byte. Raises as `write_bundle`."""
    return save(load_bundle(tar), folder, overwrite=overwrite)


def save(bundle: Bundle, path: str | Path, *, overwrite: bool = False) -> Bundle:
    """Write a bundle in memory, its manifest to the byte, as a tar where `path` ends with `.tar`, else as a
    folder; returns it as loaded back. Whole or not at all; raises as `write_bundle`."""
    path = Path(path)
    if path.suffix != ".tar":
        return write_text(path, bundle.text, bundle.contents, overwrite=overwrite)
    if path.exists() and not overwrite:
        raise FileExistsError(17, "exists already", str(path))
    return load_bundle(write_tar(bundle, path))


def store(bundle: Bundle) -> Bundle:
    """Write `bundle`, changed in memory, over the folder or tar that it was loaded from; returns it as loaded
    back. Whole or not at all; raises as `write_bundle`."""
    if bundle.path.is_dir():
        return write_text(bundle.path, bundle.text, bundle.contents, overwrite=True)
    write_tar(bundle, bundle.path.resolve())
    return load_bundle(bundle.path)
