// The kernels in plain C++: the same integers as leaf_edge/views/reference.py, one sample at a
// time. Internal to each file that includes it, because each is compiled for its own instruction
// set; the fast files use it where a frame is too small for their vectors.
#pragma once

#include <string.h>

#include "views_kernels.h"

namespace leaf {
namespace {

template <class Sample, int kShift>
[[maybe_unused]] uint32_t column_sum(const Column& c, int32_t x) {
  const auto sample = [&](int32_t row) -> uint32_t {
    Sample value;  // any address: the pitch of 16-bit samples may be odd
    memcpy(&value, c.top + row * c.pitch + x * int64_t{sizeof(Sample)}, sizeof value);
    return static_cast<uint32_t>(value >> kShift);
  };
  uint32_t inner = 0;
  for (int32_t row = 1; row < c.rows - 1; ++row) inner += sample(row);
  return c.w_first * sample(0) + c.w_inner * inner + c.w_last * sample(c.rows - 1);
}

template <class Sample, int kShift, class Sum>
[[maybe_unused]] void column_sums(const Column& c, Sum* out) {
  for (int32_t x = 0; x < c.samples; ++x) {
    out[x] = static_cast<Sum>(column_sum<Sample, kShift>(c, x));
  }
}

[[maybe_unused]] void column_sums_split(const Column& c, uint16_t* even, uint16_t* odd) {
  for (int32_t x = 0; x < c.samples; ++x) {
    uint16_t* out = x % 2 ? odd : even;
    out[x / 2] = static_cast<uint16_t>(column_sum<uint8_t, 0>(c, x));
  }
}

template <class Value>
[[maybe_unused]] void row_sums(const Value* row, const RowFilter& f, uint32_t* sums) {
  for (int i = 0; i < kSize; ++i) {
    const Value* v = row + f.first[i];
    const int32_t last = (f.count[i] - 1) * f.stride;
    uint32_t inner = 0;
    for (int32_t k = f.stride; k < last; k += f.stride) inner += v[k];
    sums[i] = static_cast<uint32_t>(f.w_first[i]) * v[0] + f.w_inner * inner +
              static_cast<uint32_t>(f.w_last[i]) * v[last];
  }
}

template <class Wide, int kFraction, class Value>
[[maybe_unused]] void color(const Value* const in[3], const Color& color, uint8_t* const rgb[3]) {
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

// From means with kMeanBits fraction bits.
[[maybe_unused]] void color_means(const int32_t* const mean[3], const Color& c,
                                  uint8_t* const rgb[3]) {
  color<int64_t, kMeanBits>(mean, c, rgb);
}

[[maybe_unused]] void color_sums(const uint32_t* const sums[3], uint64_t scale, const Color& c,
                                 uint8_t* const rgb[3]) {
  int32_t mean[3][kSize];
  for (int k = 0; k < 3; ++k) {
    for (int i = 0; i < kSize; ++i) {
      mean[k][i] = static_cast<int32_t>((sums[k][i] * scale + (uint64_t{1} << (kMeanShift - 1))) >>
                                        kMeanShift);
    }
  }
  const int32_t* const means[3] = {mean[0], mean[1], mean[2]};
  color_means(means, c, rgb);
}

[[maybe_unused]] void fragment_samples(const uint8_t* row, const Fragments& f, uint16_t* sample) {
  for (int j = 0; j < kSize; ++j) {
    const uint8_t* window = row + f.window[j / kPatch];
    const uint8_t low = f.index[2 * j], high = f.index[2 * j + 1];
    const int value = window[low] | (high == kNoByte ? 0 : window[high] << 8);
    sample[j] = static_cast<uint16_t>(value >> f.shift);
  }
}

}  // namespace
}  // namespace leaf
