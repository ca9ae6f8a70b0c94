"""What `leaf-edge export` prints for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leaf_edge.calibration.frames import FramesReport
    from leaf_edge.export import BuildReport
    from leaf_edge.export.report import WorstFrame
    from leaf_edge.export.sensitivity import NetCost

_LAYERS = 12
"""Layers of each encoding that are listed."""


def frames_text(report: FramesReport) -> str:
    """The checks of the calibration frames as a table, then what to do about those that do not hold."""
    lines = [f"{'calibration frames':<66}{'found':>8}{'bound':>10}  "]
    for check in report.checks:
        bound = f"{'<=' if check.most else '>='} {check.bound:g}"
        state = "" if check.holds else "  warning" if check.warns else "  REFUSED"
        lines.append(f"{check.what:<66}{check.value:>8.4g}{bound:>10}{state}")
    if report.likeness is not None:
        like = report.likeness
        lines.append(
            f"distance to the nearest calibration frame: median {like.median:.3g}; typical among the "
            f"{like.frames} validation frames: {like.typical:.3g}"
        )
    lines += [f"{check.code}: {check.message}" for check in report.checks if check.message]
    return "\n".join(lines)


def sensitivity_text(costs: Mapping[str, NetCost]) -> str:
    """The worst layers of each encoding."""
    lines = []
    for name, cost in costs.items():
        lines.append(
            f"{name}: change of raw quality {cost.loss:.4f} with all layers in INT8, on {cost.frames} frames "
            "(biases not corrected)"
        )
        lines.append(f"{'layer':<24}{'alone in INT8':>15}{'gain in float':>15}")
        lines += [f"{c.layer:<24}{c.alone:>15.5f}{c.gain:>+15.5f}" for c in cost.layers[:_LAYERS]]
        if len(cost.layers) > _LAYERS:
            lines.append(f"and {len(cost.layers) - _LAYERS} more layers")
    return "\n".join(lines)


def worst_text(worst: Sequence[WorstFrame]) -> str:
    """The frames that INT8 changed most, a line each."""
    return "\n".join(
        f"{frame.change:+.2f} MOS in {frame.encoding} ({frame.mos_float:.2f} to {frame.mos:.2f}): "
        f"{frame.name or f'validation frame {frame.index}'}"
        for frame in worst
    )


def report_text(report: BuildReport) -> str:
    """The table of parity, the engines, and what was done for an encoding that failed at first."""
    lines = [report.parity.to_text()]
    lines += [f"{name} on {engine}" for name, engine in report.engines.items()]
    for name, tuning in report.tuning.items():
        lines.append(
            f"{name}: {tuning.steps} steps of quantisation-aware fine-tuning, loss on held-out frames "
            f"{tuning.before:.4f} to {tuning.after:.4f}{'' if tuning.used else '; not used'}"
        )
    for name, kept in report.kept.items():
        lines += [
            f"{name}: {k.layer} in float, change of raw quality {k.before:.4f} to {k.after:.4f}" for k in kept
        ]
    return "\n".join(lines)
