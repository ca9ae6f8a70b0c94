// The processor's kernels of the views, checked and measured for checkviews.
#pragma once

#include "checkviews_options.h"

namespace leaf_test {

// Failures of every set of kernels that this machine has, or of the one that was asked for.
int check_cpu(const CheckOptions& options);

}  // namespace leaf_test
