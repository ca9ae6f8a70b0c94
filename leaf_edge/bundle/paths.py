"""Names of files in a bundle: plain, inside of the folder, and the same file on every system."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.manifest import MANIFEST_NAME

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
_PATH = re.compile(rf"{_PART}(?:/{_PART}){{0,3}}", re.ASCII)
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.[^/]*)?", re.ASCII | re.IGNORECASE)
"""Names that Windows gives to devices, with any ending."""


def check_path(name: str) -> str:
    """`name` if it is a plain relative path of a bundle's file; else raises `BundleError` PATH.

    Letters, digits and `._-` in each of up to four parts, none beginning or ending with a dot, none a
    device of Windows; so no path can leave the folder, be hidden, or mean another thing on another system.
    """
    plain = len(name) <= 200 and _PATH.fullmatch(name) is not None
    if not plain or any(_DEVICE.fullmatch(part) for part in name.split("/")):
        raise BundleError(BundleCode.PATH, f"unsafe file name {name[:80]!r}")
    return name


def check_names(names: Iterable[str]) -> None:
    """Refuses names of which two are one file where letter case does not count, or one is another's folder.

    Raises `BundleError` PATH. Each name for itself is `check_path`'s matter.
    """
    files = {MANIFEST_NAME: MANIFEST_NAME}
    folders: dict[str, str] = {}
    for name in names:
        if files.setdefault(name.lower(), name) != name or name == MANIFEST_NAME:
            raise BundleError(BundleCode.PATH, f"two listed files are {name[:80]!r} but for letter case")
        for parent in list(PurePosixPath(name).parents)[:-1]:
            folder = str(parent)
            if folders.setdefault(folder.lower(), folder) != folder:
                raise BundleError(BundleCode.PATH, f"two folders are {folder[:80]!r} but for letter case")
    both = sorted(files.keys() & folders.keys())
    if both:
        raise BundleError(BundleCode.PATH, f"{both[0]!r} is listed as a file and as a folder")
