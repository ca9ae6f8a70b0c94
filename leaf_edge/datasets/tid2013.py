"""TID2013: 25 pictures, each with 24 distortions at five levels.

N. Ponomarenko and others, "Image database TID2013: peculiarities, results and perspectives", Signal
Processing: Image Communication 30, 2015.

Accepted: `mos_with_names.txt` (MOS and picture in a line), `mos_std.txt` (a deviation in a line, in the
same order; may be absent) and pictures in `distorted_images/`, named iRR_DD_L.bmp in any case of
letters. MOS is 0 to 9, higher is better. The deviations are taken as they stand; should they be those of
the mean and not of the ratings, which was not checked, the outlier ratio is stricter than on other sets.
There is no official split. Not checked against the real files.
"""

from __future__ import annotations

import re
from pathlib import Path

from leaf_edge.datasets.rated import Pictures, RatedSample, RatedSet, RatedSetError, Scale
from leaf_edge.datasets.tables import number, read_words

LAYOUT = "mos_with_names.txt, mos_std.txt and distorted_images/"

DISTORTIONS = (
    *("gaussian noise", "noise in colour", "spatially correlated noise", "masked noise"),
    *("high frequency noise", "impulse noise", "quantization noise", "gaussian blur", "denoising"),
    *("JPEG", "JPEG 2000", "JPEG transmission errors", "JPEG 2000 transmission errors"),
    *("non-eccentricity pattern", "local blocks", "mean shift", "contrast change", "colour saturation"),
    *("multiplicative noise", "comfort noise", "lossy compression of noisy pictures"),
    *("colour quantization with dither", "chromatic aberration", "sparse sampling"),
)
"""By their number in a picture's name, from 1."""
_SCALE = Scale(0.0, 9.0)
_NAME = re.compile(r"(i\d\d)_(\d\d)_\d\.\w+", re.IGNORECASE)


def recognises(path: Path) -> bool:
    """Whether the list and the folder are there."""
    return (path / "mos_with_names.txt").is_file() and (path / "distorted_images").is_dir()


def read(path: Path) -> RatedSet:
    """The set in `path`. Raises as `open_rated`."""
    listing, spreads = path / "mos_with_names.txt", path / "mos_std.txt"
    lines = read_words(listing)
    deviations: list[float | None] = [None] * len(lines)
    if spreads.is_file():
        deviations = [number(words[0], "deviation", where, 0.0, 9.0) for where, words in read_words(spreads)]
        if len(deviations) != len(lines):
            raise RatedSetError(
                f"{spreads}: {len(deviations)} deviations; {listing.name} has {len(lines)} lines"
            )
    pictures = Pictures(path, "distorted_images")
    samples = []
    for (where, words), deviation in zip(lines, deviations, strict=True):
        match = _NAME.fullmatch(words[1]) if len(words) == 2 else None
        if not match or not 1 <= int(match[2]) <= len(DISTORTIONS):
            raise RatedSetError(f"{where}: expected MOS and a picture such as i01_24_5.bmp")
        label = number(words[0], "MOS", where, 0.0, 9.0)
        samples.append(
            RatedSample(
                pictures.find(words[1], where),
                _SCALE.to_mos(label),
                label,
                _SCALE.deviation_to_mos(deviation),
                DISTORTIONS[int(match[2]) - 1],
                match[1].lower(),
                None,
            )
        )
    if not samples:
        raise RatedSetError(f"{listing} lists no pictures")
    return RatedSet("TID2013", tuple(samples), _SCALE, "none stated: research use")
