"""Why a bundle is refused: codes for programs, a sentence and a remedy for people."""

from __future__ import annotations

from enum import StrEnum


class BundleCode(StrEnum):
    """The reason for a refusal. Stable names: scripts and the C runtime use the same ones."""

    NOT_FOUND = "LEAF_E_BUNDLE_NOT_FOUND"
    ARCHIVE = "LEAF_E_BUNDLE_ARCHIVE"
    PATH = "LEAF_E_BUNDLE_PATH"
    FILES = "LEAF_E_BUNDLE_FILES"
    SIZE = "LEAF_E_BUNDLE_SIZE"
    HASH = "LEAF_E_BUNDLE_HASH"
    MANIFEST = "LEAF_E_BUNDLE_MANIFEST"
    SCHEMA = "LEAF_E_BUNDLE_SCHEMA"
    VIEWS = "LEAF_E_BUNDLE_VIEWS"
    SCALE = "LEAF_E_BUNDLE_SCALE"
    SIGNATURE = "LEAF_E_BUNDLE_SIGNATURE"
    ENCODING = "LEAF_E_BUNDLE_ENCODING"
    MODEL = "LEAF_E_BUNDLE_MODEL"
    SELF_TEST = "LEAF_E_BUNDLE_SELF_TEST"


REMEDY: dict[BundleCode, str] = {
    BundleCode.NOT_FOUND: "give leaf-s, leaf-m, or the path of a NAME.leaf folder or its .tar",
    BundleCode.ARCHIVE: "pack the NAME.leaf folder again, or take a fresh copy of the bundle",
    BundleCode.PATH: "do not use this bundle: a path in it leaves its folder; take one from its maker",
    BundleCode.FILES: "take a fresh copy of the bundle; keep your own files outside of its folder",
    BundleCode.SIZE: "take a fresh copy of the bundle: this one is cut off or was changed",
    BundleCode.HASH: "take a fresh copy of the bundle: a file in it was changed",
    BundleCode.MANIFEST: "export the bundle again: its manifest breaks the schema (docs/bundle.md)",
    BundleCode.SCHEMA: "update leaf-edge: the bundle is from a newer version",
    BundleCode.VIEWS: "use a leaf-edge with that view contract, or a model that was trained on this one",
    BundleCode.SCALE: "use a model of this MOS scale: gate thresholds mean something else on another",
    BundleCode.SIGNATURE: "update leaf-edge: this version cannot verify signatures and trusts none unseen",
    BundleCode.ENCODING: "ask for one of the encodings that the bundle has, or export it again",
    BundleCode.MODEL: "export the bundle again: the network in it is not a LEAF-Edge student",
    BundleCode.SELF_TEST: "do not use these scores: check the runtime's version and the hardware",
}


class BundleError(Exception):
    """A bundle that is not used. `code` for programs; the text ends with a remedy."""

    def __init__(self, code: BundleCode, message: str) -> None:
        super().__init__(f"{code.value}: {message}; {REMEDY[code]}")
        self.code = code
        self.message = message
        self.remedy = REMEDY[code]
