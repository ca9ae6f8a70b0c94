"""The card of a bundle: what the model is, what it was made from, how well it does, where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leaf_edge.bundle import Licence
from leaf_edge.contract import FAULTS, MOS_SCALE, MOS_SCALE_VERSION
from leaf_edge.export.report import BuildReport

_LABELS = {
    "validation": "agreement with human MOS, held-out photographs (rmse of raw quality, 0 to 1)",
    "epoch": "epoch of these weights",
    "train": "settings of the training",
}
"""Of the figures that a training run stores."""


@dataclass(frozen=True)
class About:
    """What a bundle states about its model.

    version: of the bundle. data: data sets that the weights were trained on, a sentence each.
    commit: of the code that trained it. figures: any JSON, such as validation agreement.
    """

    version: str = "1.0.0"
    data: tuple[str, ...] = ()
    commit: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    licences: tuple[Licence, ...] = ()


def card(about: About, report: BuildReport, size: str) -> str:
    """Markdown. size: a line on the network."""
    parity = report.parity
    intervals = "\n".join(
        f"- `{encoding}`: states {stated:.0%}, held {held:.1%} of the validation MOS, {width:.2f} MOS wide"
        for encoding, (stated, held, width) in report.coverage.items()
    )
    engines = "; ".join(f"`{name}` on {engine}" for name, engine in report.engines.items()) or "not stated"
    floats = "\n".join(
        f"- `{encoding}`: {', '.join(layers) if layers else 'none but the heads'}"
        for encoding, layers in report.keep_float.items()
    )
    figures = (
        "\n".join(f"- {_LABELS.get(key, key)}: {_short(value)}" for key, value in about.figures.items())
        or "- none stated"
    )
    data = "\n".join(f"- {item}" for item in about.data) or "- none stated"
    licences = "\n".join(f"- {item.what}: {item.licence}" for item in about.licences) or "- none stated"
    return f"""# {report.name} {about.version}
{_mark(report)}
{size}
Input: two 224x224 views of one frame (`views`, uint8). Output: quality as a mean opinion score (MOS,
1 bad to 5 excellent; scale {MOS_SCALE}, version {MOS_SCALE_VERSION}) with an interval, and the severity,
0 to 1, of {len(FAULTS)} faults: {", ".join(FAULTS)}.

## Intended use
Scoring and gating frames of cameras in real time: focus, exposure, noise, motion, compression. It judges
technical quality as a viewer would, not content, beauty or safety.

## Limits
- Scores are relative to the photographs it learnt from. On another camera, fit the curve again with a few
  labels before thresholds are set.
- The validation photographs share no scene with training, but come from the same collection, and the epoch
  was chosen on them. Their figures, and the coverage of the interval, are for frames that are alike.
- It learnt at the size of its training photographs. In larger frames the same fault spans more pixels: it
  lowers the score less surely there, and blur is seldom named.
- Faults were learnt from synthetic ones; real ones of other kinds (flare, rolling shutter, dead pixels) show
  in the quality at best, never as a reason.
- Not for decisions about people, nor for medical or forensic pictures.

## Trained on
{data}

## Licences
{licences}

## Figures of the float network
{figures}

## INT8 against float, on {parity.frames} validation frames
`cpu` is U8 activations x S8 weights (ONNX Runtime, OpenVINO), `trt` is S8 x S8 (TensorRT); `torch` and
`onnx` are the float32 network. Changes are in MOS, flips are gate decisions that differ.
```
{parity.to_text()}
```
Checked on: {engines}

Intervals:
{intervals}

Layers in float:
{floats}
"""


def _mark(report: BuildReport) -> str:
    """What a reader must know first of a bundle that was not accepted."""
    if not report.anyway:
        return ""
    failures = "\n".join(f"> - {text}" for text in report.failures)
    return f"""
> **Not accepted.** This export failed its acceptance and was written with `--accept-anyway`:
{failures}
"""


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
