"""What a bundle is, as one JSON object for people and scripts."""

from __future__ import annotations

import hashlib
from typing import Any

from leaf_edge.bundle.load import Bundle
from leaf_edge.bundle.manifest import Encoding
from leaf_edge.contract import MOS_SCALE, MOS_SCALE_VERSION
from leaf_edge.views import VIEWS_VERSION


def facts(bundle: Bundle) -> dict[str, Any]:
    """All of the manifest that is worth reading, with sizes, and the state of the signature.

    `signature.state` is `none`, `unverified` (the bundle was loaded without a key) or `verified`. Sizes are
    in bytes. Curves are given by their ends; `diff` compares them in full.
    """
    stated = bundle.manifest
    everything = stated.to_json()
    return {
        "path": str(bundle.path),
        "schema": stated.schema,
        "name": stated.name,
        "version": stated.version,
        "views_version": VIEWS_VERSION,
        "scale": {"name": MOS_SCALE, "version": MOS_SCALE_VERSION},
        "reason_threshold": stated.reason_threshold,
        "encodings": {name: _encoding(bundle, encoding) for name, encoding in stated.encodings.items()},
        "golden": everything["golden"],
        "golden_tolerance": everything["golden_tolerance"],
        "acceptance": everything["acceptance"],
        "engines": [{**entry, "size": stated.files[entry["file"]].size} for entry in everything["engines"]],
        "signature": {
            "state": _state(bundle),
            "key_id": None if stated.signature is None else stated.signature.key_id,
        },
        "training": {"data": list(stated.training.data), "commit": stated.training.commit},
        "licences": everything["licences"],
        "files": everything["files"],
        "size": len(bundle.text) + sum(entry.size for entry in stated.files.values()),
        "manifest_sha256": hashlib.sha256(bundle.text).hexdigest(),
    }


def _state(bundle: Bundle) -> str:
    if bundle.manifest.signature is None:
        return "none"
    return "unverified" if bundle.verified_by is None else "verified"


def _encoding(bundle: Bundle, encoding: Encoding) -> dict[str, Any]:
    curve = encoding.curve
    return {
        "file": encoding.file,
        "size": bundle.manifest.files[encoding.file].size,
        "quantisation": encoding.quantisation,
        "curve": {
            "knots": len(curve.raw),
            "raw": [curve.raw[0], curve.raw[-1]],
            "mos": [curve.mos[0], curve.mos[-1]],
        },
        "interval": encoding.interval.to_json(),
    }
