"""Calibration: rounding and mapping in the C library give the bits that Python gives."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bundle_programs import programs, run  # noqa: F401
from numpy.typing import NDArray

from leaf_edge.bundle import Curve, Encoding, Interval
from leaf_edge.contract import FAULTS
from leaf_edge.runtime.engine import RawOutputs
from leaf_edge.runtime.scorer import Scorer

# ruff: noqa: F811


def bits(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(values, np.float64).view(np.uint64)


def neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values, and the doubles just below and above each."""
    return np.concatenate([values, np.nextafter(values, -np.inf), np.nextafter(values, np.inf)])


def awkward(decimals: int) -> NDArray[np.float64]:
    """Doubles at, next to and between the ties of `decimals` decimals, and of every magnitude."""
    rng = np.random.default_rng(decimals)
    ties = (rng.integers(-60_000, 60_000, 15_000) + 0.5) / 10**decimals
    exact = rng.integers(-(1 << 20), 1 << 20, 15_000) / (1 << rng.integers(1, 20, 15_000))
    any_bits = rng.integers(0, 1 << 64, 20_000, np.uint64).view(np.float64)
    scaled = np.ldexp(rng.uniform(-1, 1, 20_000), rng.integers(-40, 60, 20_000))
    singles = rng.uniform(-0.2, 1.2, 10_000).astype(np.float32).astype(np.float64)
    special = np.array(
        [0.0, -0.0, 5e-324, 2.0**52, 2.0**53, 2.0**33, 9007199254.740992, 1.7e308, 0.5, 1.5, 2.5]
    )
    values = np.concatenate([neighbours(ties), exact, any_bits, scaled, singles, neighbours(special)])
    finite: NDArray[np.float64] = values[np.isfinite(values)]
    return finite


@pytest.mark.parametrize("decimals", [0, 1, 4, 6])
def test_rounding_is_that_of_python(programs: Path, decimals: int) -> None:
    values = awkward(decimals)
    assert len(values) > 100_000
    output = run([programs / "calibration_pipe", "round", str(decimals)], values.tobytes())
    expected = np.array([round(value, decimals) for value in values.tolist()])
    wrong = bits(np.frombuffer(output)) != bits(expected)
    assert not wrong.any(), [(value.hex(), decimals) for value in values[wrong][:5].tolist()]


def calibrations(rng: np.random.Generator) -> list[tuple[Curve, Interval, float]]:
    """Curves of 2 to 1,024 knots, also very steep, flat and wide ones; intervals of every kind."""
    found = []
    for n in range(24):
        knots = (2, 3, 4, 5, 17, 1024)[n % 6]
        raw = np.unique(rng.uniform(-0.5, 1.5, knots))
        mos = np.sort(rng.uniform(1, 5, len(raw)))
        if n >= 18:
            mos = np.round(mos)
        if n == 6:
            raw = np.array([-1.7e308, 1.7e308])  # their distance is infinite
        if n == 7:
            raw = np.array([0.0, 5e-324, 0.5])  # the slope is
        cap = None if n % 3 else float(rng.uniform(0.001, 0.2))
        quantile, floor = (1e308, 0.0) if n == 11 else (float(rng.uniform(0, 3)), float(rng.uniform(0, 0.5)))
        curve = Curve(tuple(raw.tolist()), tuple(mos.tolist()))
        found.append((curve, Interval(0.9, quantile, floor, cap), float(rng.choice([0.0, 0.3, 0.5, 1.0]))))
    return found


def outputs(rng: np.random.Generator, curve: Curve, count: int) -> NDArray[np.float32]:
    """Raw outputs [count, 10]: mos at and about the knots and far off, spreads, severities, many equal."""
    near = np.resize(np.asarray(curve.raw, np.float64), count // 2)
    mos = np.concatenate([near, rng.uniform(-1, 2, count - len(near))]).clip(-3e38, 3e38)
    faults = rng.uniform(-0.2, 1.2, (count, len(FAULTS)))
    faults[::3] = np.round(faults[::3], 1)
    table = np.column_stack([mos, rng.gamma(1, 0.1, count), faults]).astype(np.float32)
    table[::97, 0] = rng.choice([3e38, -3e38, 1e10, 0.0, -0.0, 1e-45], len(table[::97]))
    table[::89, 1] = rng.choice([0.0, -1.0, 3e38], len(table[::89]))
    return table


def test_mapping_is_that_of_the_scorer(programs: Path) -> None:
    rng = np.random.default_rng(7)
    for curve, interval, threshold in calibrations(rng):
        table = outputs(rng, curve, 2_000)
        head = [interval.coverage, interval.quantile, interval.floor, interval.spread_cap or 0.0, threshold]
        data = struct.pack("<5dI", *head, len(curve.raw)) + struct.pack(
            f"<{2 * len(curve.raw)}d", *curve.raw, *curve.mos
        )
        found = np.frombuffer(run([programs / "calibration_pipe", "map"], data + table.tobytes())).reshape(
            -1, 13
        )
        scorer = SimpleNamespace(encoding=Encoding("", "", curve, interval), reason_threshold=threshold)
        expected = np.empty_like(found)
        for row, raw in zip(expected, table, strict=True):
            raws = RawOutputs(raw[:1], raw[1:2], raw[None, 2:])
            mos, lower, upper, quality, faults, reason = Scorer._map(scorer, raws)  # type: ignore[arg-type]
            row[:] = [mos, lower, upper, quality, *faults, FAULTS.index(reason) if reason else -1]
        wrong = (bits(found).reshape(-1, 13) != bits(expected).reshape(-1, 13)).any(axis=1)
        assert not wrong.any(), (curve, interval, table[wrong][0], found[wrong][0], expected[wrong][0])


def test_many_values_of_one_curve(programs: Path) -> None:
    """Five numbers of each of 200,000 outputs, against numpy over all of them at once."""
    rng = np.random.default_rng(8)
    curve, interval = (
        Curve(tuple(np.linspace(0, 1, 33)), tuple(1 + 4 * np.linspace(0, 1, 33) ** 1.7)),
        Interval(0.9, 1.3, 0.1),
    )
    table = rng.uniform(-0.1, 1.1, (200_000, 10)).astype(np.float32)
    data = struct.pack("<5dI", 0.9, 1.3, 0.1, 0, 0.3, 33) + np.array([curve.raw, curve.mos]).tobytes()
    found = np.frombuffer(run([programs / "calibration_pipe", "map"], data + table.tobytes())).reshape(-1, 13)
    exact = curve(table[:, 0].astype(np.float64)).tolist()
    ends = [interval(mos, spread) for mos, spread in zip(exact, table[:, 1].tolist(), strict=True)]
    columns = {
        0: [round(mos, 4) for mos in exact],
        1: [round(lower, 4) for lower, _ in ends],
        2: [round(upper, 4) for _, upper in ends],
        3: [round(raw, 6) for raw in table[:, 0].tolist()],
        4: [round(min(1.0, max(0.0, severity)), 4) for severity in table[:, 2].tolist()],
    }
    for column, expected in columns.items():
        assert np.array_equal(bits(found[:, column]), bits(np.array(expected))), column
