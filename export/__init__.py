"""Export of students: ONNX, INT8, acceptance, bundles. Needs the extra `train`."""

from leaf_edge.extras import require

require("torch", "train")
require("onnx", "train")

from leaf_edge.export.build import build_bundle, check_frames, valid_name  # noqa: E402
from leaf_edge.export.card import About  # noqa: E402
from leaf_edge.export.diagnose import StudentError  # noqa: E402
from leaf_edge.export.encoding import CPU, TRT  # noqa: E402
from leaf_edge.export.engines import AcceptanceEngine, acceptance_engine, plug_in  # noqa: E402
from leaf_edge.export.observe import observe  # noqa: E402
from leaf_edge.export.options import BuildOptions, Rated  # noqa: E402
from leaf_edge.export.parity import Budgets, Parity, compare  # noqa: E402
from leaf_edge.export.quantize import Quantized, quantize  # noqa: E402
from leaf_edge.export.report import BuildReport, RefusedError  # noqa: E402
from leaf_edge.export.sensitivity import layer_costs, sensitivity  # noqa: E402
from leaf_edge.export.to_onnx import ExportError, to_onnx  # noqa: E402
from leaf_edge.export.worst import contact_sheet  # noqa: E402

__all__ = [
    "CPU",
    "TRT",
    "About",
    "AcceptanceEngine",
    "Budgets",
    "BuildOptions",
    "BuildReport",
    "ExportError",
    "Parity",
    "Quantized",
    "Rated",
    "RefusedError",
    "StudentError",
    "acceptance_engine",
    "build_bundle",
    "check_frames",
    "compare",
    "contact_sheet",
    "layer_costs",
    "observe",
    "plug_in",
    "quantize",
    "sensitivity",
    "to_onnx",
    "valid_name",
]
