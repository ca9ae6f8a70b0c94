// What runs the network: one interface over ONNX Runtime and TensorRT.
#pragma once

#include <memory>

#include "bundle/bundle.h"
#include "leaf_edge/leaf.h"
#include "memory.h"

namespace leaf {

// What the network gives for one frame, before calibration.
struct RawOutput {
  float mos, spread, faults[LEAF_FAULTS];
};

// Time of one run, in nanoseconds. views is 0 where the device makes them with the rest.
struct RunTimes {
  int64_t views = 0, inference = 0;
};

// An engine that is open. Serves one thread at a time, allocates nothing after it is open, and
// never throws.
class Engine {
 public:
  virtual ~Engine() = default;

  virtual int code() const = 0;                 // enum leaf_engine
  virtual const char* description() const = 0;  // with version and device
  virtual bool trt_encoding() const = 0;  // else `cpu`: whose calibration and golden scores count

  // Whether run_frames() is to be called in place of run_views(): the device makes the views.
  virtual bool takes_frames() const { return false; }

  // Runs the network on `count` frames' views, uint8 [count, 2, 3, 224, 224], 1 to the batch that
  // it was opened for. 0, or a code with its message kept. Outputs that are not finite are an error
  // (LEAF_E_BUNDLE_MODEL). `outputs` is untouched on error.
  virtual int run_views(const uint8_t* views, int count, RawOutput* outputs) = 0;

  // Makes the views of `count` frames, in host or CUDA memory, and runs the network on them.
  virtual int run_frames(const leaf_input* inputs, int count, RawOutput* outputs, RunTimes* times);

  // Room for the geometry of these inputs, as of leaf_prepare.
  virtual int prepare(const leaf_input* inputs, int count);
};

using EnginePtr = std::unique_ptr<Engine, Delete<Engine>>;

// All that an engine is opened with, for the length of the call. An engine must copy what it needs
// on: once it is open the context releases the contents of bundle->files, the networks among them.
struct EngineRequest {
  const Bundle* bundle;
  const leaf_settings* settings;  // with every field set and checked
  std::pmr::memory_resource* memory;
};

// Each opens its engine or returns a code with its message kept: LEAF_E_DEVICE_NO_... where this
// machine or build lacks it, LEAF_E_ENGINE_... where the bundle has none that fits. May throw
// std::bad_alloc only.
int open_onnxruntime(EnginePtr* engine, const EngineRequest& request,
                     int code);  // LEAF_ENGINE_CPU or _CUDA
int open_tensorrt(EnginePtr* engine, const EngineRequest& request);

// The first of request.settings->engines that opens; the others are logged with their reasons.
int open_engine(EnginePtr* engine, const EngineRequest& request);

}  // namespace leaf
