// Both views of a frame in one launch: leaf_views<<<kBlocks, kThreads>>>(frame). Compiled to a
// fatbin that the Python runtime loads. The first blocks make F, a thread for each pixel; the
// others make G, a warp for each pixel, whose lanes share the samples of the box.
#include "views_device.h"

namespace {

using namespace leaf::device;

constexpr int32_t kThreads = 256;  // of a block; leaf_edge/runtime/device_views.py launches as many
constexpr int32_t kWarp = 32;
constexpr int32_t kFragmentBlocks = kPixels / kThreads;
constexpr int32_t kGlobalBlocks = kPixels / (kThreads / kWarp);
static_assert(kFragmentBlocks * kThreads == kPixels, "no thread is without a pixel");
static_assert(kFragmentBlocks + kGlobalBlocks == 6468, "leaf_edge/runtime/device_views.py: BLOCKS");

__device__ uint64_t warp_sum(uint64_t value) {
  for (int32_t distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_down_sync(0xffffffffu, value, distance);
  }
  return value;  // of all lanes, in lane 0
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kThreads)
    leaf_views(const __grid_constant__ Frame frame) {
  const int32_t block = static_cast<int32_t>(blockIdx.x),
                thread = static_cast<int32_t>(threadIdx.x);
  if (block < kFragmentBlocks) {
    const int32_t pixel = block * kThreads + thread;
    fragment(frame, pixel / kSize, pixel % kSize);
    return;
  }
  const int32_t pixel = ((block - kFragmentBlocks) * kThreads + thread) / kWarp;
  const int32_t i = pixel / kSize, j = pixel % kSize, lane = thread % kWarp;
  uint64_t sum[3] = {};
#pragma unroll
  for (int k = 0; k < 3; ++k) {  // by constant, so that `sum` stays in registers
    if (k < frame.components)
      sum[k] = warp_sum(box_sum(frame, frame.component[k], i, j, lane, kWarp));
  }
  if (lane == 0) global_pixel(frame, i, j, sum);
}
