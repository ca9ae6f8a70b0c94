"""Per-camera recalibration of a bundle: its own INT8 networks score the rated pictures, a new bundle is
written.

numpy and ONNX Runtime are all that it needs, so it runs on the device too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import Bundle, BundleCode, BundleError, load_bundle, locate, write_bundle
from leaf_edge.bundle.revise import recalibrated
from leaf_edge.calibration.ratings import Ratings, views_of_ratings
from leaf_edge.calibration.recalibrate import Calibrated, Recalibration, Scored, recalibrate
from leaf_edge.runtime.scorer import Scorer, from_bundle, run_self_test

_BATCH = 8


@dataclass(frozen=True)
class CameraOptions:
    """name, version: of the new bundle; by default the folder's name, and the old version with the list's
    hash as build metadata. threads: of ONNX Runtime. overwrite: an existing bundle."""

    name: str | None = None
    version: str | None = None
    threads: int = 1
    overwrite: bool = False


def recalibrate_bundle(
    model: str | Path,
    ratings: Ratings,
    output: str | Path,
    options: CameraOptions | None = None,
    on_picture: Callable[[int], None] = lambda done: None,
) -> tuple[Bundle, Recalibration]:
    """Writes `output` (NAME.leaf): `model` with curve and interval from `ratings`, all its files unchanged.

    model: a shipped one by name, or a bundle's path. Every encoding that runs here is scored; one that does
    not takes over the change of the others (`recalibrate`). The bundle must pass its self-test before, else
    its scores here are not those of its maker, and after. on_picture: told how many pictures are done.
    Raises `BundleError`, `CalibrationError`, ValueError for pictures that cannot be read, FileExistsError.
    """
    options, output = options or CameraOptions(), Path(output)
    if output.exists() and not options.overwrite:
        raise FileExistsError(17, "exists already", str(output))
    bundle = load_bundle(locate(model))
    scorers = _scorers(bundle, options.threads)
    views = views_of_ratings(ratings, on_picture)
    scored = {name: _score(scorer, views) for name, scorer in scorers.items()}
    old = {name: Calibrated(e.curve, e.interval) for name, e in bundle.manifest.encodings.items()}
    result = recalibrate(old, scored, ratings.mos, ratings.subsets)
    new = recalibrated(
        bundle,
        {name: (c.curve, c.interval) for name, c in result.encodings.items()},
        _note(bundle, ratings, result),
        name=options.name or output.name.removesuffix(".leaf"),
        version=options.version or _version(bundle.manifest.version, ratings),
    )
    for name in scorers:
        run_self_test(from_bundle(new, threads=options.threads, encoding=name), new, name)
    written = write_bundle(output, new.manifest, new.contents, overwrite=options.overwrite)
    return written, result


def _scorers(bundle: Bundle, threads: int) -> dict[str, Scorer]:
    """Of every encoding that runs here, self-tested; raises `BundleError` where none does, or one that runs
    does not score the golden frames as it must."""
    scorers: dict[str, Scorer] = {}
    refused: BundleError | None = None
    for name in bundle.manifest.encodings:
        try:
            scorer = from_bundle(bundle, threads=threads, encoding=name)
        except BundleError as error:
            if error.code is not BundleCode.MODEL:
                raise
            refused = error
            continue
        run_self_test(scorer, bundle, name)
        scorers[name] = scorer
    if not scorers:
        raise refused or BundleError(BundleCode.ENCODING, f"{bundle.path} has no encoding")
    return scorers


def _score(scorer: Scorer, views: NDArray[np.uint8]) -> Scored:
    parts = [scorer.score_views(views[i : i + _BATCH]) for i in range(0, len(views), _BATCH)]
    return Scored(
        np.concatenate([p.mos for p in parts]).astype(np.float64),
        np.concatenate([p.spread for p in parts]).astype(np.float64),
    )


def _version(old: str, ratings: Ratings) -> str:
    """Semantic versioning's build metadata, so that two cameras' bundles of one model can be told apart."""
    return f"{old.partition('+')[0]}+cal.{ratings.sha256[:8]}"


def _note(bundle: Bundle, ratings: Ratings, result: Recalibration) -> dict[str, Any]:
    return {
        "from": {
            "name": bundle.manifest.name,
            "version": bundle.manifest.version,
            "manifest_sha256": hashlib.sha256(bundle.text).hexdigest(),
        },
        "ratings": result.ratings,
        "ratings_sha256": ratings.sha256,
        "change": result.change,
        "why": result.why,
        "scored": sorted(result.coverage),
        "held_out_rmse": {row.change: round(row.rmse, 4) for row in result.table},
        "held_out_coverage": {
            name: [row.to_json() for row in rows] for name, rows in sorted(result.coverage.items())
        },
    }
