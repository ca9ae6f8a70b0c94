// Frames to where the kernel reads them: those in the device's reach stay where they are, the
// others are copied to pinned memory and from there.
#include <cerrno>
#include <cstring>

#include "engines/tensorrt_engine.h"
#include "error.h"
#include "views_plan.h"

namespace leaf {

int TensorrtEngine::reserve(uint64_t size) {
  if (size <= staging_.size()) return 0;
  return staging_.allocate(device_.driver(), size, device_.integrated());
}

int TensorrtEngine::prepare(const leaf_input* inputs, int count) {
  if (!device_.has_kernel()) return 0;
  const cuda::Driver& driver = device_.driver();
  const cuda::Current current(driver, device_.context());
  if (const int error = cuda::check(driver, current.status(), "cuCtxPushCurrent")) return error;
  for (int begin = 0; begin < count; begin += most_) {
    uint64_t size = 0;
    for (int i = begin; i < count && i < begin + most_; ++i) {
      if (inputs[i].memory == LEAF_MEMORY_HOST) size += cuda::stage_layout(inputs[i].frame).size;
    }
    if (const int error = reserve(size)) return error;
  }
  return 0;
}

// Describes `count` frames to the kernel and enqueues the copies that they need.
int TensorrtEngine::bring(const leaf_input* inputs, int count) {
  if (const int error = prepare(inputs, count)) return error;
  auto* frames = reinterpret_cast<device::Frame*>(frames_.host());
  uint64_t staged = 0;
  for (int i = 0; i < count; ++i) {
    cuda::DevicePlanes planes;
    if (const int error = place(inputs[i], &staged, &planes)) return error;
    const uint64_t out = views_.device() + static_cast<uint64_t>(i) * LEAF_VIEWS_BYTES;
    cuda::fill_frame(&frames[i], inputs[i].frame, planes, out);
  }
  for (int i = count; i < most_; ++i) frames[i].layout = device::Layout::kNone;
  return 0;
}

int TensorrtEngine::place(const leaf_input& input, uint64_t* staged, cuda::DevicePlanes* planes) {
  const leaf_frame& frame = input.frame;
  const int count = format_layout(frame.format)->planes;
  if (input.memory == LEAF_MEMORY_CUDA_ARRAY) return bring_surfaces(frame, count, planes);
  if (input.memory == LEAF_MEMORY_CUDA) {
    for (int p = 0; p < count; ++p) {
      planes->address[p] = reinterpret_cast<uint64_t>(frame.plane[p]);
      planes->pitch[p] = frame.pitch[p];
    }
    return 0;
  }
  if (device_.integrated() && read_in_place(frame, count, planes)) return 0;
  const cuda::Staging layout = cuda::stage_layout(frame);
  cuda::stage(frame, layout, staging_.host() + *staged);
  for (int p = 0; p < count; ++p) {
    planes->address[p] = staging_.device() + *staged + layout.offset[p];
    planes->pitch[p] = layout.pitch[p];
  }
  const int error = staging_.upload(device_.driver(), *staged, layout.size, device_.stream());
  *staged += layout.size;
  return error;
}

// On a device that shares the processor's memory, memory that the caller pinned needs no copy.
bool TensorrtEngine::read_in_place(const leaf_frame& frame, int planes,
                                   cuda::DevicePlanes* to) const {
  for (int p = 0; p < planes; ++p) {
    if (device_.driver().PointerGetAttribute(&to->address[p], cuda::kPointerDevice,
                                             reinterpret_cast<uint64_t>(frame.plane[p]))) {
      return false;
    }
    to->pitch[p] = frame.pitch[p];
  }
  return true;
}

// A surface lives for one call: the producer may give the array back after it.
int TensorrtEngine::bring_surfaces(const leaf_frame& frame, int planes, cuda::DevicePlanes* to) {
  if (!device_.integrated()) {
    return fail(-ENOTSUP,
                "frames in CUDA arrays are read on devices that share the processor's "
                "memory; map the frame to pitch-linear memory");
  }
  to->surface = true;
  for (int p = 0; p < planes; ++p) {
    cuda::ArrayResource resource;
    resource.array = const_cast<void*>(frame.plane[p]);
    uint64_t* surface = &surfaces_[surface_count_];
    if (const int error =
            cuda::check(device_.driver(), device_.driver().SurfObjectCreate(surface, &resource),
                        "cuSurfObjectCreate")) {
      return error;
    }
    ++surface_count_;
    to->address[p] = *surface;
  }
  return 0;
}

void TensorrtEngine::drop_surfaces() {
  while (surface_count_) device_.driver().SurfObjectDestroy(surfaces_[--surface_count_]);
}

}  // namespace leaf
