"""Export of students: ONNX, INT8, acceptance, bundles; TensorRT engines in engine_*.py.

All names here need the extra `train`. engine_*.py do not: a device that builds engines has no torch.
"""

from typing import TYPE_CHECKING, NoReturn

from leaf_edge.extras import MissingExtraError, require

try:
    require("torch", "train")
    require("onnx", "train")
    _missing = ""
except MissingExtraError as error:
    _missing = str(error)

if not _missing:
    from leaf_edge.export.build import build_bundle, check_frames, valid_name
    from leaf_edge.export.card import About
    from leaf_edge.export.diagnose import StudentError
    from leaf_edge.export.encoding import CPU, TRT
    from leaf_edge.export.engines import AcceptanceEngine, acceptance_engine, plug_in
    from leaf_edge.export.observe import observe
    from leaf_edge.export.options import BuildOptions, Rated
    from leaf_edge.export.parity import Budgets, Parity, compare
    from leaf_edge.export.quantize import Quantized, quantize
    from leaf_edge.export.report import BuildReport, RefusedError
    from leaf_edge.export.sensitivity import layer_costs, sensitivity
    from leaf_edge.export.to_onnx import ExportError, to_onnx
    from leaf_edge.export.worst import contact_sheet
elif not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        if name in __all__:
            raise MissingExtraError(_missing)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
