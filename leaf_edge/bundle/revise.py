"""A bundle with the same networks and another calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from leaf_edge.bundle.curve import Curve, Interval
from leaf_edge.bundle.load import Bundle
from leaf_edge.bundle.manifest import SCHEMA, Training

RECALIBRATED = "recalibrated"
"""Key in `training.figures`: a list with a note for each recalibration, oldest first."""


def recalibrated(
    bundle: Bundle,
    calibration: Mapping[str, tuple[Curve, Interval]],
    note: Mapping[str, Any],
    *,
    name: str,
    version: str,
) -> Bundle:
    """`bundle` in memory with new curves and intervals; nothing is written (`write_bundle` does that).

    calibration: curve and interval of every encoding. note: any JSON, appended to the notes in
    `training.figures`. The golden frames' MOS follow from their raw scores by the new curves; raw scores,
    severities and all files stay as they are, and so do `acceptance` and engines. The signature goes: it does
    not hold for the new manifest. Raises ValueError where an encoding is left out.
    """
    old = bundle.manifest
    if calibration.keys() != old.encodings.keys():
        raise ValueError(f"expected calibrations of {sorted(old.encodings)}; found {sorted(calibration)}")
    encodings = {
        key: replace(encoding, curve=calibration[key][0], interval=calibration[key][1])
        for key, encoding in old.encodings.items()
    }
    golden = tuple(
        replace(
            frame,
            scores={
                key: replace(score, mos=calibration[key][0](score.raw)) for key, score in frame.scores.items()
            },
        )
        for frame in old.golden
    )
    notes = old.training.figures.get(RECALIBRATED, [])
    figures = {
        **old.training.figures,
        RECALIBRATED: [*(notes if isinstance(notes, list) else []), dict(note)],
    }
    manifest = replace(
        old,
        name=name,
        version=version,
        encodings=encodings,
        golden=golden,
        training=Training(old.training.data, old.training.commit, figures),
        signature=None,
        schema=SCHEMA,
    )
    return replace(bundle, manifest=manifest, text=manifest.to_bytes(), verified_by=None)
