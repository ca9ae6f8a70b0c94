"""INT8 scores are the same on x86-64 processors without VNNI, whose U8 x S8 sums saturate by default."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from leaf_edge.export.encoding import CPU, make_plan
from leaf_edge.export.quantize import quantized_model
from leaf_edge.export.to_onnx import run_model

_SCORE = """
import sys
import numpy as np
from leaf_edge.runtime.engine import OnnxEngine
model, views, out = sys.argv[1:]
np.save(out, OnnxEngine(open(model, "rb").read())(np.load(views)).mos)
"""


@pytest.mark.skipif(
    platform.machine() != "x86_64" or shutil.which("qemu-x86_64-static") is None,
    reason="needs x86-64 and qemu-user-static",
)
def test_haswell_gives_the_same_scores(observed, tmp_path: Path) -> None:
    model = quantized_model(observed.net, make_plan(observed.net, CPU, observed.seen.ranges("minmax", CPU)))
    views = observed.views[:3].copy()
    views[0] = 255 - views[0] // 4  # bright: the largest codes make the largest sums
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    np.save(tmp_path / "views.npy", views)
    files = [str(tmp_path / name) for name in ("model.onnx", "views.npy", "out.npy")]
    emulated = ["qemu-x86_64-static", "-cpu", "Haswell", sys.executable, "-c", _SCORE, *files]
    subprocess.run(emulated, check=True, capture_output=True, timeout=300)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), run_model(model, views)["mos"], atol=1e-4)
