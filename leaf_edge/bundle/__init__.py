"""The one artefact that carries a model: manifest, checks, curve (contract: docs/bundle.md)."""

from leaf_edge.bundle.curve import Curve, Interval
from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.load import Bundle, load_bundle
from leaf_edge.bundle.manifest import (
    Encoding,
    GoldenFrame,
    GoldenScore,
    Licence,
    Manifest,
    Tolerance,
    Training,
)
from leaf_edge.bundle.shipped import SHIPPED, locate, shipped
from leaf_edge.bundle.write import pack, write_bundle

__all__ = [
    "SHIPPED",
    "Bundle",
    "BundleCode",
    "BundleError",
    "Curve",
    "Encoding",
    "GoldenFrame",
    "GoldenScore",
    "Interval",
    "Licence",
    "Manifest",
    "Tolerance",
    "Training",
    "load_bundle",
    "locate",
    "pack",
    "shipped",
    "write_bundle",
]
