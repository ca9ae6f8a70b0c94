// The kernels in AVX2: colour and the fragments' samples.
#include <string.h>

#include "views_avx2.h"

namespace leaf {
namespace {

// 16 values of 32 bits to bytes, clipped to 0..255.
__m128i clip_to_bytes(__m256i a, __m256i b) {
  const __m256i v = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

// Box sums in the low halves of 64-bit lanes to means.
__m256i means(__m256i sums, __m256i scale_low, __m256i scale_high) {
  const __m256i high = _mm256_slli_epi64(_mm256_mul_epu32(sums, scale_high), 32);
  const __m256i half = _mm256_set1_epi64x(int64_t{1} << (kMeanShift - 1));
  const __m256i product = _mm256_add_epi64(_mm256_mul_epu32(sums, scale_low), high);
  return _mm256_srli_epi64(_mm256_add_epi64(product, half), kMeanShift);
}

// Three components in the lanes of `Ops` to the three channels.
template <bool kDiagonal, class Ops, class V>
void mix(const Ops& o, const V in[3], V out[3]) {
  if (kDiagonal) {
    for (int i = 0; i < 3; ++i) out[i] = o.add(o.bias[i], o.mul(in[i], o.coef[i][i]));
    return;
  }
  const V y = o.mul(in[0], o.coef[0][0]);
  out[0] = o.add(o.add(o.bias[0], y), o.mul(in[2], o.coef[0][2]));
  out[1] =
      o.add(o.add(o.add(o.bias[1], y), o.mul(in[1], o.coef[1][1])), o.mul(in[2], o.coef[1][2]));
  out[2] = o.add(o.add(o.bias[2], y), o.mul(in[1], o.coef[2][1]));
}

struct MeanOps {
  __m256i coef[3][3], bias[3];
  explicit MeanOps(const Color& c) {
    for (int i = 0; i < 3; ++i) {
      bias[i] = _mm256_set1_epi64x(c.mean_bias[i]);
      for (int k = 0; k < 3; ++k) coef[i][k] = _mm256_set1_epi64x(c.coef[i][k]);
    }
  }
  static __m256i add(__m256i a, __m256i b) { return _mm256_add_epi64(a, b); }
  static __m256i mul(__m256i a, __m256i b) { return _mm256_mul_epi32(a, b); }
};

struct SampleOps {
  __m256i coef[3][3], bias[3];
  explicit SampleOps(const Color& c) {
    for (int i = 0; i < 3; ++i) {
      bias[i] = _mm256_set1_epi32(c.sample_bias[i]);
      for (int k = 0; k < 3; ++k) coef[i][k] = _mm256_set1_epi32(c.coef[i][k]);
    }
  }
  static __m256i add(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
  static __m256i mul(__m256i a, __m256i b) { return _mm256_mullo_epi32(a, b); }
};

template <bool kDiagonal>
void mix_sums(const uint32_t* const sums[3], uint64_t scale, const Color& color,
              uint8_t* const rgb[3]) {
  const MeanOps ops(color);
  const __m256i low = _mm256_set1_epi64x(static_cast<int64_t>(scale & 0xffffffff));
  const __m256i high = _mm256_set1_epi64x(static_cast<int64_t>(scale >> 32));
  for (int i = 0; i < kSize; i += 16) {
    __m256i value[3][2];
    for (int part = 0; part < 2; ++part) {
      __m256i even[3], odd[3], even_out[3], odd_out[3];
      for (int k = 0; k < 3; ++k) {
        const __m256i s = load(sums[k] + i + 8 * part);
        even[k] = means(s, low, high);
        odd[k] = means(_mm256_shuffle_epi32(s, 0xf5), low, high);
      }
      mix<kDiagonal>(ops, even, even_out);
      mix<kDiagonal>(ops, odd, odd_out);
      for (int k = 0; k < 3; ++k) {
        // The upper halves, and the rest of the shift.
        const __m256i v =
            _mm256_blend_epi32(_mm256_shuffle_epi32(even_out[k], 0xf5), odd_out[k], 0xaa);
        value[k][part] = _mm256_srai_epi32(v, kGlobalShift - 32);
      }
    }
    for (int k = 0; k < 3; ++k) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb[k] + i),
                       clip_to_bytes(value[k][0], value[k][1]));
    }
  }
}

template <bool kDiagonal>
void mix_samples(const uint16_t* const sample[3], const Color& color, uint8_t* const rgb[3]) {
  const SampleOps ops(color);
  for (int i = 0; i < kSize; i += 16) {
    __m256i value[3][2];
    for (int part = 0; part < 2; ++part) {
      __m256i in[3], out[3];
      for (int k = 0; k < 3; ++k) in[k] = _mm256_cvtepu16_epi32(load128(sample[k] + i + 8 * part));
      mix<kDiagonal>(ops, in, out);
      for (int k = 0; k < 3; ++k) value[k][part] = _mm256_srai_epi32(out[k], kCoefBits);
    }
    for (int k = 0; k < 3; ++k) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb[k] + i),
                       clip_to_bytes(value[k][0], value[k][1]));
    }
  }
}

// Exactly `bytes` bytes, 1 to kWindow.
void copy_window(uint8_t* to, const uint8_t* from, int32_t bytes) {
  if (bytes < 16) {
    memcpy(to, from, static_cast<size_t>(bytes));
    return;
  }
  for (int32_t x = 0; x + 16 <= bytes; x += 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + x), load128(from + x));
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + bytes - 16), load128(from + bytes - 16));
}

}  // namespace

void avx2_color_sums(const uint32_t* const sums[3], uint64_t scale, const Color& color,
                     uint8_t* const rgb[3]) {
  (color.diagonal ? mix_sums<true> : mix_sums<false>)(sums, scale, color, rgb);
}

void avx2_color_samples(const uint16_t* const sample[3], const Color& color,
                        uint8_t* const rgb[3]) {
  (color.diagonal ? mix_samples<true> : mix_samples<false>)(sample, color, rgb);
}

void avx2_fragment_samples(const uint8_t* row, const Fragments& f, uint16_t* sample) {
  alignas(32) uint8_t copy[kWindow + 32];
  const __m128i shift = _mm_cvtsi32_si128(f.shift);
  for (int cell = 0; cell < kGrid; ++cell) {
    const int group_begin = cell * kPatch / 8, group_end = group_begin + kPatch / 8;
    const uint8_t* window = row + f.window[cell];
    if (f.window[cell] + f.group[group_end - 1] + 32 > f.row_bytes) {
      memset(copy, 0, sizeof copy);
      copy_window(copy, window, f.window_bytes[cell]);
      window = copy;
    }
    for (int group = group_begin; group < group_end; ++group) {
      const uint8_t* bytes = window + f.group[group];
      const __m128i index = load128(f.group_index + 16 * group);
      // A lookup gives zero where its index has the top bit set.
      __m128i v = _mm_shuffle_epi8(load128(bytes), _mm_adds_epu8(index, _mm_set1_epi8(0x70)));
      if (!f.near) {
        const __m128i beyond = _mm_sub_epi8(index, _mm_set1_epi8(16));
        v = _mm_or_si128(v, _mm_shuffle_epi8(load128(bytes + 16), beyond));
      }
      _mm_storeu_si128(reinterpret_cast<__m128i*>(sample + 8 * group), _mm_srl_epi16(v, shift));
    }
  }
}

}  // namespace leaf
