"""The report of `leaf-edge compare` for people."""

from __future__ import annotations

import os
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leaf_edge.compare import Comparison, Difference
from leaf_edge.compare.layers import PILED_UP, Layer, LayerReport

_PLAIN = 12
"""Layers that are listed where none stands out: the ones that differ most."""


def print_comparison(console: Console, found: Comparison) -> None:
    """Outputs, MOS with its limits, gate decisions, worst frames, layers, and what is not as it should be."""
    a, b = found.engines
    console.print(
        f"{found.frames} frames, {a} and {b}, views by {found.kernels[0]} and {found.kernels[1]}: "
        + ("the same bytes" if not found.views.frames else "NOT the same bytes"),
        highlight=False,
    )
    console.print()
    console.print(_outputs(found))
    console.print()
    console.print(_worst(found))
    if found.layers is not None:
        console.print()
        _print_layers(console, found.layers, a, b)
    console.print()
    for line in found.skipped:
        console.print(f"skipped: {escape(line)}", style="yellow", highlight=False)
    for line in found.failures:
        console.print(escape(line), style="bold red", highlight=False)
    if not found.failures:
        console.print(f"{a} and {b} agree within the limits", style="green", highlight=False)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _outputs(found: Comparison) -> Table:
    table = _table("absolute difference", "mean", "largest", "RMS", "limits")
    for name, difference in found.outputs.items():
        label = {"mos": "raw mos", "spread": "raw spread", "faults": "faults, all"}.get(name, f"  {name}")
        table.add_row(label, *_numbers(difference), "")
    table.add_section()
    limits = found.limits
    over = found.mos.mean > limits.mos_mean or found.mos.max > limits.mos_max
    table.add_row(
        "MOS",
        *_numbers(found.mos),
        f"{limits.mos_mean:g}, {limits.mos_max:g}",
        style="bold red" if over else "bold",
    )
    table.add_row("  second less first", f"{found.bias:+.4f}", "", "", "")
    first, last = found.thresholds[0], found.thresholds[-1]
    gates = f"gate at {first:.2f}" if first == last else f"gates, {first:.2f} to {last:.2f}"
    limit = f"{limits.flips:.1%}"
    if not found.judged:
        limit = f"from {limits.least_frames} frames on"
    table.add_row(
        f"{gates}: flips",
        f"{found.flips_mean:.2%}",
        f"{max(found.flips):.2%}",
        "",
        limit,
        style="bold red" if found.judged and found.flips_mean > limits.flips else None,
    )
    return table


def _numbers(difference: Difference) -> tuple[str, str, str]:
    return f"{difference.mean:.4f}", f"{difference.max:.4f}", f"{difference.rms:.4f}"


def _worst(found: Comparison) -> Table:
    a, b = found.engines
    table = _table("worst frames", f"MOS {a}", f"MOS {b}", "change", "fault that differs most")
    table.columns[0].overflow = "fold"
    table.columns[4].justify = "left"
    names = _short([frame.name for frame in found.worst])
    for name, frame in zip(names, found.worst, strict=True):
        table.add_row(
            escape(name),
            f"{frame.mos[0]:.3f}",
            f"{frame.mos[1]:.3f}",
            f"{frame.change:+.3f}",
            f"{frame.fault} {frame.fault_change:+.3f}",
        )
    return table


def _short(names: list[str]) -> list[str]:
    """Names without the folder that they share."""
    if len(names) < 2 or not all(os.sep in name for name in names):
        return names
    folder = os.path.commonpath([str(Path(name).parent) for name in names])
    return [name.removeprefix(folder).lstrip(os.sep) for name in names]


def _print_layers(console: Console, report: LayerReport, a: str, b: str) -> None:
    shown = _shown(report)
    table = _table("layer", "by itself", "gain", "piled up", f"RMS of {a}")
    for layer in shown:
        table.add_row(
            layer.name,
            f"{layer.own:.4f}",
            f"{layer.gain:.4f}",
            f"{layer.difference:.4f}",
            f"{layer.rms:.4g}",
            style="bold red" if layer.name == report.first else "red" if report.parts(layer) else None,
        )
    console.print(table)
    console.print()
    where = f"they part at {report.first}" if report.first else "no layer parts them"
    which = f"{report.frames} frames that differ" if report.frames > 1 else "frame that differs"
    listed = "around it" if report.first else f"the {len(shown)} that differ most"
    console.print(
        f"{where}: RMS of the difference over RMS of {a}, by itself with the same inputs (at most "
        f"{report.threshold:g}), piled up from the views on (at most {PILED_UP:g}), on the {which} most; "
        f"{len(report.layers)} layers, {listed} listed",
        style="bold red" if report.first else "",
        highlight=False,
    )
    if report.disturbed:
        console.print(
            f"looking inside changed outputs by up to {report.disturbed:.1g}: ONNX Runtime fuses less",
            style="yellow",
            highlight=False,
        )
    for name, only in ((a, report.only_a), (b, report.only_b)):
        if only:
            console.print(f"only in {name}: {', '.join(only)}", style="dim", highlight=False)


def _shown(report: LayerReport) -> list[Layer]:
    """Around the first layer that parts them, or those that differ most; in their order."""
    layers = report.layers
    if report.first is None:
        least = sorted((layer.own for layer in layers), reverse=True)[:_PLAIN][-1]
        return [layer for layer in layers if layer.own >= least]
    at = next(number for number, layer in enumerate(layers) if layer.name == report.first)
    return list(layers[max(0, at - 6) : at + 6])
