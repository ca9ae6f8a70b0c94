// The kernels in AVX-512: colour, with IFMA (52-bit products), and the fragments' samples, with
// VBMI (byte permutations).
#include "views_avx512.h"

namespace leaf {
namespace {

// Multiplies box sums of at least kMinArea by 2^kScaleBits / area.
class Mean {
 public:
  static constexpr int kMinArea = 8;  // below, the scale is too long for a 52-bit product
  explicit Mean(uint64_t scale) {
    // Of the 2^52 that a product is divided by, some comes from the scale, shifted as far as 52
    // bits hold it, and the rest from the sum, which then still fits in 32 bits: sum * scale is
    // below 2^64.
    int shift = 0;
    while (shift < kProductShift && scale >> (51 - shift) == 0) ++shift;
    scale_ = _mm512_set1_epi64(static_cast<int64_t>(scale << shift));
    sum_shift_ = _mm_cvtsi32_si128(kProductShift - shift);
  }

  void operator()(__m512i sums, __m512i& even, __m512i& odd) const {
    const __m512i s = _mm512_sll_epi32(sums, sum_shift_);
    even = rounded(_mm512_maskz_mov_epi32(0x5555, s));
    odd = rounded(_mm512_srli_epi64(s, 32));
  }

 private:
  // One bit more than the mean's is kept to round by.
  static constexpr int kProductShift = 52 - (kMeanShift - 1);
  __m512i rounded(__m512i s) const {
    return _mm512_srli_epi64(_mm512_madd52hi_epu64(_mm512_set1_epi64(1), s, scale_), 1);
  }
  __m512i scale_;
  __m128i sum_shift_;
};

// Three components in the lanes of `Ops` to the three channels.
template <bool kDiagonal, class Ops>
void mix(const Ops& o, const __m512i in[3], __m512i out[3]) {
  if (kDiagonal) {
    for (int i = 0; i < 3; ++i) out[i] = o.add(o.bias[i], o.mul(in[i], o.coef[i][i]));
    return;
  }
  const __m512i y = o.mul(in[0], o.coef[0][0]);
  out[0] = o.add(o.add(o.bias[0], y), o.mul(in[2], o.coef[0][2]));
  out[1] =
      o.add(o.add(o.add(o.bias[1], y), o.mul(in[1], o.coef[1][1])), o.mul(in[2], o.coef[1][2]));
  out[2] = o.add(o.add(o.bias[2], y), o.mul(in[1], o.coef[2][1]));
}

struct MeanOps {
  __m512i coef[3][3], bias[3];
  explicit MeanOps(const Color& c) {
    for (int i = 0; i < 3; ++i) {
      bias[i] = _mm512_set1_epi64(c.mean_bias[i]);
      for (int k = 0; k < 3; ++k) coef[i][k] = _mm512_set1_epi64(c.coef[i][k]);
    }
  }
  static __m512i add(__m512i a, __m512i b) { return _mm512_add_epi64(a, b); }
  static __m512i mul(__m512i a, __m512i b) { return _mm512_mul_epi32(a, b); }
};

struct SampleOps {
  __m512i coef[3][3], bias[3];
  explicit SampleOps(const Color& c) {
    for (int i = 0; i < 3; ++i) {
      bias[i] = _mm512_set1_epi32(c.sample_bias[i]);
      for (int k = 0; k < 3; ++k) coef[i][k] = _mm512_set1_epi32(c.coef[i][k]);
    }
  }
  static __m512i add(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
  static __m512i mul(__m512i a, __m512i b) { return _mm512_mullo_epi32(a, b); }
};

// 16 values of 32 bits to bytes, clipped to 0..255.
void store_clipped(uint8_t* out, __m512i value) {
  const __m512i positive = _mm512_max_epi32(value, _mm512_setzero_si512());
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtusepi32_epi8(positive));
}

template <bool kDiagonal>
void mix_sums(const uint32_t* const sums[3], uint64_t scale, const Color& color,
              uint8_t* const rgb[3]) {
  const MeanOps ops(color);
  const Mean mean(scale);
  for (int i = 0; i < kSize; i += 16) {
    __m512i even[3], odd[3], even_out[3], odd_out[3];
    for (int k = 0; k < 3; ++k) mean(load(sums[k] + i), even[k], odd[k]);
    mix<kDiagonal>(ops, even, even_out);
    mix<kDiagonal>(ops, odd, odd_out);
    for (int k = 0; k < 3; ++k) {
      // The upper halves, and the rest of the shift.
      const __m512i v = _mm512_mask_shuffle_epi32(odd_out[k], 0x5555, even_out[k], _MM_PERM_DDBB);
      store_clipped(rgb[k] + i, _mm512_srai_epi32(v, kGlobalShift - 32));
    }
  }
}

template <bool kDiagonal>
void mix_samples(const uint16_t* const sample[3], const Color& color, uint8_t* const rgb[3]) {
  const SampleOps ops(color);
  for (int i = 0; i < kSize; i += 16) {
    __m512i in[3], out[3];
    for (int k = 0; k < 3; ++k) in[k] = _mm512_cvtepu16_epi32(load256(sample[k] + i));
    mix<kDiagonal>(ops, in, out);
    for (int k = 0; k < 3; ++k) store_clipped(rgb[k] + i, _mm512_srai_epi32(out[k], kCoefBits));
  }
}

}  // namespace

void avx512_color_sums(const uint32_t* const sums[3], uint64_t scale, const Color& color,
                       uint8_t* const rgb[3]) {
  if (scale > (uint64_t{1} << kScaleBits) / Mean::kMinArea) {
    return avx2_color_sums(sums, scale, color, rgb);
  }
  (color.diagonal ? mix_sums<true> : mix_sums<false>)(sums, scale, color, rgb);
}

void avx512_color_samples(const uint16_t* const sample[3], const Color& color,
                          uint8_t* const rgb[3]) {
  (color.diagonal ? mix_samples<true> : mix_samples<false>)(sample, color, rgb);
}

void avx512_fragment_samples(const uint8_t* row, const Fragments& f, uint16_t* sample) {
  const __m128i shift = _mm_cvtsi32_si128(f.shift);
  for (int cell = 0; cell < kGrid; ++cell) {
    const uint8_t* window = row + f.window[cell];
    const int32_t bytes = f.window_bytes[cell];
    const __m512i index = load(f.index + 2 * kPatch * cell);
    const __mmask64 present = ~_mm512_movepi8_mask(index);  // all but kNoByte
    const __m512i low = _mm512_maskz_loadu_epi8(first_bytes(bytes), window);
    __m512i v;
    if (bytes <= 64) {
      v = _mm512_maskz_permutexvar_epi8(present, index, low);
    } else {
      const __m512i high = _mm512_maskz_loadu_epi8(first_bytes(bytes - 64), window + 64);
      v = _mm512_maskz_permutex2var_epi8(present, low, index, high);
    }
    store(sample + kPatch * cell, _mm512_srl_epi16(v, shift));
  }
}

}  // namespace leaf
