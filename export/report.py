"""What an export found: the record that goes into the manifest and the card, and what a refusal carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leaf_edge.export.parity import Parity


@dataclass(frozen=True)
class BuildReport:
    """What was built or refused. coverage: stated, observed on the validation set, mean width in MOS.
    failures: a sentence for each condition that did not hold; then no bundle was written."""

    name: str
    parity: Parity
    rules: Mapping[str, str]
    errors: Mapping[str, Mapping[str, float]]
    keep_float: Mapping[str, tuple[str, ...]]
    coverage: Mapping[str, tuple[float, float, float]]
    sizes: Mapping[str, int]
    failures: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "accepted": not self.failures,
            "failures": list(self.failures),
            "parity": self.parity.to_dict(),
            "encodings": {
                name: {
                    "ranges": self.rules[name],
                    "raw_change_by_rule": dict(self.errors[name]),
                    "keep_float": list(self.keep_float[name]),
                    "interval": dict(zip(("stated", "observed", "width"), self.coverage[name], strict=True)),
                    "bytes": self.sizes[name],
                }
                for name in self.rules
            },
        }


class RefusedError(ValueError):
    """The export broke its budgets; nothing was written. `report` has the table."""

    def __init__(self, report: BuildReport) -> None:
        super().__init__("export refused: " + "; ".join(report.failures))
        self.report = report
