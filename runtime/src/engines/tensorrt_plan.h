// A plan as TensorRT runs it. All that needs TensorRT's headers is behind this.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>

#include "engines/tensorrt_library.h"
#include "leaf_edge/leaf.h"

namespace leaf {

constexpr int kOutputTensors = 3;  // mos, spread, faults
constexpr int kMostLanes = 16;

// Of TensorRT's headers that this was compiled with.
int tensorrt_headers_major();
int tensorrt_least_minor();

class TensorrtPlan {
 public:
  TensorrtPlan(const leaf_logger& logger, std::pmr::memory_resource* memory);
  ~TensorrtPlan();
  TensorrtPlan(const TensorrtPlan&) = delete;
  TensorrtPlan& operator=(const TensorrtPlan&) = delete;

  // Makes a runtime of the library.
  int start(CreateRuntime create, int32_t version);

  // Deserialises, after start(). The context of the device must be current, and preflight must have
  // passed. host_code: the plan may bring code of its own. dla: -1, or the core that it was built
  // for. LEAF_E_ENGINE_PLAN where TensorRT refuses it or it is not a student's.
  int open(const uint8_t* data, size_t size, bool host_code, int dla);

  // Destroys what the others made; the destructor does it too.
  void close();

  int least() const { return least_; }  // frames of one call
  int most() const { return most_; }

  // Bytes on the device that calls work in; lanes share them.
  int64_t work_bytes() const;

  // One more way to call it: for `batch` frames, on these addresses of the device. At most
  // kMostLanes. A graph that was captured of a lane is good for as long as the lane is.
  int add_lane(int batch, uint64_t work, uint64_t views, const uint64_t (&outputs)[kOutputTensors]);

  // From views to outputs.
  int enqueue(int lane, void* stream);

 private:
  struct Parts;
  Parts* parts_;
  std::pmr::memory_resource* memory_;
  int least_ = 0, most_ = 0;
};

}  // namespace leaf
