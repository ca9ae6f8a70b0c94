"""Why a bundle or an engine of it is refused: codes for programs, a sentence and a remedy for people."""

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
    ENCODING = "LEAF_E_BUNDLE_ENCODING"
    MODEL = "LEAF_E_BUNDLE_MODEL"
    SELF_TEST = "LEAF_E_BUNDLE_SELF_TEST"
    SIGNATURE_MISSING = "LEAF_E_SIGNATURE_MISSING"
    SIGNATURE_KEY = "LEAF_E_SIGNATURE_KEY"
    SIGNATURE_INVALID = "LEAF_E_SIGNATURE_INVALID"
    SIGNATURE_NO_LIBRARY = "LEAF_E_SIGNATURE_NO_LIBRARY"  # of the C library only, as the last two
    ENGINE_NONE = "LEAF_E_ENGINE_NONE"
    ENGINE_TRT_VERSION = "LEAF_E_ENGINE_TRT_VERSION"
    ENGINE_SM = "LEAF_E_ENGINE_SM"
    ENGINE_OS = "LEAF_E_ENGINE_OS"
    ENGINE_HASH = "LEAF_E_ENGINE_HASH"
    ENGINE_UNVERIFIED = "LEAF_E_ENGINE_UNVERIFIED"
    ENGINE_PLAN = "LEAF_E_ENGINE_PLAN"
    DEVICE_NO_DRIVER = "LEAF_E_DEVICE_NO_DRIVER"
    DEVICE_NO_TENSORRT = "LEAF_E_DEVICE_NO_TENSORRT"
    DEVICE_NO_PROVIDER = "LEAF_E_DEVICE_NO_PROVIDER"
    DEVICE_NO_ONNXRUNTIME = "LEAF_E_DEVICE_NO_ONNXRUNTIME"
    DEVICE_CUDA = "LEAF_E_DEVICE_CUDA"


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
    BundleCode.ENCODING: "ask for one of the encodings that the bundle has, or export it again",
    BundleCode.MODEL: "export the bundle again: the network in it is not a LEAF-Edge student",
    BundleCode.SELF_TEST: "do not use these scores: check the runtime's version and the hardware",
    BundleCode.SIGNATURE_MISSING: "take the signed bundle from its maker, or sign it: leaf-edge bundle sign",
    BundleCode.SIGNATURE_KEY: "give the public key of the bundle's maker, or take a bundle of that maker",
    BundleCode.SIGNATURE_INVALID: "do not use this bundle: it is not what was signed; take a fresh copy",
    BundleCode.SIGNATURE_NO_LIBRARY: "install OpenSSL's libcrypto, 1.1.1 or later: signatures are checked "
    "with it",
    BundleCode.ENGINE_NONE: "build one on the device: leaf-edge build-engine BUNDLE",
    BundleCode.ENGINE_TRT_VERSION: "build the engine again with this TensorRT: leaf-edge build-engine BUNDLE",
    BundleCode.ENGINE_SM: "build the engine again on this device: leaf-edge build-engine BUNDLE",
    BundleCode.ENGINE_OS: "build the engine again on this system: leaf-edge build-engine BUNDLE",
    BundleCode.ENGINE_HASH: "take a fresh copy of the bundle, or build the engine again",
    BundleCode.ENGINE_UNVERIFIED: "give the maker's public key with --key: such a plan can run code",
    BundleCode.ENGINE_PLAN: "build the engine again on this device: leaf-edge build-engine BUNDLE",
    BundleCode.DEVICE_NO_DRIVER: "install NVIDIA's driver, or use the CPU; leaf-edge doctor tells more",
    BundleCode.DEVICE_NO_TENSORRT: "install leaf-edge[tensorrt], or use the CPU; leaf-edge doctor tells more",
    BundleCode.DEVICE_NO_PROVIDER: "install onnxruntime-gpu, or use the CPU; leaf-edge doctor tells more",
    BundleCode.DEVICE_NO_ONNXRUNTIME: "install libonnxruntime, or give its path in LEAF_ONNXRUNTIME or "
    "settings.onnxruntime",
    BundleCode.DEVICE_CUDA: "look at the device with nvidia-smi and dmesg, then close and open the context "
    "again",
}


class BundleError(Exception):
    """A bundle, or an engine of it, that is not used. `code` for programs; the text ends with a remedy."""

    def __init__(self, code: BundleCode, message: str) -> None:
        super().__init__(f"{code.value}: {message}; {REMEDY[code]}")
        self.code = code
        self.message = message
        self.remedy = REMEDY[code]
