"""Reading what schema 2 added to the manifest: acceptance, engines, signature."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.manifest import (
    Acceptance,
    EngineEntry,
    FileEntry,
    Signature,
    signature_to_json,
)
from leaf_edge.bundle.reader import Fields, fail, is_line

ENGINES = "engines/"
"""Folder of the engines: every file in it is a plan or a log that `engines` names, and nothing else is."""

_TENSORRT = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,4}(?:\.[0-9]{1,6})?", re.ASCII)
_SM = re.compile(r"sm[1-9][0-9]{1,2}", re.ASCII)
_OS = re.compile(r"[a-z0-9]{1,32}-[a-z0-9_]{1,32}", re.ASCII)
_FLAG = re.compile(r"[a-z0-9][a-z0-9._=+-]{0,63}", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{128}", re.ASCII)
_MAX_FAILURES = 256


def parse_acceptance(top: Fields, schema: int) -> Acceptance | None:
    """The field `acceptance`; None where it is null or the schema has none."""
    if schema < 2 or (value := top.take("acceptance")) is None:
        return None
    fields = Fields(value, top.path("acceptance"))
    accepted, anyway = fields.boolean("accepted"), fields.boolean("anyway")
    failures = fields.take_list("failures")
    if not all(map(is_line, failures)) or len(failures) > _MAX_FAILURES:
        fail(fields.path("failures"), f"up to {_MAX_FAILURES} lines of text", failures)
    fields.done()
    try:
        return Acceptance(accepted, anyway, tuple(failures))
    except ValueError as error:
        fail(top.path("acceptance"), "accepted, or failures and anyway", str(error))


def parse_engines(top: Fields, schema: int, files: Mapping[str, FileEntry]) -> tuple[EngineEntry, ...]:
    """The field `engines`; empty where the schema has none. Files in `ENGINES` belong to one each."""
    engines = tuple(_parse_engine(item, files) for item in top.inners("engines")) if schema >= 2 else ()
    named = [entry.file for entry in engines] + [entry.log for entry in engines if entry.log is not None]
    if len(set(named)) != len(named) or len({entry.key for entry in engines}) != len(engines):
        fail("engines", "each file and each kind of engine once", sorted(named))
    stray = sorted({name for name in files if name.lower().startswith(ENGINES)} - set(named))
    if stray:
        fail("engines", f"an engine that {stray[0]} belongs to")
    return engines


def _parse_engine(fields: Fields, files: Mapping[str, FileEntry]) -> EngineEntry:
    log = fields.take("log")
    entry = EngineEntry(
        file=fields.text("file"),
        tensorrt=fields.match("tensorrt", _TENSORRT, "a version of TensorRT such as 10.3.0"),
        sm=fields.match("sm", _SM, "a compute capability such as sm87"),
        os=fields.match("os", _OS, "system and processor such as linux-aarch64"),
        flags=tuple(fields.take_list("flags")),
        log=log,
    )
    for name, file in (("file", entry.file), ("log", entry.log)):
        if file is not None and not (isinstance(file, str) and file in files and file.startswith(ENGINES)):
            fail(fields.path(name), f"a file in {ENGINES} that `files` lists", file)
    plain = all(isinstance(flag, str) and _FLAG.fullmatch(flag) for flag in entry.flags)
    if not plain or list(entry.flags) != sorted(set(entry.flags)):
        fail(fields.path("flags"), "sorted words of a-z, 0-9 and ._=+-, each once", list(entry.flags))
    fields.done()
    return entry


def parse_signature(top: Fields, schema: int, data: bytes) -> Signature | None:
    """The field `signature`; None where it is null. In schema 1 it must be.

    Raises `BundleError` SIGNATURE_INVALID where the manifest's bytes are not those that are signed: see
    `signed_bytes`.
    """
    value = top.take("signature")
    if value is None:
        return None
    if schema < 2:
        fail(top.path("signature"), "null in schema 1", value)
    fields = Fields(value, top.path("signature"))
    if (algorithm := fields.text("algorithm")) != "ed25519":
        fail(fields.path("algorithm"), '"ed25519"', algorithm)
    signature = Signature(
        fields.match("key_id", _KEY_ID, "16 lower-case hexadecimal digits"),
        bytes.fromhex(fields.match("value", _SIGNATURE, "128 lower-case hexadecimal digits")),
    )
    fields.done()
    signed_bytes(data, signature)
    return signature


def signed_bytes(data: bytes, signature: Signature | None) -> bytes:
    """What is signed: the bytes `data` of manifest.json with null for the value of `signature`.

    Nothing is parsed and written again for it. A signed manifest must end with its field `signature` as
    `Manifest.to_bytes` writes it; that end is replaced by the one with null, and all bytes before it are
    taken as they stand. Raises `BundleError` SIGNATURE_INVALID where the end is another.
    """
    end = _end(signature)
    if not data.endswith(end):
        raise BundleError(
            BundleCode.SIGNATURE_INVALID,
            "the manifest does not end with its signature as leaf-edge writes it; it was changed since",
        )
    return data.removesuffix(end) + _end(None)


def _end(signature: Signature | None) -> bytes:
    field = json.dumps({"signature": signature_to_json(signature)}, indent=2)
    return (",\n" + field.removeprefix("{\n") + "\n").encode()
