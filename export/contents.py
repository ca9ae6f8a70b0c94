"""The files and the manifest of a bundle, from encodings that are done."""

from __future__ import annotations

from pathlib import Path

from leaf_edge.bundle import Bundle, GoldenFrame, GoldenScore, Manifest, Tolerance, Training, write_bundle
from leaf_edge.bundle import Encoding as BundleEncoding
from leaf_edge.bundle.manifest import Acceptance
from leaf_edge.export.attempt import Attempt
from leaf_edge.export.card import About, card
from leaf_edge.export.encoding import ENCODINGS
from leaf_edge.export.golden import frame_bytes, golden_frames
from leaf_edge.export.report import BuildReport
from leaf_edge.export.to_onnx import run_model
from leaf_edge.student.network import Student
from leaf_edge.views import make_views


def write(
    folder: Path, student: Student, about: About, attempt: Attempt, report: BuildReport, *, overwrite: bool
) -> Bundle:
    """Writes the bundle. Its acceptance is what `report` says, for ever."""
    contents: dict[str, bytes | Path] = {}
    encodings = {}
    for name, encoded in attempt.encodings.items():
        file = f"model.{name}.onnx"
        contents[file] = encoded.quantized.model.SerializeToString()
        encodings[name] = BundleEncoding(file, ENCODINGS[name].quantisation, encoded.curve, encoded.interval)
    golden = []
    for file, frame in golden_frames().items():
        contents[file] = frame_bytes(frame)
        scores = {}
        for name, encoded in attempt.encodings.items():
            out = run_model(encoded.quantized.model, make_views(frame)[None])
            raw = float(out["mos"][0])
            scores[name] = GoldenScore(encoded.curve(raw), raw, tuple(map(float, out["faults"][0])))
        golden.append(
            GoldenFrame(file, frame.format, frame.width, frame.height, frame.range, frame.matrix, scores)
        )
    size = (
        f"MobileNetV2-class student, {student.multiply_adds() / 1e6:.0f} million multiply-adds a view, "
        f"{sum(p.numel() for p in student.parameters()) / 1e6:.2f} million weights, INT8."
    )
    contents["card.md"] = card(about, report, size).encode()
    figures = {**about.figures, "export": report.for_manifest()}
    manifest = Manifest(
        name=report.name,
        version=about.version,
        encodings=encodings,
        golden=tuple(golden),
        golden_tolerance=Tolerance(mos=0.1, faults=0.1),
        training=Training(about.data, about.commit, figures),
        licences=about.licences,
        acceptance=Acceptance(not report.failures, report.anyway, report.failures),
    )
    return write_bundle(folder, manifest, contents, overwrite=overwrite)
