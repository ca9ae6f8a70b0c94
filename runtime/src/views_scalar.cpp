// The kernels without an instruction set of their own.
#include "views_plain.h"

namespace leaf {

const Kernels kScalarKernels = {
    column_sums<uint8_t, 0, uint16_t>,
    column_sums_split,
    column_sums<uint8_t, 0, uint32_t>,
    column_sums<uint16_t, 6, uint32_t>,
    row_sums<uint16_t>,
    row_sums<uint32_t>,
    color_sums,
    color<int32_t, 0, uint16_t>,
    fragment_samples,
};

}  // namespace leaf
