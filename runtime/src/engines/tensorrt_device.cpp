#include "engines/tensorrt_device.h"

#include <cerrno>

#include "../cuda/views_frame.h"
#include "engines/cuda_fatbin.h"
#include "error.h"
#include "logger.h"

namespace leaf {

TensorrtDevice::~TensorrtDevice() {
  if (!context_) return;
  {
    const cuda::Current current(*driver_, context_);
    if (module_) driver_->ModuleUnload(module_);
    if (event_) driver_->EventDestroy(event_);
    if (own_stream_) driver_->StreamDestroy(own_stream_);
  }
  if (retained_) driver_->PrimaryCtxRelease(device_);
}

int TensorrtDevice::open(const cuda::Machine& machine, const leaf_settings& settings) {
  driver_ = machine.driver;
  integrated_ = machine.device[settings.device].integrated;
  const auto check = [&](int status, const char* call) {
    return cuda::check(*driver_, status, call);
  };
  if (const int error = check(driver_->DeviceGet(&device_, settings.device), "cuDeviceGet")) {
    return error;
  }
  stream_ = settings.cuda_stream;
  if (stream_) {
    // CUDA's graphs, events and modules belong to a context: the one that the caller works in.
    if (const int error = check(driver_->StreamGetCtx(stream_, &context_), "cuStreamGetCtx")) {
      context_ = nullptr;
      return error;
    }
  } else {
    if (const int error =
            check(driver_->PrimaryCtxRetain(&context_, device_), "cuDevicePrimaryCtxRetain")) {
      context_ = nullptr;
      return error;
    }
    retained_ = true;
  }
  const cuda::Current current(*driver_, context_);
  if (const int error = check(current.status(), "cuCtxPushCurrent")) return error;
  cuda::Device its = device_;
  if (const int error = check(driver_->CtxGetDevice(&its), "cuCtxGetDevice")) return error;
  if (its != device_) {
    return fail(-EINVAL, "settings.cuda_stream is of another device than settings.device %d",
                settings.device);
  }
  if (const int error =
          check(driver_->StreamCreate(&own_stream_, cuda::kStreamNonBlocking), "cuStreamCreate")) {
    return error;
  }
  if (!stream_) stream_ = own_stream_;
  return check(driver_->EventCreate(&event_, cuda::kEventDisableTiming), "cuEventCreate");
}

void TensorrtDevice::load_kernel(const leaf_logger& logger, std::pmr::memory_resource* memory) {
  // Of a device that shares the processor's memory, cameras' frames may be block-linear arrays.
  const char* name = integrated_ ? "leaf_views_mixed" : "leaf_views_batch";
  const char* reason = "";
  std::pmr::vector<unsigned char> file(memory);
  const void* image = cuda::views_image(&file, &reason);
  if (image) {
    int status = driver_->ModuleLoadData(&module_, image);
    if (status) {
      module_ = nullptr;
    } else {
      status = driver_->ModuleGetFunction(&kernel_, module_, name);
    }
    if (!status) return;
    kernel_ = nullptr;
    reason = cuda::error_name(*driver_, status);
  }
  log(logger, LEAF_LOG_WARNING, "no CUDA kernel of the views (%s): views are made on the CPU",
      reason);
}

int TensorrtDevice::wait() const {
  if (const int error =
          cuda::check(*driver_, driver_->EventRecord(event_, stream_), "cuEventRecord")) {
    return error;
  }
  return cuda::check(*driver_, driver_->EventSynchronize(event_), "cuEventSynchronize");
}

int TensorrtDevice::launch_views(cuda::Address frames, int count, cuda::Handle stream) const {
  void* parameters[] = {&frames};
  const int status =
      driver_->LaunchKernel(kernel_, device::kBlocks, static_cast<unsigned>(count), 1,
                            device::kThreads, 1, 1, 0, stream, parameters, nullptr);
  return cuda::check(*driver_, status, "cuLaunchKernel");
}

}  // namespace leaf
