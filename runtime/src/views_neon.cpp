// The kernels in NEON, as every AArch64 processor has it.
#include <arm_neon.h>

#include "views_plain.h"

namespace leaf {
namespace {

// Calls block(x) for blocks of `width` columns; the last one ends with the row.
template <class Block>
void for_blocks(int32_t samples, int32_t width, Block block) {
  for (int32_t x = 0; x + width <= samples; x += width) block(x);
  if (samples % width) block(samples - width);
}

// The first row's, the inner rows' and the last row's samples of eight columns to their sums.
uint16x8_t weighted(const Column& c, uint16x8_t first, uint16x8_t inner, uint16x8_t last) {
  uint16x8_t sum = vmulq_n_u16(first, static_cast<uint16_t>(c.w_first));
  sum = vmlaq_n_u16(sum, inner, static_cast<uint16_t>(c.w_inner));
  return vmlaq_n_u16(sum, last, static_cast<uint16_t>(c.w_last));
}

void column_sums_16(const Column& c, uint16_t* out) {
  if (c.samples < 16) return column_sums<uint8_t, 0>(c, out);
  for_blocks(c.samples, 16, [&](int32_t x) {
    const auto row = [&](int32_t r) { return vld1q_u8(c.top + r * c.pitch + x); };
    uint16x8_t low = vdupq_n_u16(0), high = low;
    for (int32_t r = 1; r < c.rows - 1; ++r) {
      low = vaddw_u8(low, vget_low_u8(row(r)));
      high = vaddw_high_u8(high, row(r));
    }
    const uint8x16_t first = row(0), last = row(c.rows - 1);
    vst1q_u16(out + x, weighted(c, vmovl_u8(vget_low_u8(first)), low, vmovl_u8(vget_low_u8(last))));
    vst1q_u16(out + x + 8, weighted(c, vmovl_high_u8(first), high, vmovl_high_u8(last)));
  });
}

void column_sums_16_split(const Column& c, uint16_t* even, uint16_t* odd) {
  if (c.samples < 32) return column_sums_split(c, even, odd);
  for_blocks(c.samples, 32, [&](int32_t x) {
    const auto row = [&](int32_t r) { return vld2q_u8(c.top + r * c.pitch + x); };
    uint16x8_t low[2], high[2];
    low[0] = low[1] = high[0] = high[1] = vdupq_n_u16(0);
    for (int32_t r = 1; r < c.rows - 1; ++r) {
      const uint8x16x2_t v = row(r);
      for (int k = 0; k < 2; ++k) {
        low[k] = vaddw_u8(low[k], vget_low_u8(v.val[k]));
        high[k] = vaddw_high_u8(high[k], v.val[k]);
      }
    }
    const uint8x16x2_t first = row(0), last = row(c.rows - 1);
    for (int k = 0; k < 2; ++k) {
      uint16_t* out = (k ? odd : even) + x / 2;
      vst1q_u16(out, weighted(c, vmovl_u8(vget_low_u8(first.val[k])), low[k],
                              vmovl_u8(vget_low_u8(last.val[k]))));
      vst1q_u16(out + 8,
                weighted(c, vmovl_high_u8(first.val[k]), high[k], vmovl_high_u8(last.val[k])));
    }
  });
}

// 32-bit column sums, eight columns at a time. samples(p, x) loads them as 16-bit values, kBatch of
// which stay below 2^16.
template <int kBatch, class Samples>
void column_sums_32(const Column& c, uint32_t* out, Samples samples) {
  const auto w_first = static_cast<uint16_t>(c.w_first);
  const auto w_inner = static_cast<uint16_t>(c.w_inner);
  const auto w_last = static_cast<uint16_t>(c.w_last);
  for_blocks(c.samples, 8, [&](int32_t x) {
    const uint16x8_t first = samples(c.top, x);
    const uint16x8_t last = samples(c.top + (c.rows - 1) * c.pitch, x);
    uint32x4_t low = vmull_n_u16(vget_low_u16(first), w_first);
    uint32x4_t high = vmull_high_n_u16(first, w_first);
    low = vmlal_n_u16(low, vget_low_u16(last), w_last);
    high = vmlal_high_n_u16(high, last, w_last);
    for (int32_t row = 1; row < c.rows - 1; row += kBatch) {
      const int32_t end = row + kBatch < c.rows - 1 ? row + kBatch : c.rows - 1;
      uint16x8_t sum = vdupq_n_u16(0);
      for (int32_t r = row; r < end; ++r) sum = vaddq_u16(sum, samples(c.top + r * c.pitch, x));
      low = vmlal_n_u16(low, vget_low_u16(sum), w_inner);
      high = vmlal_high_n_u16(high, sum, w_inner);
    }
    vst1q_u32(out + x, low);
    vst1q_u32(out + x + 4, high);
  });
}

void column_sums_8_32(const Column& c, uint32_t* out) {
  if (c.samples < 8) return column_sums<uint8_t, 0>(c, out);
  column_sums_32<256>(c, out, [](const uint8_t* p, int32_t x) { return vmovl_u8(vld1_u8(p + x)); });
}

void column_sums_10_32(const Column& c, uint32_t* out) {
  if (c.samples < 8) return column_sums<uint16_t, 6>(c, out);
  column_sums_32<64>(c, out, [](const uint8_t* p, int32_t x) {
    // Loaded as bytes: the pitch may be odd.
    return vshrq_n_u16(vreinterpretq_u16_u8(vld1q_u8(p + 2 * int64_t{x})), 6);
  });
}

uint16x8_t load_weights(const int16_t* w) { return vreinterpretq_u16_s16(vld1q_s16(w)); }

// Four outputs at a time. Weights and 16-bit column sums are not negative.
void row_sums_16(const uint16_t* row, const RowFilter& f, uint32_t* sums) {
  const int16_t* w = f.weights;
  for (int i = 0; i < kSize; i += 4) {
    uint32x4_t z[4];
    for (int k = 0; k < 4; ++k, w += f.taps) {
      const uint16_t* v = row + f.first[i + k];
      z[k] = vdupq_n_u32(0);
      for (int32_t t = 0; t < f.taps; t += 8) {
        const uint16x8_t a = vld1q_u16(v + t), b = load_weights(w + t);
        z[k] = vmlal_u16(z[k], vget_low_u16(a), vget_low_u16(b));
        z[k] = vmlal_high_u16(z[k], a, b);
      }
    }
    vst1q_u32(sums + i, vpaddq_u32(vpaddq_u32(z[0], z[1]), vpaddq_u32(z[2], z[3])));
  }
}

void row_sums_32(const uint32_t* row, const RowFilter& f, uint32_t* sums) {
  const int16_t* w = f.weights;
  for (int i = 0; i < kSize; i += 4) {
    uint32x4_t z[4];
    for (int k = 0; k < 4; ++k, w += f.taps) {
      const uint32_t* v = row + f.first[i + k];
      z[k] = vdupq_n_u32(0);
      for (int32_t t = 0; t < f.taps; t += 8) {
        const uint16x8_t b = load_weights(w + t);
        z[k] = vmlaq_u32(z[k], vld1q_u32(v + t), vmovl_u16(vget_low_u16(b)));
        z[k] = vmlaq_u32(z[k], vld1q_u32(v + t + 4), vmovl_high_u16(b));
      }
    }
    vst1q_u32(sums + i, vpaddq_u32(vpaddq_u32(z[0], z[1]), vpaddq_u32(z[2], z[3])));
  }
}

// Two box sums times scale, shifted with rounding to means.
int32x2_t means(uint32x2_t sums, uint32_t scale_low, uint32_t scale_high) {
  const uint64x2_t high = vshlq_n_u64(vmull_n_u32(sums, scale_high), 32);
  return vreinterpret_s32_u32(
      vmovn_u64(vrshrq_n_u64(vmlal_n_u32(high, sums, scale_low), kMeanShift)));
}

// Sixteen values of 32 bits to bytes, clipped to 0..255.
void store_clipped(uint8_t* out, const int32x4_t v[4]) {
  const int16x8_t a = vcombine_s16(vqmovn_s32(v[0]), vqmovn_s32(v[1]));
  const int16x8_t b = vcombine_s16(vqmovn_s32(v[2]), vqmovn_s32(v[3]));
  vst1q_u8(out, vcombine_u8(vqmovun_s16(a), vqmovun_s16(b)));
}

// One channel of two pixels from means.
int32x2_t mix_means(const Color& c, int channel, const int32x2_t in[3]) {
  int64x2_t total = vdupq_n_s64(c.mean_bias[channel]);
  for (int k = 0; k < 3; ++k) total = vmlal_n_s32(total, in[k], c.coef[channel][k]);
  // The upper halves, and the rest of the shift.
  return vshr_n_s32(vshrn_n_s64(total, 32), kGlobalShift - 32);
}

void color_sums_neon(const uint32_t* const sums[3], uint64_t scale, const Color& color,
                     uint8_t* const rgb[3]) {
  const auto low = static_cast<uint32_t>(scale), high = static_cast<uint32_t>(scale >> 32);
  for (int i = 0; i < kSize; i += 16) {
    int32x4_t out[3][4];
    for (int part = 0; part < 4; ++part) {
      int32x2_t a[3], b[3];
      for (int k = 0; k < 3; ++k) {
        const uint32x4_t s = vld1q_u32(sums[k] + i + 4 * part);
        a[k] = means(vget_low_u32(s), low, high);
        b[k] = means(vget_high_u32(s), low, high);
      }
      for (int channel = 0; channel < 3; ++channel) {
        out[channel][part] =
            vcombine_s32(mix_means(color, channel, a), mix_means(color, channel, b));
      }
    }
    for (int channel = 0; channel < 3; ++channel) store_clipped(rgb[channel] + i, out[channel]);
  }
}

void color_samples(const uint16_t* const sample[3], const Color& color, uint8_t* const rgb[3]) {
  for (int i = 0; i < kSize; i += 16) {
    for (int channel = 0; channel < 3; ++channel) {
      int32x4_t out[4];
      for (int part = 0; part < 4; ++part) {
        int32x4_t total = vdupq_n_s32(color.sample_bias[channel]);
        for (int k = 0; k < 3; ++k) {
          const uint32x4_t s = vmovl_u16(vld1_u16(sample[k] + i + 4 * part));
          total = vmlaq_n_s32(total, vreinterpretq_s32_u32(s), color.coef[channel][k]);
        }
        out[part] = vshrq_n_s32(total, kCoefBits);
      }
      store_clipped(rgb[channel] + i, out);
    }
  }
}

void fragment_samples_neon(const uint8_t* row, const Fragments& f, uint16_t* sample) {
  uint8_t copy[kWindow + 32];
  const int16x8_t shift = vdupq_n_s16(static_cast<int16_t>(-f.shift));
  for (int cell = 0; cell < kGrid; ++cell) {
    const int group_begin = cell * kPatch / 8, group_end = group_begin + kPatch / 8;
    const uint8_t* window = row + f.window[cell];
    if (f.window[cell] + f.group[group_end - 1] + 32 > f.row_bytes) {
      memset(copy, 0, sizeof copy);
      memcpy(copy, window, static_cast<size_t>(f.window_bytes[cell]));
      window = copy;
    }
    for (int group = group_begin; group < group_end; ++group) {
      // A lookup gives zero where its index is kNoByte.
      const uint8x16x2_t bytes = vld1q_u8_x2(window + f.group[group]);
      const uint8x16_t v = vqtbl2q_u8(bytes, vld1q_u8(f.group_index + 16 * group));
      vst1q_u16(sample + 8 * group, vshlq_u16(vreinterpretq_u16_u8(v), shift));
    }
  }
}

}  // namespace

const Kernels kNeonKernels = {
    column_sums_16, column_sums_16_split, column_sums_8_32, column_sums_10_32,     row_sums_16,
    row_sums_32,    color_sums_neon,      color_samples,    fragment_samples_neon,
};

}  // namespace leaf
