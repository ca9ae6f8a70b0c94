"""Export of students: ONNX, INT8, acceptance, bundles. Needs the extra `train`."""

from leaf_edge.extras import require

require("torch", "train")
require("onnx", "train")

from leaf_edge.export.build import (  # noqa: E402
    BuildOptions,
    Rated,
    build_bundle,
    valid_name,
)
from leaf_edge.export.card import About  # noqa: E402
from leaf_edge.export.encoding import CPU, TRT  # noqa: E402
from leaf_edge.export.observe import observe  # noqa: E402
from leaf_edge.export.parity import Budgets, Parity, compare  # noqa: E402
from leaf_edge.export.quantize import Quantized, quantize  # noqa: E402
from leaf_edge.export.report import BuildReport, RefusedError  # noqa: E402
from leaf_edge.export.sensitivity import sensitivity  # noqa: E402
from leaf_edge.export.to_onnx import ExportError, to_onnx  # noqa: E402

__all__ = [
    "CPU",
    "TRT",
    "About",
    "Budgets",
    "BuildOptions",
    "BuildReport",
    "ExportError",
    "Parity",
    "Quantized",
    "Rated",
    "RefusedError",
    "build_bundle",
    "compare",
    "observe",
    "quantize",
    "sensitivity",
    "to_onnx",
    "valid_name",
]
