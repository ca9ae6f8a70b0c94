"""TensorRT plans in a bundle: put in, taken out again with the checks that need no device."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.load import Bundle
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.bundle.write import store, with_files

VERSION_COMPATIBLE = "version_compatible"
"""Flag of a plan that carries host code: TensorRT runs it, so it is handed out only from a signed bundle."""


def with_engine(bundle: Bundle, entry: EngineEntry, plan: bytes, log: bytes | None = None) -> Bundle:
    """`bundle` in memory with one more engine; nothing is written (`add_engine` does that).

    entry: says where plan and log go; an engine with its `key` or one of its files is replaced.
    The signature goes, since it does not hold for the new manifest; `acceptance` and all else stay.
    Raises ValueError where `entry.log` and `log` are not both there or both absent.
    """
    if (entry.log is None) != (log is None):
        raise ValueError("an engine's log needs a name in the bundle, and a name a log")
    ours = {entry.file, entry.log} - {None}
    gone = [old for old in bundle.manifest.engines if old.key == entry.key or {old.file, old.log} & ours]
    contents = _without(bundle, gone)
    contents[entry.file] = plan
    if entry.log is not None and log is not None:
        contents[entry.log] = log
    engines = [old for old in bundle.manifest.engines if old not in gone] + [entry]
    return _revised(bundle, engines, contents)


def without_engine(bundle: Bundle, entry: EngineEntry) -> Bundle:
    """`bundle` in memory without an engine and its log, and unsigned. Raises ValueError where it has none."""
    if entry not in bundle.manifest.engines:
        raise ValueError(f"{entry.file} is no engine of this bundle")
    engines = [old for old in bundle.manifest.engines if old != entry]
    return _revised(bundle, engines, _without(bundle, [entry]))


def add_engine(bundle: Bundle, entry: EngineEntry, plan: bytes, log: bytes | None = None) -> Bundle:
    """Puts an engine into the bundle on disk, in place of the one with its `key`; returns it as loaded back.

    The folder or tar that `bundle` came from is replaced in one step by a whole new one: at no time it is
    half written. Raises as `with_engine`; `BundleError` where `entry` is not valid; OSError.
    """
    return store(with_engine(bundle, entry, plan, log))


def engine_bytes(bundle: Bundle, entry: EngineEntry) -> bytes:
    """The plan of `entry`, to be given to TensorRT once preflight has found that it fits the device.

    Raises `BundleError` ENGINE_NONE where the bundle has no such engine, ENGINE_HASH where the bytes are not
    those that the manifest states, ENGINE_UNVERIFIED for a version-compatible plan, which holds host code,
    unless the bundle was loaded with the key that its signature was verified with.
    """
    if entry not in bundle.manifest.engines:
        raise BundleError(BundleCode.ENGINE_NONE, f"{bundle.path}: no engine {entry.file}")
    plan, stated = bundle.contents[entry.file], bundle.manifest.files[entry.file]
    if len(plan) != stated.size or hashlib.sha256(plan).hexdigest() != stated.sha256:
        raise BundleError(
            BundleCode.ENGINE_HASH, f"{bundle.path}: {entry.file} is not what the manifest states"
        )
    if VERSION_COMPATIBLE in entry.flags and bundle.verified_by is None:
        raise BundleError(
            BundleCode.ENGINE_UNVERIFIED,
            f"{bundle.path}: {entry.file} holds code, and no signature was verified",
        )
    return plan


def _without(bundle: Bundle, engines: list[EngineEntry]) -> dict[str, bytes]:
    files = {file for entry in engines for file in (entry.file, entry.log)}
    return {name: data for name, data in bundle.contents.items() if name not in files}


def _revised(bundle: Bundle, engines: list[EngineEntry], contents: dict[str, bytes]) -> Bundle:
    engines.sort(key=lambda entry: entry.file)
    manifest = with_files(replace(bundle.manifest, engines=tuple(engines)), contents)
    return replace(bundle, manifest=manifest, text=manifest.to_bytes(), contents=contents, verified_by=None)
