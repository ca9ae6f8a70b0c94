"""Writing a bundle: whole or not at all."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from leaf_edge.bundle.load import Bundle, load_bundle
from leaf_edge.bundle.manifest import MANIFEST_NAME, FileEntry, Manifest
from leaf_edge.bundle.parse import check_path, parse_manifest


def write_bundle(
    folder: str | Path,
    manifest: Manifest,
    contents: Mapping[str, bytes | Path],
    *,
    overwrite: bool = False,
) -> Bundle:
    """Write `folder` (a `NAME.leaf`) and return it as loaded back.

    manifest: as it shall be, without `files`: sizes and hashes are computed here.
    contents: bytes, or the path of a file to copy, by name in the bundle.
    overwrite: replace an existing folder, which goes only once the new one is complete.
    The bundle is built in `folder` + `.part`, verified as any other by loading, then renamed.
    Raises `BundleError` where the manifest or a name is not valid, FileExistsError where the
    folder is there, OSError where it cannot be written; then no new folder is left.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise FileExistsError(17, "exists already", str(folder))
    data = {
        check_path(name): value if isinstance(value, bytes) else value.read_bytes()
        for name, value in contents.items()
    }
    entries = {
        name: FileEntry(len(value), hashlib.sha256(value).hexdigest()) for name, value in sorted(data.items())
    }
    text = replace(manifest, files=entries).to_bytes()
    parse_manifest(text)  # refuse before anything is written
    part = folder.with_name(folder.name + ".part")
    if part.exists():
        shutil.rmtree(part)  # left by a run that was killed
    part.mkdir(parents=True)
    try:
        for name, value in data.items():
            target = part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(value)
        (part / MANIFEST_NAME).write_bytes(text)
        load_bundle(part)
        _move_into_place(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return load_bundle(folder)


def _move_into_place(part: Path, folder: Path) -> None:
    if not folder.exists():
        part.rename(folder)
        return
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


def pack(folder: str | Path, tar: str | Path) -> Path:
    """Pack a bundle's folder as a tar; the same bundle always gives the same bytes.

    The folder is verified first. In the tar it is called NAME.leaf after the manifest's name.
    Raises `BundleError` for a bundle that is not valid, OSError where the tar cannot be written.
    """
    bundle, tar = load_bundle(folder), Path(tar)
    part = tar.with_name(tar.name + ".part")
    contents = {MANIFEST_NAME: bundle.text, **bundle.contents}
    try:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in sorted(contents.items()):
                member = tarfile.TarInfo(f"{bundle.name}.leaf/{name}")  # owner 0, time 0
                member.size, member.mode = len(data), 0o644
                archive.addfile(member, io.BytesIO(data))
        part.replace(tar)
    finally:
        part.unlink(missing_ok=True)
    return tar
