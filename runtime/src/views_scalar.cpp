// The kernels in plain C++: the same integers as leaf_edge/views/reference.py, one sample at a
// time.
#include <string.h>

#include "views_kernels.h"

namespace leaf {
namespace {

template <class Sample, int kShift, class Sum>
void column_sums(const Column& c, Sum* out) {
  for (int32_t x = 0; x < c.samples; ++x) {
    const auto sample = [&](int32_t row) -> uint32_t {
      Sample value;  // any address: the pitch of 16-bit samples may be odd
      memcpy(&value, c.top + row * c.pitch + x * int64_t{sizeof(Sample)}, sizeof value);
      return static_cast<uint32_t>(value >> kShift);
    };
    uint32_t inner = 0;
    for (int32_t row = 1; row < c.rows - 1; ++row) inner += sample(row);
    out[x] =
        static_cast<Sum>(c.w_first * sample(0) + c.w_inner * inner + c.w_last * sample(c.rows - 1));
  }
}

template <class Value>
void row_sums(const Value* row, const RowFilter& f, uint32_t* sums) {
  for (int i = 0; i < kSize; ++i) {
    const Value* v = row + f.first[i];
    const int32_t last = (f.count[i] - 1) * f.stride;
    uint32_t inner = 0;
    for (int32_t k = f.stride; k < last; k += f.stride) inner += v[k];
    sums[i] = static_cast<uint32_t>(f.w_first[i]) * v[0] + f.w_inner * inner +
              static_cast<uint32_t>(f.w_last[i]) * v[last];
  }
}

void means(const uint32_t* sums, uint64_t scale, int32_t* out) {
  for (int i = 0; i < kSize; ++i) {
    out[i] =
        static_cast<int32_t>((sums[i] * scale + (uint64_t{1} << (kMeanShift - 1))) >> kMeanShift);
  }
}

template <class Wide, int kFraction, class Value>
void color(const Value* const in[3], const Color& color, uint8_t* const rgb[3]) {
  constexpr int kShift = kCoefBits + kFraction;
  for (int channel = 0; channel < 3; ++channel) {
    for (int i = 0; i < kSize; ++i) {
      Wide total = Wide{1} << (kShift - 1);
      for (int k = 0; k < 3; ++k) {
        const Wide zero = Wide{color.zero[k]} * (Wide{1} << kFraction);
        total += color.coef[channel][k] * (static_cast<Wide>(in[k][i]) - zero);
      }
      const Wide value = total >> kShift;
      rgb[channel][i] = static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

}  // namespace

const Kernels kScalarKernels = {
    column_sums<uint8_t, 0, uint16_t>,
    column_sums<uint8_t, 0, uint32_t>,
    column_sums<uint16_t, 6, uint32_t>,
    row_sums<uint16_t>,
    row_sums<uint32_t>,
    means,
    color<int64_t, kMeanBits, int32_t>,
    color<int32_t, 0, uint16_t>,
};

}  // namespace leaf
