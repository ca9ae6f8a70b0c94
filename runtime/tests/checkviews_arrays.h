// The kernel that reads block-linear arrays, against the plain ones, on arrays that CUDA made.
#pragma once

#include "checkviews_device.h"

namespace leaf_test {

// How many frames came out wrong. mixed: the kernel leaf_views_mixed.
int check_arrays(CheckDevice& device, const leaf::cuda::Driver& driver, Handle mixed, int seed);

}  // namespace leaf_test
