// The functions of views_device.h on the host, lane after lane as a warp would share them, so that
// the kernel's arithmetic and its parameters can be tested where there is no GPU. Built by the
// tests.
#include "views_device.h"

using namespace leaf::device;

extern "C" int32_t leaf_device_frame_bytes() { return static_cast<int32_t>(sizeof(Frame)); }

// The addresses in `frame` are the host's.
extern "C" void leaf_device_views(const Frame* frame) {
  constexpr int32_t kLanes = 32;
  for (int32_t i = 0; i < kSize; ++i) {
    for (int32_t j = 0; j < kSize; ++j) {
      uint64_t sum[3] = {};
      for (int k = 0; k < frame->components; ++k) {
        for (int32_t lane = 0; lane < kLanes; ++lane) {
          sum[k] += box_sum(*frame, frame->component[k], i, j, lane, kLanes);
        }
      }
      global_pixel(*frame, i, j, sum);
      fragment(*frame, i, j);
    }
  }
}
