// The kernels of runtime/cuda/views.cu as the driver loads them.
#pragma once

#include <memory_resource>
#include <vector>

namespace leaf::cuda {

// The image that this library carries; where it was built without nvcc, and where
// $LEAF_VIEWS_FATBIN names one, that file's, read into `file`. NULL where there is none, with the
// reason.
const void* views_image(std::pmr::vector<unsigned char>* file, const char** reason);

}  // namespace leaf::cuda
