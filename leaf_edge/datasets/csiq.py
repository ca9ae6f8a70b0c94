"""CSIQ: 30 pictures with six kinds of distortion.

E. C. Larson, D. M. Chandler, "Most apparent distortion: full-reference image quality assessment and the
role of strategy", J. Electronic Imaging 19(1), 2010.

Accepted: `csiq.DMOS.xlsx` (sheet all_by_image: image, dst_type, dst_lev, dmos, dmos_std), a CSV with
those columns (`csiq.DMOS.csv`, `csiq_dmos.csv`), or `csiq_label.txt` (picture and DMOS in a line).
Pictures in `dst_imgs/KIND/`, `dst_imgs/` or `dst_imgs_all/`, named NAME.KIND.LEVEL.png. DMOS: 0 best, 1
worst. There is no official split. Not checked against the real files.
"""

from __future__ import annotations

from pathlib import Path

from leaf_edge.datasets.rated import Pictures, RatedSample, RatedSet, RatedSetError, Scale
from leaf_edge.datasets.tables import Columns, has_columns, number, plain, read_table, read_words

LAYOUT = "csiq.DMOS.xlsx (or csiq_dmos.csv, csiq_label.txt) and dst_imgs/"

_TABLES = ("csiq.DMOS.xlsx", "csiq.DMOS.csv", "csiq_dmos.csv")
_LABELS = "csiq_label.txt"
_COLUMNS: Columns = (("image",), ("dst_type",), ("dst_lev",), ("dmos",))
_SCALE = Scale(0.0, 1.0, higher_is_better=False)

_KINDS = {
    # as a table writes it: (folder, word in a picture's name, subset)
    "noise": ("awgn", "AWGN", "white noise"),
    "awgn": ("awgn", "AWGN", "white noise"),
    "blur": ("blur", "BLUR", "gaussian blur"),
    "contrast": ("contrast", "contrast", "contrast"),
    "fnoise": ("fnoise", "fnoise", "pink noise"),
    "jpeg": ("jpeg", "JPEG", "JPEG"),
    "jpeg_2000": ("jpeg2000", "jpeg2000", "JPEG 2000"),
    "jpeg2000": ("jpeg2000", "jpeg2000", "JPEG 2000"),
}


def _table(folder: Path) -> Path | None:
    files = [folder / name for name in (*_TABLES, _LABELS)]
    return next((file for file in files if file.is_file()), None)


def recognises(path: Path) -> bool:
    """Whether one of the lists is there, with its columns where it is a CSV."""
    table = _table(path)
    return table is not None and (table.suffix != ".csv" or has_columns(table, _COLUMNS))


def read(path: Path) -> RatedSet:
    """The set in `path`. Raises as `open_rated`."""
    table = _table(path)
    if table is None:
        raise FileNotFoundError(f"{path}: expected {LAYOUT}")
    samples = _from_labels(path, table) if table.name == _LABELS else _from_table(path, table)
    return RatedSet("CSIQ", tuple(samples), _SCALE, "none stated: research use")


def _pictures(folder: Path) -> Pictures:
    return Pictures(folder, "dst_imgs", "dst_imgs_all", ".")


def _sample(
    pictures: Pictures, where: str, image: str, kind: str, level: str, label: float, deviation: float | None
) -> RatedSample:
    if plain(kind) not in _KINDS:
        raise RatedSetError(f"{where}: distortion is {kind!r}; expected one of: {', '.join(_KINDS)}")
    folder, word, subset = _KINDS[plain(kind)]
    name = f"{image}.{word}.{level}.png"
    try:
        picture = pictures.find(f"{folder}/{name}", where)
    except FileNotFoundError:
        picture = pictures.find(name, where)
    mos, spread = _SCALE.to_mos(label), _SCALE.deviation_to_mos(deviation)
    return RatedSample(picture, mos, label, spread, subset, image, None)


def _from_table(folder: Path, table: Path) -> list[RatedSample]:
    pictures, samples = _pictures(folder), []
    sheet = "all_by_image" if table.suffix == ".xlsx" else None
    for row in read_table(table, _COLUMNS, sheet=sheet):
        image = row.text("image").removesuffix(".0")  # a workbook may hold the name 1600 as a number
        level = f"{row.number('dst_lev', low=1, high=9):g}"
        label = row.number("dmos", low=0.0, high=1.0)
        deviation = row.deviation("dmos_std")
        samples.append(_sample(pictures, row.where, image, row.text("dst_type"), level, label, deviation))
    return samples


def _from_labels(folder: Path, table: Path) -> list[RatedSample]:
    pictures, samples = _pictures(folder), []
    for where, words in read_words(table):
        parts = words[0].removesuffix(".png").rsplit(".", 2)
        if len(words) != 2 or len(parts) != 3:
            raise RatedSetError(f"{where}: expected a picture such as 1600.AWGN.1.png and its DMOS")
        label = number(words[1], "dmos", where, 0.0, 1.0)
        samples.append(_sample(pictures, where, parts[0], parts[1], parts[2], label, None))
    if not samples:
        raise RatedSetError(f"{table} lists no pictures")
    return samples
