"""The table of parity and its budgets."""

from __future__ import annotations

import numpy as np
import pytest

from leaf_edge.bundle import Curve
from leaf_edge.export.parity import Budgets, compare, excess

LINE = Curve((0.0, 1.0), (1.0, 5.0))


def outputs(mos: np.ndarray, faults: float = 0.2) -> dict[str, np.ndarray]:
    return {"mos": mos.astype(np.float32), "faults": np.full((len(mos), 8), faults, np.float32)}


def test_figures() -> None:
    raw = np.linspace(0.1, 0.9, 101)
    engines = {"onnx": outputs(raw), "cpu": outputs(raw + 0.005, 0.21), "trt": outputs(raw - 0.005)}
    p = compare(engines, dict.fromkeys(engines, LINE), 1 + 4 * raw, threshold=3.0)
    rows = {(r.engine, r.against): r for r in p.rows}
    cpu = rows["cpu", "onnx"]
    assert cpu.mos_mean == pytest.approx(0.02, abs=1e-6) and cpu.mos_max == pytest.approx(0.02, abs=1e-6)
    assert cpu.fault_mean == pytest.approx(0.01, abs=1e-6)
    assert cpu.srcc == pytest.approx(1) and cpu.srcc_loss == pytest.approx(0)
    assert rows["trt", "onnx"].flips == pytest.approx(1 / 101)  # the frame at 3.00 falls below
    assert rows["trt", "cpu"].mos_mean == pytest.approx(0.04, abs=1e-6)
    assert rows["trt", "onnx"].flips_max == rows["trt", "onnx"].flips  # one threshold
    assert p.failures == () and p.thresholds == (3.0,)
    assert "cpu" in p.to_text() and "gates at MOS 3.00" in p.to_text() and p.to_dict()["frames"] == 101


def test_flips_are_counted_at_each_threshold() -> None:
    raw = np.linspace(0, 1, 1001)
    engines = {"onnx": outputs(raw), "cpu": outputs(raw + 0.0055)}
    row = next(
        r for r in compare(engines, dict.fromkeys(engines, LINE), 1 + 4 * raw).rows if r.engine == "cpu"
    )
    assert row.flips == pytest.approx(0.0055, abs=0.001)  # of frames that lie evenly, at any threshold
    one = compare(engines, dict.fromkeys(engines, LINE), 1 + 4 * raw, threshold=7.0)
    assert all(r.flips == 0 for r in one.rows)  # a gate that no frame passes


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda raw: raw + 0.05, "mean change in MOS"),
        (lambda raw: np.where(np.arange(len(raw)) == 5, raw + 0.5, raw), "largest change"),
        (lambda raw: raw[::-1], "SRCC loss"),
        (lambda raw: np.full_like(raw, 0.5), "SRCC loss is nan"),
    ],
)
def test_each_budget_refuses(change, text: str) -> None:
    raw = np.linspace(0.1, 0.9, 101)
    engines = {"onnx": outputs(raw), "cpu": outputs(change(raw))}
    p = compare(engines, dict.fromkeys(engines, LINE), 1 + 4 * raw)
    assert any(text in f and f.startswith("cpu: ") for f in p.failures), p.failures


def test_flips_faults_and_disagreement() -> None:
    raw = np.full(50, 0.5) + np.linspace(-1e-3, 1e-3, 50)
    engines = {"onnx": outputs(raw), "cpu": outputs(raw - 0.005), "trt": outputs(raw + 0.007, 0.3)}
    p = compare(engines, dict.fromkeys(engines, LINE), 1 + 4 * raw, budgets=Budgets(fault_mean=0.05))
    assert len(p.thresholds) == 9 and all(r.flips <= r.flips_max for r in p.rows)
    text = " | ".join(p.failures)
    assert "cpu: share of gate decisions that flip" in text
    assert "trt: mean change of the 8 faults" in text
    assert "cpu and trt: mean difference in MOS is 0.0480" in text
    assert "cpu and trt: share of gate decisions that differ is 1" in text
    raw = np.linspace(0.1, 0.9, 101)
    engines = {"onnx": outputs(raw), "cpu": outputs(raw - 0.05 * (raw > 0.899)), "trt": outputs(raw)}
    engines["trt"]["mos"][-1] += 0.05
    p = compare(engines, dict.fromkeys(engines, LINE), 1 + 4 * raw)
    assert p.failures == ("cpu and trt: largest difference in MOS is 0.4000; at most 0.35",)


def test_each_engine_uses_its_own_curve() -> None:
    raw = np.linspace(0.1, 0.9, 50)
    engines = {"onnx": outputs(raw), "cpu": outputs(raw + 0.1)}
    curves = {"onnx": LINE, "cpu": Curve((0.1, 1.1), (1.0, 5.0))}
    assert compare(engines, curves, 1 + 4 * raw).failures == ()


def test_excess_is_the_share_by_which_budgets_are_broken() -> None:
    raw = np.linspace(0.1, 0.9, 101)
    engines = {"onnx": outputs(raw), "cpu": outputs(raw + 0.01), "trt": outputs(raw)}
    budgets = Budgets(mos_mean=0.03, mos_max=0.04 / 3, flips=1.0, pair_mean=0.0)
    p = compare(engines, dict.fromkeys(engines, LINE), 1 + 4 * raw, budgets=budgets)
    # 0.04 MOS everywhere: a third above the mean's budget, twice the largest's on top; the pair is not
    assert excess(p, "cpu") == pytest.approx(1 / 3 + 2, abs=1e-4) and excess(p, "trt") == 0
    none = compare(
        engines, dict.fromkeys(engines, LINE), 1 + 4 * raw, budgets=Budgets(mos_mean=0.0, mos_max=1)
    )
    assert 0 < excess(none, "cpu") < float("inf")
    flat = {"onnx": outputs(raw), "cpu": outputs(np.full_like(raw, 0.5))}  # SRCC is no number
    assert excess(compare(flat, dict.fromkeys(flat, LINE), 1 + 4 * raw), "cpu") == float("inf")
