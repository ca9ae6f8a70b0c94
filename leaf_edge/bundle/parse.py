"""Reading manifest.json, schemas 1 and 2: every field checked, none unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from leaf_edge.bundle.curve import KIND, MAX_KNOTS, Curve, Interval
from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.manifest import (
    ENCODINGS,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    SCHEMAS,
    Encoding,
    FileEntry,
    GoldenFrame,
    GoldenScore,
    Licence,
    Manifest,
    Tolerance,
    Training,
)
from leaf_edge.bundle.parse_added import parse_acceptance, parse_engines, parse_signature
from leaf_edge.bundle.paths import check_names, check_path
from leaf_edge.bundle.reader import Fields, fail, parse_json
from leaf_edge.contract import FAULTS, INPUT_NAME, MOS_MAX, MOS_MIN, MOS_SCALE, MOS_SCALE_VERSION
from leaf_edge.frames.frame import MAX_DIMENSION, ColorMatrix, ColorRange, FrameError, PixelFormat
from leaf_edge.views import VIEWS_VERSION
from leaf_edge.views.native import SHAPE

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def parse_manifest(data: bytes) -> Manifest:
    """Read manifest.json. Raises `BundleError` with the code that fits what is wrong."""
    top = parse_json(data)
    schema = _check_versions(top)
    name = top.text("name")
    if not _NAME.fullmatch(name):
        fail("name", "lower-case letters, digits and ._- (64 at most)", name)
    version = top.text("version")
    _expect(top, "input", {"name": INPUT_NAME, "dtype": "uint8", "shape": list(SHAPE)})
    _expect(top, "faults", list(FAULTS))
    files = _parse_files(top.inner("files"))
    manifest = Manifest(
        name=name,
        version=version,
        reason_threshold=top.number("reason_threshold", 0, 1),
        encodings=_parse_encodings(top.inner("encodings"), files),
        golden=tuple(_parse_golden(item, files) for item in top.inners("golden")),
        golden_tolerance=_parse_tolerance(top.inner("golden_tolerance")),
        training=_parse_training(top.inner("training")),
        licences=tuple(_parse_licence(item) for item in top.inners("licences")),
        files=files,
        acceptance=parse_acceptance(top, schema),
        engines=parse_engines(top, schema, files),
        signature=parse_signature(top, schema, data),
        schema=schema,
    )
    top.done()
    for i, frame in enumerate(manifest.golden):
        if frame.scores.keys() != manifest.encodings.keys():
            fail(f"golden[{i}].scores", f"scores for {sorted(manifest.encodings)}", sorted(frame.scores))
    return manifest


def _check_versions(top: Fields) -> int:
    """The numbers that decide whether the rest means anything to this version. Returns the schema."""
    schema = top.integer("schema", 1, 1 << 30)
    if schema not in SCHEMAS:
        raise BundleError(
            BundleCode.SCHEMA,
            f"the manifest has schema {schema}; this version reads {SCHEMAS[0]} to {SCHEMAS[-1]}",
        )
    views = top.integer("views_version", 1, 1 << 30)
    if views != VIEWS_VERSION:
        raise BundleError(
            BundleCode.VIEWS, f"the model takes views of version {views}; this version makes {VIEWS_VERSION}"
        )
    scale = top.inner("scale")
    stated = (scale.text("name"), scale.integer("version", 1, 1 << 30))
    scale.done()
    if stated != (MOS_SCALE, MOS_SCALE_VERSION):
        raise BundleError(
            BundleCode.SCALE,
            f"the model scores on {stated[0][:80]} version {stated[1]}; "
            f"expected {MOS_SCALE} version {MOS_SCALE_VERSION}",
        )
    return schema


def _expect(fields: Fields, name: str, value: object) -> None:
    """A field that the schema fixes."""
    found = fields.take(name)
    if found != value:
        fail(fields.path(name), json.dumps(value), found)


def _parse_files(fields: Fields) -> Mapping[str, FileEntry]:
    files: dict[str, FileEntry] = {}
    for name, entry in fields.items():
        check_path(name)
        size = entry.integer("size", 0, 1 << 62)
        if size > MAX_FILE_BYTES:
            raise BundleError(
                BundleCode.SIZE, f"{name}: {size} bytes are stated; {MAX_FILE_BYTES} are allowed"
            )
        sha256 = entry.text("sha256")
        if not _SHA256.fullmatch(sha256):
            fail(entry.path("sha256"), "64 lower-case hexadecimal digits", sha256)
        entry.done()
        files[name] = FileEntry(size, sha256)
    if len(files) > MAX_FILES:
        raise BundleError(BundleCode.FILES, f"{len(files)} files are listed; {MAX_FILES} are allowed")
    total = sum(entry.size for entry in files.values())
    if total > MAX_TOTAL_BYTES:
        raise BundleError(BundleCode.SIZE, f"{total} bytes are stated; {MAX_TOTAL_BYTES} are allowed in all")
    check_names(files)
    return MappingProxyType(files)


def _listed(fields: Fields, files: Mapping[str, FileEntry]) -> str:
    name = check_path(fields.text("file"))
    if name not in files:
        fail(fields.path("file"), "a file that `files` lists", name)
    return name


def _parse_encodings(fields: Fields, files: Mapping[str, FileEntry]) -> Mapping[str, Encoding]:
    encodings: dict[str, Encoding] = {}
    for name, item in fields.items():
        if name not in ENCODINGS:
            fail(f"encodings.{name}", f"one of {', '.join(ENCODINGS)}", name)
        encodings[name] = Encoding(
            file=_listed(item, files),
            quantisation=item.text("quantisation"),
            curve=_parse_curve(item.inner("curve")),
            interval=_parse_interval(item.inner("interval")),
        )
        item.done()
    if not encodings:
        fail("encodings", f"at least one of {', '.join(ENCODINGS)}", {})
    return MappingProxyType(encodings)


def _parse_curve(fields: Fields) -> Curve:
    _expect(fields, "kind", KIND)
    raw, mos = fields.numbers("raw"), fields.numbers("mos", MOS_MIN, MOS_MAX)
    fields.done()
    try:
        return Curve(raw, mos)
    except ValueError as error:
        fail(fields.path("raw"), f"a rising curve of 2 to {MAX_KNOTS} knots", str(error))


def _parse_interval(fields: Fields) -> Interval:
    numbers = (fields.number("coverage"), fields.number("quantile"), fields.number("floor"))
    cap = fields.optional_number("spread_cap")
    fields.done()
    try:
        return Interval(*numbers, cap)
    except ValueError as error:
        fail(fields.path("coverage"), "a conformal interval", str(error))


def _parse_golden(fields: Fields, files: Mapping[str, FileEntry]) -> GoldenFrame:
    file = _listed(fields, files)
    matrix = fields.take("matrix")
    if matrix is not None and not isinstance(matrix, str):
        fail(fields.path("matrix"), "a colour matrix by name, or null", matrix)
    try:
        frame = GoldenFrame(
            file=file,
            format=PixelFormat.parse(fields.text("format")),
            width=fields.integer("width", 1, MAX_DIMENSION),
            height=fields.integer("height", 1, MAX_DIMENSION),
            matrix=None if matrix is None else ColorMatrix.parse(matrix),
            range=ColorRange.parse(fields.text("range")),
            scores=_parse_scores(fields.inner("scores")),
        )
    except FrameError as error:
        fail(fields.path("format"), "a frame that can be read", str(error))
    if frame.format.is_yuv != (frame.matrix is not None):
        needs = "a colour matrix" if frame.format.is_yuv else "null"
        fail(fields.path("matrix"), f"{needs} for {frame.format.name.lower()}", matrix)
    if frame.size != files[file].size:
        fail(fields.path("file"), f"a file of {frame.size} bytes (the packed frame)", files[file].size)
    fields.done()
    return frame


def _parse_scores(fields: Fields) -> Mapping[str, GoldenScore]:
    scores: dict[str, GoldenScore] = {}
    for name, item in fields.items():
        score = GoldenScore(
            mos=item.number("mos", MOS_MIN, MOS_MAX),
            raw=item.number("raw"),
            faults=item.numbers("faults", 0, 1),
        )
        if len(score.faults) != len(FAULTS):
            fail(item.path("faults"), f"{len(FAULTS)} severities", list(score.faults))
        item.done()
        scores[name] = score
    return MappingProxyType(scores)


def _parse_tolerance(fields: Fields) -> Tolerance:
    tolerance = Tolerance(fields.number("mos", 0, MOS_MAX - MOS_MIN), fields.number("faults", 0, 1))
    fields.done()
    return tolerance


def _parse_training(fields: Fields) -> Training:
    figures = fields.take("figures")
    if not isinstance(figures, dict):
        fail(fields.path("figures"), "an object", figures)
    training = Training(tuple(fields.take_list("data")), fields.text("commit"), figures)
    fields.done()
    return training


def _parse_licence(fields: Fields) -> Licence:
    licence = Licence(fields.text("what"), fields.text("licence"))
    fields.done()
    return licence
