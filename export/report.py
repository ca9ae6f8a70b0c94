"""What an export found: the record that goes into the manifest and the card, and what a refusal carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any

from leaf_edge.calibration.frames import FramesReport
from leaf_edge.export.parity import Parity
from leaf_edge.export.sensitivity import Kept, NetCost

INTERVAL = "LEAF_E_EXPORT_INTERVAL"


@dataclass(frozen=True)
class Tuning:
    """What quantisation-aware fine-tuning did for an encoding. steps: taken. before, after: loss on
    frames that were held out (`tune.Tuned`). used: whether its weights are those of the bundle."""

    steps: int
    before: float
    after: float
    used: bool


@dataclass(frozen=True)
class WorstFrame:
    """A validation frame whose MOS changed much. index: in the validation set. name: of the frame, or "".
    mos_float, mos: by the float network and by the encoding, 1..5."""

    index: int
    name: str
    encoding: str
    mos_float: float
    mos: float

    @property
    def change(self) -> float:
        """MOS of the encoding less that of the float network."""
        return self.mos - self.mos_float


@dataclass(frozen=True)
class BuildReport:
    """What was built or refused. coverage: stated, observed on the validation set, mean width in MOS.
    failures: a sentence for each condition that did not hold; then no bundle was written, unless `anyway`.
    codes: of the failures, one each, stable. frames: checks of the calibration frames. engines: on which
    engine each encoding was accepted. kept: layers that stay in float by measured gain. tuning: of the
    encodings that were fine-tuned. worst: the frames that changed most, worst first. sensitivity: of every
    layer where it was asked for; not in `to_dict`, whose values go into the manifest."""

    name: str
    parity: Parity
    rules: Mapping[str, str]
    errors: Mapping[str, Mapping[str, float]]
    keep_float: Mapping[str, tuple[str, ...]]
    coverage: Mapping[str, tuple[float, float, float]]
    sizes: Mapping[str, int]
    failures: tuple[str, ...]
    codes: tuple[str, ...] = ()
    anyway: bool = False
    frames: FramesReport | None = None
    engines: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, tuple[Kept, ...]] = field(default_factory=dict)
    tuning: Mapping[str, Tuning] = field(default_factory=dict)
    worst: tuple[WorstFrame, ...] = ()
    sensitivity: Mapping[str, NetCost] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "accepted": not self.failures,
            "anyway": self.anyway,
            "failures": list(self.failures),
            "codes": list(self.codes),
            "frames": None if self.frames is None else self.frames.to_dict(),
            "parity": self.parity.to_dict(),
            "encodings": {
                name: {
                    "engine": self.engines.get(name, ""),
                    "ranges": self.rules[name],
                    "raw_change_by_rule": dict(self.errors[name]),
                    "keep_float": list(self.keep_float[name]),
                    "kept_by_gain": [asdict(k) for k in self.kept.get(name, ())],
                    "tuning": asdict(self.tuning[name]) if name in self.tuning else None,
                    "interval": dict(zip(("stated", "observed", "width"), self.coverage[name], strict=True)),
                    "bytes": self.sizes[name],
                }
                for name in self.rules
            },
            "worst": [{**asdict(w), "change": w.change} for w in self.worst],
        }

    def for_manifest(self) -> dict[str, Any]:
        """`to_dict` with the files' own names in place of their paths: where frames lie on the machine that
        exported is nobody's business, and the same export in another folder is the same bundle."""
        record = self.to_dict()
        return {**record, "worst": [{**w, "name": PurePath(w["name"]).name} for w in record["worst"]]}


class RefusedError(ValueError):
    """The export broke its budgets; nothing was written. `report` has the table."""

    def __init__(self, report: BuildReport) -> None:
        super().__init__("export refused: " + "; ".join(report.failures))
        self.report = report
