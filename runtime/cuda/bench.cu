// What the kernel of the views is measured against by runtime/tests/checkviews: a launch that does
// nothing, and a copy.
#include <stdint.h>

extern "C" __global__ void leaf_empty() {}

// Copies `count` times 16 bytes.
extern "C" __global__ void __launch_bounds__(256)
    leaf_copy(uint4* to, const uint4* from, uint64_t count) {
  const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += 4 * step) {
    uint4 v[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      if (i + k * step < count) v[k] = __ldg(from + i + k * step);
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      if (i + k * step < count) to[i + k * step] = v[k];
    }
  }
}
