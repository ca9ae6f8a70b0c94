"""LIVE image quality database, release 2: 29 pictures with five kinds of distortion.

H. R. Sheikh, Z. Wang, L. Cormack, A. C. Bovik, "LIVE image quality assessment database release 2";
Sheikh, Sabir, Bovik, IEEE TIP 15(11), 2006.

Accepted: `dmos_realigned.mat` (dmos_new, dmos_std, orgs), else `dmos.mat` (dmos, orgs), and
`refnames_all.mat` (refnames_all). The vectors run through the folders jp2k, jpeg, wn, gblur, fastfading
in this order, and through imgK.bmp in each by K. How many a folder has is taken from its `info.txt` (a
line a picture), or counted. Undistorted copies (orgs 1) are left out, as usual. DMOS: 0 is undistorted,
100 worst; a few realigned values lie beyond both ends, and so do their MOS. There is no official split.
Not checked against the real files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from leaf_edge.datasets.rated import Pictures, RatedSample, RatedSet, RatedSetError, Scale
from leaf_edge.datasets.tables import number, read_words
from leaf_edge.extras import require

LAYOUT = "dmos_realigned.mat or dmos.mat, refnames_all.mat, and jp2k/ jpeg/ wn/ gblur/ fastfading/"

FOLDERS = {
    "jp2k": "JPEG 2000",
    "jpeg": "JPEG",
    "wn": "white noise",
    "gblur": "gaussian blur",
    "fastfading": "fast fading",
}
_SCALE = Scale(0.0, 100.0, higher_is_better=False)
_BEYOND = 50.0


def recognises(path: Path) -> bool:
    """Whether a file of scores and one of the five folders are there."""
    scores = any((path / name).is_file() for name in ("dmos_realigned.mat", "dmos.mat"))
    return scores and any((path / folder).is_dir() for folder in FOLDERS)


def read(path: Path) -> RatedSet:
    """The set in `path`. Raises as `open_rated`, and MissingExtraError without scipy."""
    file = path / "dmos_realigned.mat"
    realigned = file.is_file()
    file = file if realigned else path / "dmos.mat"
    scores = _load(file)
    labels = _vector(scores, "dmos_new" if realigned else "dmos", file)
    copies = _vector(scores, "orgs", file, len(labels))
    deviations = _vector(scores, "dmos_std", file, len(labels)) if "dmos_std" in scores else None
    places = [(f, k) for f in FOLDERS for k in range(1, _count(path / f) + 1)]
    if len(places) != len(labels):
        raise RatedSetError(
            f"{file}: {len(labels)} scores, but the folders {', '.join(FOLDERS)} list {len(places)} pictures"
        )
    references = _references(path / "refnames_all.mat", len(labels))
    pictures = Pictures(path, ".")
    samples = []
    for i, (folder, k) in enumerate(places):
        if copies[i]:
            continue
        where = f"{file}, entry {i + 1}"
        label = number(repr(float(labels[i])), "dmos", where, -_BEYOND, 100.0 + _BEYOND)
        deviation = None
        if deviations is not None:
            deviation = number(repr(float(deviations[i])), "dmos_std", where, 0.0, 1e3)
        samples.append(
            RatedSample(
                pictures.find(f"{folder}/img{k}.bmp", where),
                _SCALE.to_mos(label),
                label,
                _SCALE.deviation_to_mos(deviation),
                FOLDERS[folder],
                references[i],
                None,
            )
        )
    if not samples:
        raise RatedSetError(f"{file} rates no distorted picture")
    note = "DMOS realigned" if realigned else "DMOS not realigned between sessions"
    return RatedSet(
        "LIVE", tuple(samples), _SCALE, "research use, with the copyright notice of its readme", note
    )


def _load(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileNotFoundError(f"{file} not found; expected {LAYOUT}")
    try:
        loaded: dict[str, Any] = require("scipy.io", "train").loadmat(file)
    except (ValueError, TypeError, NotImplementedError, OSError, EOFError, KeyError) as error:
        raise RatedSetError(f"{file}: not a readable MATLAB file ({error})") from None
    return loaded


def _vector(scores: dict[str, Any], name: str, file: Path, length: int | None = None) -> Any:
    if name not in scores:
        there = ", ".join(key for key in scores if not key.startswith("__"))
        raise RatedSetError(f"{file}: no variable {name}; it has {there or 'none'}")
    values = np.asarray(scores[name]).ravel()
    if values.dtype.kind not in "biuf" or (length is not None and len(values) != length):
        raise RatedSetError(
            f"{file}: {name} holds {len(values)} {values.dtype}; expected {length or ''} numbers"
        )
    return values


def _count(folder: Path) -> int:
    """Pictures of a folder, undistorted copies included."""
    if (folder / "info.txt").is_file():
        return len(read_words(folder / "info.txt"))
    return sum(p.stem[3:].isdigit() for p in folder.glob("img*.bmp")) if folder.is_dir() else 0


def _references(file: Path, length: int) -> list[str]:
    """Name of the undistorted picture of each entry."""
    loaded = _load(file)
    if "refnames_all" not in loaded:
        raise RatedSetError(f"{file}: no variable refnames_all")
    names = [
        str(np.asarray(cell).ravel()[0]).strip() for cell in loaded["refnames_all"].ravel() if np.size(cell)
    ]
    if len(names) != length:
        raise RatedSetError(f"{file}: {len(names)} names; expected one for each of {length} scores")
    return names
