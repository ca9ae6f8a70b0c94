// The GPU part of checkviews.
#pragma once

namespace leaf_test {

// Checks the CUDA kernel against the plain kernels on `frames` random, worst-case and padded
// frames, measures it, prints a table, and writes JSON to `json` (NULL: nowhere). `scale` divides
// the sizes that are measured. Returns the number of failures; says why where there is no device.
int check_cuda(int frames, int seed, int scale, const char* json);

}  // namespace leaf_test
