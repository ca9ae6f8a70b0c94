// What an open TensorRT engine holds of the device: context, stream, kernel, event.
#pragma once

#include <memory_resource>

#include "engines/cuda_driver.h"
#include "leaf_edge/leaf.h"

namespace leaf {

class TensorrtDevice {
 public:
  TensorrtDevice() = default;
  ~TensorrtDevice();
  TensorrtDevice(const TensorrtDevice&) = delete;
  TensorrtDevice& operator=(const TensorrtDevice&) = delete;

  // Takes the caller's stream and its context, or makes a stream in the device's own context.
  int open(const cuda::Machine& machine, const leaf_settings& settings);

  // The kernel of the views. 0 also where there is none, which is logged: has_kernel() tells.
  void load_kernel(const leaf_logger& logger, std::pmr::memory_resource* memory);

  // Waits for what is on the stream, by an event: nothing else is waited for.
  int wait() const;

  // Enqueues the views of `count` frames described at `frames` on the device.
  int launch_views(cuda::Address frames, int count, cuda::Handle stream) const;

  const cuda::Driver& driver() const { return *driver_; }
  cuda::Handle context() const { return context_; }
  cuda::Handle stream() const { return stream_; }              // to work on
  cuda::Handle capture_stream() const { return own_stream_; }  // ours in any case
  bool integrated() const { return integrated_; }
  bool has_kernel() const { return kernel_ != nullptr; }

 private:
  const cuda::Driver* driver_ = nullptr;
  cuda::Device device_ = 0;
  cuda::Handle context_ = nullptr, stream_ = nullptr, own_stream_ = nullptr, event_ = nullptr;
  cuda::Handle module_ = nullptr, kernel_ = nullptr;
  bool retained_ = false, integrated_ = false;
};

}  // namespace leaf
