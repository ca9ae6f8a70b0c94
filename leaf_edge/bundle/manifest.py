"""The manifest of a bundle, schema 1: its fields, how they are read and how they are written.

This file is the one definition of the fields; docs/bundle.md explains them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from leaf_edge.bundle.curve import KIND, MAX_KNOTS, Curve, Interval
from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.reader import Fields, fail, parse_json
from leaf_edge.contract import FAULTS, INPUT_NAME, MOS_MAX, MOS_MIN, MOS_SCALE, MOS_SCALE_VERSION
from leaf_edge.frames.frame import (
    MAX_DIMENSION,
    ColorMatrix,
    ColorRange,
    Frame,
    FrameError,
    PixelFormat,
    plane_shapes,
)
from leaf_edge.views import VIEWS_VERSION
from leaf_edge.views.native import SHAPE

SCHEMA = 1
MANIFEST_NAME = "manifest.json"
ENCODINGS = ("cpu", "trt")
"""Known encodings: `cpu` runs on ONNX Runtime and OpenVINO, `trt` is what TensorRT is built from."""

MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 256 << 20
MAX_TOTAL_BYTES = 512 << 20
MAX_FILES = 256
"""Bounds on what is read, so that a hostile bundle cannot fill memory."""

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,3}", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def check_path(name: str) -> str:
    """`name` if it is a plain relative path of a bundle's file; else raises `BundleError` PATH.

    Letters, digits and `._-` in each of up to four parts, none beginning with a dot; so no path
    can leave the folder, be hidden, or mean another thing on another system.
    """
    if len(name) > 200 or not _PATH.fullmatch(name):
        raise BundleError(BundleCode.PATH, f"unsafe file name {name[:80]!r}")
    return name


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes and SHA-256 (lower-case hexadecimal) of one file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Encoding:
    """One quantised network and the calibration that was fitted on its own outputs.

    file: the ONNX file. quantisation: activations and weights, as `u8s8` or `s8s8`.
    """

    file: str
    quantisation: str
    curve: Curve
    interval: Interval


@dataclass(frozen=True)
class GoldenScore:
    """What a golden frame must score: MOS 1..5, raw quality, severities in `contract.FAULTS` order."""

    mos: float
    raw: float
    faults: tuple[float, ...]


@dataclass(frozen=True)
class GoldenFrame:
    """A frame as packed raw bytes in `file`, and its scores for each encoding."""

    file: str
    format: PixelFormat
    width: int
    height: int
    range: ColorRange
    matrix: ColorMatrix | None
    scores: Mapping[str, GoldenScore]

    @property
    def size(self) -> int:
        """Bytes of the packed frame."""
        sample = 2 if self.format is PixelFormat.P010 else 1
        shapes = plane_shapes(self.format, self.width, self.height)
        return sum(rows * columns for rows, columns in shapes) * sample

    def frame(self, data: bytes) -> Frame:
        """The frame over the bytes of `file`."""
        return Frame.from_bytes(
            data, self.format, self.width, self.height, self.range, self.matrix, source=self.file
        )


@dataclass(frozen=True)
class Tolerance:
    """Largest difference to a golden score: `mos` in MOS, `faults` in severity (0..1)."""

    mos: float = 0.05
    faults: float = 0.05


@dataclass(frozen=True)
class Training:
    """Where the network comes from: data sets, the commit that trained it, figures (any JSON)."""

    data: tuple[Any, ...] = ()
    commit: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Licence:
    """Licence of one thing in the bundle or of what it was made from."""

    what: str
    licence: str


@dataclass(frozen=True)
class Manifest:
    """All that a bundle states about itself. `files` lists every file but the manifest."""

    name: str
    version: str
    encodings: Mapping[str, Encoding]
    golden: tuple[GoldenFrame, ...] = ()
    golden_tolerance: Tolerance = Tolerance()
    reason_threshold: float = 0.3
    training: Training = field(default_factory=Training)
    licences: tuple[Licence, ...] = ()
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The JSON object of schema 1, fields in the order of docs/bundle.md."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "version": self.version,
            "views_version": VIEWS_VERSION,
            "scale": {"name": MOS_SCALE, "version": MOS_SCALE_VERSION},
            "input": {"name": INPUT_NAME, "dtype": "uint8", "shape": list(SHAPE)},
            "faults": list(FAULTS),
            "reason_threshold": self.reason_threshold,
            "encodings": {
                name: {
                    "file": encoding.file,
                    "quantisation": encoding.quantisation,
                    "curve": encoding.curve.to_json(),
                    "interval": encoding.interval.to_json(),
                }
                for name, encoding in self.encodings.items()
            },
            "golden": [_golden_to_json(frame) for frame in self.golden],
            "golden_tolerance": {
                "mos": self.golden_tolerance.mos,
                "faults": self.golden_tolerance.faults,
            },
            "training": {
                "data": list(self.training.data),
                "commit": self.training.commit,
                "figures": dict(self.training.figures),
            },
            "licences": [{"what": item.what, "licence": item.licence} for item in self.licences],
            "files": {
                name: {"size": entry.size, "sha256": entry.sha256} for name, entry in self.files.items()
            },
            "signature": None,
        }

    def to_bytes(self) -> bytes:
        """The text of manifest.json; the same manifest always gives the same bytes."""
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()


def parse_manifest(data: bytes) -> Manifest:
    """Read manifest.json. Raises `BundleError` with the code that fits what is wrong."""
    top = parse_json(data)
    _check_versions(top)
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
    )
    top.done()
    for i, frame in enumerate(manifest.golden):
        if frame.scores.keys() != manifest.encodings.keys():
            fail(f"golden[{i}].scores", f"scores for {sorted(manifest.encodings)}", sorted(frame.scores))
    return manifest


def _check_versions(top: Fields) -> None:
    """The numbers that decide whether the rest means anything to this version."""
    schema = top.integer("schema", 1, 1 << 30)
    if schema != SCHEMA:
        raise BundleError(BundleCode.SCHEMA, f"the manifest has schema {schema}; this version reads {SCHEMA}")
    if top.take("signature") is not None:
        raise BundleError(BundleCode.SIGNATURE, "the bundle is signed; unsigned ones can be read so far")
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
            f"the model scores on {stated[0]} version {stated[1]}; "
            f"expected {MOS_SCALE} version {MOS_SCALE_VERSION}",
        )


def _expect(fields: Fields, name: str, value: object) -> None:
    """A field that schema 1 fixes."""
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
    folded = {name.casefold() for name in files} | {MANIFEST_NAME}
    if len(folded) != len(files) + 1:
        raise BundleError(BundleCode.PATH, "two listed files have the same name but for letter case")
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
    interval = (fields.number("coverage"), fields.number("quantile"), fields.number("floor"))
    fields.done()
    try:
        return Interval(*interval)
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


def _golden_to_json(frame: GoldenFrame) -> dict[str, Any]:
    return {
        "file": frame.file,
        "format": frame.format.name.lower(),
        "width": frame.width,
        "height": frame.height,
        "matrix": None if frame.matrix is None else frame.matrix.name.lower(),
        "range": frame.range.name.lower(),
        "scores": {
            name: {"mos": score.mos, "raw": score.raw, "faults": list(score.faults)}
            for name, score in frame.scores.items()
        },
    }
