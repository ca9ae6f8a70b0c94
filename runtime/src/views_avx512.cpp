// The kernels in AVX-512 with VNNI (dot products of 16-bit values) and VBMI (byte permutations).
// Loads are masked, so that a row's end needs no code of its own.
#include <immintrin.h>

#include "views_kernels.h"

namespace leaf {
namespace {

constexpr int kBias = 32768;  // as in views_avx2.cpp, which shares 16-bit column sums

__m512i load(const void* p) { return _mm512_loadu_si512(p); }
__m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
__m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
__m512i words(int value) { return _mm512_set1_epi16(static_cast<int16_t>(value)); }
__mmask64 first_bytes(int32_t count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

void prefetch_next(const Column& c, int32_t x) {
  const uint8_t* p = c.top + c.rows * c.pitch + x;
  for (int32_t row = 0; row < c.next_rows; ++row, p += c.pitch) {
    _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
  }
}

uint32_t row_weight(const Column& c, int32_t row) {
  return row == 0 ? c.w_first : row < c.rows - 1 ? c.w_inner : row == c.rows - 1 ? c.w_last : 0;
}

bool has_small_weights(const Column& c) { return c.w_inner <= 64 && c.w_first <= 64; }

// Two rows at a time: their bytes side by side, times their weights.
void column_sums(const Column& c, uint16_t* out) {
  if (!has_small_weights(c)) return avx2_column_sums_8_16(c, out);
  const __m512i low_order = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i high_order = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for (int32_t x = 0; x < c.samples; x += 64) {
    const __mmask64 mask = first_bytes(c.samples - x);
    prefetch_next(c, x);
    __m512i low = words(kBias), high = words(kBias);
    for (int32_t row = 0; row < c.rows; row += 2) {
      const uint8_t* p = c.top + row * c.pitch + x;
      const uint8_t* q = row + 1 < c.rows ? p + c.pitch : p;
      const __m512i a = _mm512_maskz_loadu_epi8(mask, p), b = _mm512_maskz_loadu_epi8(mask, q);
      const __m512i w = words(static_cast<int>(row_weight(c, row) | row_weight(c, row + 1) << 8));
      low = _mm512_add_epi16(low, _mm512_maddubs_epi16(_mm512_unpacklo_epi8(a, b), w));
      high = _mm512_add_epi16(high, _mm512_maddubs_epi16(_mm512_unpackhi_epi8(a, b), w));
    }
    _mm512_storeu_si512(out + x, _mm512_permutex2var_epi64(low, low_order, high));
    _mm512_storeu_si512(out + x + 32, _mm512_permutex2var_epi64(low, high_order, high));
  }
}

void column_sums_split(const Column& c, uint16_t* even, uint16_t* odd) {
  if (!has_small_weights(c)) return avx2_column_sums_8_16_split(c, even, odd);
  for (int32_t x = 0; x < c.samples; x += 64) {
    const __mmask64 mask = first_bytes(c.samples - x);
    prefetch_next(c, x);
    __m512i e = words(kBias), o = words(kBias);
    for (int32_t row = 0; row < c.rows; ++row) {
      const __m512i v = _mm512_maskz_loadu_epi8(mask, c.top + row * c.pitch + x);
      const int w = static_cast<int>(row_weight(c, row));
      e = _mm512_add_epi16(e, _mm512_maddubs_epi16(v, words(w)));
      o = _mm512_add_epi16(o, _mm512_maddubs_epi16(v, words(w << 8)));
    }
    _mm512_storeu_si512(even + x / 2, e);
    _mm512_storeu_si512(odd + x / 2, o);
  }
}

// Sums of the four 32-bit lanes of each 128-bit part: part p of the result holds those of part p
// of z[0], z[1], z[2], z[3].
__m512i add_in_parts(const __m512i z[4]) {
  const __m512i a =
      _mm512_add_epi32(_mm512_unpacklo_epi32(z[0], z[1]), _mm512_unpackhi_epi32(z[0], z[1]));
  const __m512i b =
      _mm512_add_epi32(_mm512_unpacklo_epi32(z[2], z[3]), _mm512_unpackhi_epi32(z[2], z[3]));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

__m512i concat(const uint16_t* a, const uint16_t* b) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(load256(a)), load256(b), 1);
}

__m512i concat(const uint16_t* a, const uint16_t* b, const uint16_t* c, const uint16_t* d) {
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(load128(a)), load128(b), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(load128(c)), load128(d), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// Filters of 8 taps: four outputs in a vector.
void row_sums_8_taps(const uint16_t* row, const RowFilter& f, uint32_t* sums) {
  const __m512i bias = _mm512_set1_epi32(static_cast<int32_t>(f.total) * kBias);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const int16_t* w = f.weights;
  for (int i = 0; i < kSize; i += 16) {
    __m512i z[4];
    for (int k = 0; k < 4; ++k, w += 32) {
      const int32_t* first = f.first + i + 4 * k;
      const __m512i v = concat(row + first[0], row + first[1], row + first[2], row + first[3]);
      z[k] = _mm512_madd_epi16(v, load(w));
    }
    const __m512i sum = _mm512_permutexvar_epi32(order, add_in_parts(z));
    _mm512_storeu_si512(sums + i, _mm512_add_epi32(sum, bias));
  }
}

// Sixteen outputs from the addends of two in each vector.
__m512i add_pairs(const __m512i z[8]) {
  const __m512i a = add_in_parts(z), b = add_in_parts(z + 4);
  const __m512i sum =
      _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
  const __m512i order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  return _mm512_permutexvar_epi32(order, sum);
}

void row_sums_16(const uint16_t* row, const RowFilter& f, uint32_t* sums) {
  if (f.taps == kChunk) return row_sums_8_taps(row, f, sums);
  const __m512i bias = _mm512_set1_epi32(static_cast<int32_t>(f.total) * kBias);
  const int16_t* w = f.weights;
  if (f.taps == 16) {
    for (int i = 0; i < kSize; i += 16) {
      __m512i z[8];
      for (int k = 0; k < 8; ++k, w += 32) {
        const int32_t* first = f.first + i + 2 * k;
        z[k] = _mm512_madd_epi16(concat(row + first[0], row + first[1]), load(w));
      }
      _mm512_storeu_si512(sums + i, _mm512_add_epi32(add_pairs(z), bias));
    }
    return;
  }
  for (int i = 0; i < kSize; i += 16) {
    __m512i z[8];
    for (int k = 0; k < 8; ++k) {
      __m256i acc[2];
      for (int j = 0; j < 2; ++j, w += f.taps) {
        const uint16_t* v = row + f.first[i + 2 * k + j];
        acc[j] = _mm256_madd_epi16(load256(v), load256(w));
        for (int32_t t = 16; t < f.taps; t += 16) {
          acc[j] = _mm256_dpwssd_epi32(acc[j], load256(v + t), load256(w + t));
        }
      }
      z[k] = _mm512_inserti64x4(_mm512_castsi256_si512(acc[0]), acc[1], 1);
    }
    _mm512_storeu_si512(sums + i, _mm512_add_epi32(add_pairs(z), bias));
  }
}

// Box sums in the low halves of 64-bit lanes to means.
__m512i means(__m512i sums, __m512i scale_low, __m512i scale_high) {
  const __m512i high = _mm512_slli_epi64(_mm512_mul_epu32(sums, scale_high), 32);
  const __m512i half = _mm512_set1_epi64(int64_t{1} << (kMeanShift - 1));
  const __m512i product = _mm512_add_epi64(_mm512_mul_epu32(sums, scale_low), high);
  return _mm512_srli_epi64(_mm512_add_epi64(product, half), kMeanShift);
}

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
  const __m512i low = _mm512_set1_epi64(static_cast<int64_t>(scale & 0xffffffff));
  const __m512i high = _mm512_set1_epi64(static_cast<int64_t>(scale >> 32));
  for (int i = 0; i < kSize; i += 16) {
    __m512i even[3], odd[3], even_out[3], odd_out[3];
    for (int k = 0; k < 3; ++k) {
      const __m512i s = load(sums[k] + i);
      even[k] = means(s, low, high);
      odd[k] = means(_mm512_srli_epi64(s, 32), low, high);
    }
    mix<kDiagonal>(ops, even, even_out);
    mix<kDiagonal>(ops, odd, odd_out);
    for (int k = 0; k < 3; ++k) {
      // The upper halves, and the rest of the shift.
      const __m512i v =
          _mm512_mask_mov_epi32(_mm512_srli_epi64(even_out[k], 32), 0xaaaa, odd_out[k]);
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

void color_sums(const uint32_t* const sums[3], uint64_t scale, const Color& color,
                uint8_t* const rgb[3]) {
  (color.diagonal ? mix_sums<true> : mix_sums<false>)(sums, scale, color, rgb);
}

void color_samples(const uint16_t* const sample[3], const Color& color, uint8_t* const rgb[3]) {
  (color.diagonal ? mix_samples<true> : mix_samples<false>)(sample, color, rgb);
}

void fragment_samples(const uint8_t* row, const Fragments& f, uint16_t* sample) {
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
    _mm512_storeu_si512(sample + kPatch * cell, _mm512_srl_epi16(v, shift));
  }
}

}  // namespace

const Kernels kAvx512Kernels = {
    column_sums,      column_sums_split, avx2_column_sums_8_32, avx2_column_sums_10_32, row_sums_16,
    avx2_row_sums_32, color_sums,        color_samples,         fragment_samples,
};

}  // namespace leaf
