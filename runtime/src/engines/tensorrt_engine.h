// The engine `tensorrt`: frames to the device, views by the project's kernel, network, outputs
// back. docs/cuda.md has the design.
#pragma once

#include "engine.h"
#include "engines/cuda_buffer.h"
#include "engines/cuda_frame.h"
#include "engines/tensorrt_device.h"
#include "engines/tensorrt_plan.h"

namespace leaf {

class TensorrtEngine final : public Engine {
 public:
  explicit TensorrtEngine(const EngineRequest& request);
  ~TensorrtEngine() override;

  int open(const cuda::Machine& machine, const TensorrtLibraries& libraries, const EngineFit& fit,
           const std::pmr::vector<uint8_t>& plan);

  int code() const override { return LEAF_ENGINE_TENSORRT; }
  const char* description() const override { return description_; }
  bool trt_encoding() const override { return true; }
  bool takes_frames() const override { return device_.has_kernel(); }
  int run_views(const uint8_t* views, int count, RawOutput* outputs) override;
  int run_frames(const leaf_input* inputs, int count, RawOutput* outputs, RunTimes* times) override;
  int prepare(const leaf_input* inputs, int count) override;

 private:
  // A number of frames that the network is called with: an execution context and a graph of views
  // and inference. Fewer frames than that leave the rest of it as it was.
  struct Lane {
    int batch = 0;
    cuda::Handle graph = nullptr;
  };

  int open_buffers();
  int open_lanes();
  void capture(int lane);
  int lane_for(int count) const;
  int enqueue(int lane, cuda::Handle stream);  // what a graph holds
  int run(int lane);
  int bring(const leaf_input* inputs, int count);
  int place(const leaf_input& input, uint64_t* staged, cuda::DevicePlanes* planes);
  int bring_surfaces(const leaf_frame& frame, int planes, cuda::DevicePlanes* to);
  bool read_in_place(const leaf_frame& frame, int planes, cuda::DevicePlanes* to) const;
  void drop_surfaces();
  int reserve(uint64_t size);
  int collect(int begin, int count);
  uint64_t output_offset(int which) const;

  leaf_settings settings_;
  std::pmr::memory_resource* memory_;
  TensorrtDevice device_;
  TensorrtPlan plan_;
  cuda::Buffer frames_;   // what the kernel is told, device::Frame [most_]
  cuda::Buffer views_;    // uint8 [most_, 2, 3, 224, 224]
  cuda::Buffer outputs_;  // mos [most_], spread [most_], faults [most_, LEAF_FAULTS]
  cuda::Buffer staging_;  // frames of host memory
  cuda::Address work_ = 0;
  int most_ = 0;  // frames of one call of the network
  Lane lanes_[kMostLanes];
  int lane_count_ = 0;
  uint64_t surfaces_[3 * LEAF_MAX_BATCH];
  int surface_count_ = 0;
  RawOutput results_[LEAF_MAX_BATCH];
  char description_[LEAF_TEXT_SIZE] = "";
};

}  // namespace leaf
