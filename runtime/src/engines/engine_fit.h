// Whether a TensorRT engine of a bundle fits this machine, compared before a byte of the plan is
// used: the rules, codes and words of leaf_edge/runtime/engine_fit.py.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "bundle/bundle.h"
#include "engines/cuda_driver.h"

namespace leaf {

struct TensorrtVersion {
  int major = 0, minor = 0, patch = 0;
};

bool operator==(const TensorrtVersion& a, const TensorrtVersion& b);
bool operator<(const TensorrtVersion& a, const TensorrtVersion& b);

// "10.3.0.26" as 10, 3, 0. False for text that is no version.
bool parse_version(std::string_view text, TensorrtVersion* version);

// What a TensorRT library can do: any plan of its version; version-compatible plans that carry
// their own lean runtime; version-compatible plans of its own version. In the order of preference.
enum class TensorrtKind { kFull, kDispatch, kLean };

// A TensorRT that is installed. cuda_major: of the CUDA that it was made for, 0 where it does not
// tell.
struct TensorrtFound {
  char label[LEAF_TEXT_SIZE] = "";  // for people, with the version
  TensorrtKind kind = TensorrtKind::kFull;
  TensorrtVersion version;
  int cuda_major = 0;
};

constexpr int kTensorrtKinds = 3;

// The engine to run, and which of `found` runs it.
struct EngineFit {
  const EngineEntry* entry = nullptr;
  int library = 0;
  bool host_code = false;  // the plan brings code of its own
  int dla = -1;            // core that it was built for; -1: it runs on the GPU alone
};

// Operating system and processor as engines are keyed by it, "linux-aarch64".
const char* system_name();

// Fills `fit`, or returns why there is none: LEAF_E_DEVICE_NO_DRIVER, LEAF_E_DEVICE_NO_TENSORRT or
// LEAF_E_ENGINE_..., with the message kept. An engine for exactly this TensorRT and device is
// preferred to one that is compatible, which is slower. Where several do not fit, the reason is
// that of the one that came furthest. `library_reason`: why there is no TensorRT, where `count` is
// 0.
int find_fit(EngineFit* fit, const std::pmr::vector<EngineEntry>& entries,
             const cuda::Machine& machine, const TensorrtFound* found, int count,
             const char* library_reason, std::string_view system, int device);

// The plan of a fit, with the checks of its bytes that need no device: LEAF_E_ENGINE_HASH where
// they are not what the manifest states, LEAF_E_ENGINE_UNVERIFIED for a plan that holds code unless
// a signature of the bundle was verified.
int take_plan(const std::pmr::vector<uint8_t>** plan, const Bundle& bundle, const EngineFit& fit);

}  // namespace leaf
