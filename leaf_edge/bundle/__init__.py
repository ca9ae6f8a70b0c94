"""The one artefact that carries a model: manifest, checks, curve (contract: docs/bundle.md)."""

from leaf_edge.bundle.curve import Curve, Interval
from leaf_edge.bundle.engines import add_engine, engine_bytes, with_engine
from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.load import Bundle, load_bundle
from leaf_edge.bundle.manifest import (
    Acceptance,
    Encoding,
    EngineEntry,
    GoldenFrame,
    GoldenScore,
    Licence,
    Manifest,
    Signature,
    Tolerance,
    Training,
)
from leaf_edge.bundle.shipped import SHIPPED, locate, shipped
from leaf_edge.bundle.write import pack, unpack, write_bundle

__all__ = [
    "SHIPPED",
    "Acceptance",
    "Bundle",
    "BundleCode",
    "BundleError",
    "Curve",
    "Encoding",
    "EngineEntry",
    "GoldenFrame",
    "GoldenScore",
    "Interval",
    "Licence",
    "Manifest",
    "Signature",
    "Tolerance",
    "Training",
    "add_engine",
    "engine_bytes",
    "load_bundle",
    "locate",
    "pack",
    "shipped",
    "unpack",
    "with_engine",
    "write_bundle",
]
