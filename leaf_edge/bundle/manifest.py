"""The manifest of a bundle, schema 2: its fields and how they are written (read: bundle/parse.py).

This file is the one definition of the fields; docs/bundle.md explains them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leaf_edge.bundle.curve import Curve, Interval
from leaf_edge.contract import FAULTS, INPUT_NAME, MOS_SCALE, MOS_SCALE_VERSION
from leaf_edge.frames.frame import ColorMatrix, ColorRange, Frame, PixelFormat, plane_shapes
from leaf_edge.views import VIEWS_VERSION
from leaf_edge.views.native import SHAPE

SCHEMA = 2
"""What is written."""
SCHEMAS = (1, 2)
"""What is read. Schema 1 has no `acceptance`, no `engines` and no signature."""
MANIFEST_NAME = "manifest.json"
ENCODINGS = ("cpu", "trt")
"""Known encodings: `cpu` runs on ONNX Runtime and OpenVINO, `trt` is what TensorRT is built from."""

MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 256 << 20
MAX_TOTAL_BYTES = 512 << 20
MAX_FILES = 256
"""Bounds on what is read, so that a hostile bundle cannot fill memory."""


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
class Acceptance:
    """What the acceptance check of the export said. It stays with the bundle for ever.

    accepted: whether all budgets held. anyway: they did not, and the bundle was written all the same
    (`--accept-anyway`). failures: what did not hold, one line each; none exactly where `accepted`.
    Raises ValueError where the three contradict each other.
    """

    accepted: bool
    anyway: bool = False
    failures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.accepted == bool(self.failures):
            raise ValueError("an acceptance has failures exactly where it is not accepted")
        if self.accepted == self.anyway:
            raise ValueError("a bundle is either accepted or written anyway")


@dataclass(frozen=True)
class EngineEntry:
    """One TensorRT plan in the bundle, and what it runs on.

    file: `engines/NAME.plan`. tensorrt: version that built it, `10.3.0` or `10.3.0.26`. sm: compute
    capability, `sm87`. os: operating system and processor, `linux-aarch64` (`runtime.preflight.os_name`).
    flags: how it was built, sorted, each of a-z, 0-9 and `._=+-`, such as `version_compatible`.
    log: the file under `engines/` with the build log, or None.
    """

    file: str
    tensorrt: str
    sm: str
    os: str
    flags: tuple[str, ...] = ()
    log: str | None = None

    @property
    def key(self) -> tuple[str, str, str, tuple[str, ...]]:
        """What makes two engines of one bundle different: TensorRT, capability, system, flags."""
        return self.tensorrt, self.sm, self.os, self.flags


@dataclass(frozen=True)
class Signature:
    """An Ed25519 signature of the manifest (bundle/sign.py).

    key_id: first 16 hexadecimal digits of the SHA-256 of the raw public key. value: 64 bytes.
    """

    key_id: str
    value: bytes


@dataclass(frozen=True)
class Manifest:
    """All that a bundle states about itself. `files` lists every file but the manifest.

    acceptance: None where the bundle does not state it (schema 1, or not made by `leaf-edge export`).
    schema: as it was read; `to_json` writes `SCHEMA` whatever it is.
    """

    name: str
    version: str
    encodings: Mapping[str, Encoding]
    golden: tuple[GoldenFrame, ...] = ()
    golden_tolerance: Tolerance = Tolerance()
    reason_threshold: float = 0.3
    training: Training = field(default_factory=Training)
    licences: tuple[Licence, ...] = ()
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    acceptance: Acceptance | None = None
    engines: tuple[EngineEntry, ...] = ()
    signature: Signature | None = None
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """The JSON object of schema 2, fields in the order of docs/bundle.md."""
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
            "acceptance": _acceptance_to_json(self.acceptance),
            "engines": [_engine_to_json(entry) for entry in self.engines],
            "files": {
                name: {"size": entry.size, "sha256": entry.sha256} for name, entry in self.files.items()
            },
            "signature": signature_to_json(self.signature),  # last: bundle/sign.py cuts it off
        }

    def to_bytes(self) -> bytes:
        """The text of manifest.json; the same manifest always gives the same bytes."""
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()


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


def _acceptance_to_json(acceptance: Acceptance | None) -> dict[str, Any] | None:
    if acceptance is None:
        return None
    return {
        "accepted": acceptance.accepted,
        "anyway": acceptance.anyway,
        "failures": list(acceptance.failures),
    }


def _engine_to_json(entry: EngineEntry) -> dict[str, Any]:
    return {
        "file": entry.file,
        "tensorrt": entry.tensorrt,
        "sm": entry.sm,
        "os": entry.os,
        "flags": list(entry.flags),
        "log": entry.log,
    }


def signature_to_json(signature: Signature | None) -> dict[str, str] | None:
    """The manifest's field `signature`; null where there is none."""
    if signature is None:
        return None
    return {"algorithm": "ed25519", "key_id": signature.key_id, "value": signature.value.hex()}
