// Versions, and the names and remedies of codes. Remedies of refusals are those of
// leaf_edge/bundle/errors.py, word by word; tests/runtime_c compares them.
#include <cerrno>

#include "leaf_edge/leaf.h"

namespace {

struct Code {
  int code;
  const char *name, *remedy;
};

constexpr const char* kFreshCopy = "take a fresh copy of the bundle, or build the engine again";
constexpr const char* kBuildHere =
    "build the engine again on this device: leaf-edge build-engine BUNDLE";

#define LEAF_CODE(code) code, #code
constexpr Code kCodes[] = {
    {LEAF_CODE(LEAF_E_BUNDLE_NOT_FOUND),
     "give leaf-s, leaf-m, or the path of a NAME.leaf folder or its .tar"},
    {LEAF_CODE(LEAF_E_BUNDLE_ARCHIVE),
     "pack the NAME.leaf folder again, or take a fresh copy of the bundle"},
    {LEAF_CODE(LEAF_E_BUNDLE_PATH),
     "do not use this bundle: a path in it leaves its folder; take one from its maker"},
    {LEAF_CODE(LEAF_E_BUNDLE_FILES),
     "take a fresh copy of the bundle; keep your own files outside of its folder"},
    {LEAF_CODE(LEAF_E_BUNDLE_SIZE),
     "take a fresh copy of the bundle: this one is cut off or was changed"},
    {LEAF_CODE(LEAF_E_BUNDLE_HASH), "take a fresh copy of the bundle: a file in it was changed"},
    {LEAF_CODE(LEAF_E_BUNDLE_MANIFEST),
     "export the bundle again: its manifest breaks the schema (docs/bundle.md)"},
    {LEAF_CODE(LEAF_E_BUNDLE_SCHEMA), "update leaf-edge: the bundle is from a newer version"},
    {LEAF_CODE(LEAF_E_BUNDLE_VIEWS),
     "use a leaf-edge with that view contract, or a model that was trained on this one"},
    {LEAF_CODE(LEAF_E_BUNDLE_SCALE),
     "use a model of this MOS scale: gate thresholds mean something else on another"},
    {LEAF_CODE(LEAF_E_BUNDLE_ENCODING),
     "ask for one of the encodings that the bundle has, or export it again"},
    {LEAF_CODE(LEAF_E_BUNDLE_MODEL),
     "export the bundle again: the network in it is not a LEAF-Edge student"},
    {LEAF_CODE(LEAF_E_BUNDLE_SELF_TEST),
     "do not use these scores: check the runtime's version and the hardware"},
    {LEAF_CODE(LEAF_E_SIGNATURE_MISSING),
     "take the signed bundle from its maker, or sign it: leaf-edge bundle sign"},
    {LEAF_CODE(LEAF_E_SIGNATURE_KEY),
     "give the public key of the bundle's maker, or take a bundle of that maker"},
    {LEAF_CODE(LEAF_E_SIGNATURE_INVALID),
     "do not use this bundle: it is not what was signed; take a fresh copy"},
    {LEAF_CODE(LEAF_E_SIGNATURE_NO_LIBRARY),
     "install OpenSSL's libcrypto, 1.1.1 or later: signatures are checked with it"},
    {LEAF_CODE(LEAF_E_ENGINE_NONE), "build one on the device: leaf-edge build-engine BUNDLE"},
    {LEAF_CODE(LEAF_E_ENGINE_TRT_VERSION),
     "build the engine again with this TensorRT: leaf-edge build-engine BUNDLE"},
    {LEAF_CODE(LEAF_E_ENGINE_SM), kBuildHere},
    {LEAF_CODE(LEAF_E_ENGINE_OS),
     "build the engine again on this system: leaf-edge build-engine BUNDLE"},
    {LEAF_CODE(LEAF_E_ENGINE_HASH), kFreshCopy},
    {LEAF_CODE(LEAF_E_ENGINE_UNVERIFIED),
     "give the maker's public key with --key: such a plan can run code"},
    {LEAF_CODE(LEAF_E_ENGINE_PLAN), kBuildHere},
    {LEAF_CODE(LEAF_E_DEVICE_NO_DRIVER),
     "install NVIDIA's driver, or use the CPU; leaf-edge doctor tells more"},
    {LEAF_CODE(LEAF_E_DEVICE_NO_TENSORRT),
     "install leaf-edge[tensorrt], or use the CPU; leaf-edge doctor tells more"},
    {LEAF_CODE(LEAF_E_DEVICE_NO_PROVIDER),
     "install onnxruntime-gpu, or use the CPU; leaf-edge doctor tells more"},
    {LEAF_CODE(LEAF_E_DEVICE_NO_ONNXRUNTIME),
     "install libonnxruntime, or give its path in LEAF_ONNXRUNTIME or settings.onnxruntime"},
    {LEAF_CODE(LEAF_E_DEVICE_CUDA),
     "look at the device with nvidia-smi and dmesg, then close and open the context again"},
    {-EINVAL, "EINVAL", "correct the argument that leaf_last_message names"},
    {-ENOMEM, "ENOMEM", "free memory, or ask for a smaller batch or queue"},
    {-EAGAIN, "EAGAIN", "take scores with leaf_poll, or drop this frame"},
    {-EBUSY, "EBUSY", "take the scores that are in flight with leaf_poll first"},
    {-ENOTSUP, "ENOTSUP", "ask for what this machine and build have, as leaf_last_message says"},
    {-EIO, "EIO", "a fault of the library: report it with leaf_last_message"},
};
#undef LEAF_CODE

const Code* find(int code) {
  for (const Code& entry : kCodes) {
    if (entry.code == code) return &entry;
  }
  return nullptr;
}

}  // namespace

uint32_t leaf_api_version(void) { return LEAF_API_VERSION; }

const char* leaf_version(void) { return LEAF_VERSION; }

const char* leaf_error_name(int code) {
  const Code* entry = find(code);
  return entry ? entry->name : "LEAF_E_UNKNOWN";
}

const char* leaf_error_remedy(int code) {
  const Code* entry = find(code);
  return entry ? entry->remedy : "";
}

const char* leaf_fault_name(int fault) {
  constexpr const char* kNames[LEAF_FAULTS] = {
      "defocus",       "motion_blur",  "noise",       "under_exposure",
      "over_exposure", "low_contrast", "compression", "banding",
  };
  if (fault == LEAF_FAULT_NONE) return "";
  return fault >= 0 && fault < LEAF_FAULTS ? kNames[fault] : nullptr;
}

const char* leaf_engine_name(int engine) {
  constexpr const char* kNames[LEAF_ENGINES] = {nullptr, "cpu", "cuda", "tensorrt"};
  return engine >= 0 && engine < LEAF_ENGINES ? kNames[engine] : nullptr;
}
