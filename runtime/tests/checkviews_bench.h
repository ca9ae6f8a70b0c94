// What the CUDA kernel of the views takes, against a copy and an empty launch.
#pragma once

#include "checkviews_device.h"

namespace leaf_test {

// Measures `kernel` (leaf_views_batch), prints a table and writes JSON to `json` (NULL: nowhere).
// `scale` divides the sizes of the frames.
void bench_cuda(CheckDevice& device, const leaf::cuda::Machine& machine, Handle kernel, int scale,
                const char* json);

}  // namespace leaf_test
