// The kernels in AVX2: the box filter.
#include "views_avx2.h"

#include "views_plain.h"

namespace leaf {
namespace {

__m256i words(int value) { return _mm256_set1_epi16(static_cast<int16_t>(value)); }
__m256i pairs(uint32_t low, uint32_t high) {
  return _mm256_set1_epi32(static_cast<int32_t>(low | high << 16));
}

void make_biased(uint16_t* sums, int32_t count) {
  for (int32_t x = 0; x < count; ++x) sums[x] ^= kBias;
}

// Calls block(x) for blocks of `width` columns; the last one ends with the row.
template <class Block>
LEAF_INLINE void for_blocks(int32_t samples, int32_t width, Block block) {
  for (int32_t x = 0; x + width <= samples; x += width) block(x);
  if (samples % width) block(samples - width);
}

// Calls add(row p, row q, weights) for every two rows, from column x.
template <class Add>
LEAF_INLINE void for_row_pairs(const Column& c, int32_t x, const PairWeights& w, Add add) {
  const uint8_t* p = c.top + x;
  add(p, c.rows > 1 ? p + c.pitch : p, words(w.first));
  const __m256i inner = words(w.inner);
  for (int32_t pair = 1; pair < w.pairs - 1; ++pair) {
    p += 2 * c.pitch;
    add(p, p + c.pitch, inner);
  }
  if (w.pairs > 1) {
    p += 2 * c.pitch;
    add(p, c.rows % 2 ? p : p + c.pitch, words(w.last));
  }
}

// Sums of 64 columns: the bytes of two rows side by side, times their weights.
LEAF_INLINE void small_weight_sums(const Column& c, int32_t x, const PairWeights& weights,
                                   uint16_t* out) {
  __m256i s[4] = {words(kBias), words(kBias), words(kBias), words(kBias)};
  for_row_pairs(c, x, weights,
                [&](const uint8_t* p, const uint8_t* q, __m256i w) __attribute__((always_inline)) {
                  for (int k = 0; k < 2; ++k) {
                    const __m256i a = load(p + 32 * k), b = load(q + 32 * k);
                    s[2 * k] = _mm256_add_epi16(
                        s[2 * k], _mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), w));
                    s[2 * k + 1] = _mm256_add_epi16(
                        s[2 * k + 1], _mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), w));
                  }
                });
  for (int k = 0; k < 2; ++k) {
    store(out + 32 * k, _mm256_permute2x128_si256(s[2 * k], s[2 * k + 1], 0x20));
    store(out + 32 * k + 16, _mm256_permute2x128_si256(s[2 * k], s[2 * k + 1], 0x31));
  }
}

// The same to even and odd columns: each row times its weight and zero.
LEAF_INLINE void small_weight_split_sums(const Column& c, int32_t x, const PairWeights& weights,
                                         uint16_t* even, uint16_t* odd) {
  __m256i e[2] = {words(kBias), words(kBias)}, o[2] = {words(kBias), words(kBias)};
  for_row_pairs(
      c, x, weights,
      [&](const uint8_t* p, const uint8_t* q, __m256i w) __attribute__((always_inline)) {
        const __m256i p_even = _mm256_and_si256(w, words(255)), p_odd = _mm256_slli_epi16(w, 8);
        const __m256i q_even = _mm256_srli_epi16(w, 8), q_odd = _mm256_andnot_si256(words(255), w);
        for (int k = 0; k < 2; ++k) {
          const __m256i a = load(p + 32 * k), b = load(q + 32 * k);
          e[k] = _mm256_add_epi16(e[k], _mm256_add_epi16(_mm256_maddubs_epi16(a, p_even),
                                                         _mm256_maddubs_epi16(b, q_even)));
          o[k] = _mm256_add_epi16(o[k], _mm256_add_epi16(_mm256_maddubs_epi16(a, p_odd),
                                                         _mm256_maddubs_epi16(b, q_odd)));
        }
      });
  for (int k = 0; k < 2; ++k) {
    store(even + x / 2 + 16 * k, e[k]);
    store(odd + x / 2 + 16 * k, o[k]);
  }
}

// Sums of 16 columns in 16 bits; samples(row) loads them.
template <class Samples>
__m256i biased_sums(const Column& c, Samples samples) {
  __m256i inner = _mm256_setzero_si256();
  for (int32_t row = 1; row < c.rows - 1; ++row) inner = _mm256_add_epi16(inner, samples(row));
  const __m256i first = _mm256_mullo_epi16(samples(0), words(static_cast<int>(c.w_first)));
  const __m256i last = _mm256_mullo_epi16(samples(c.rows - 1), words(static_cast<int>(c.w_last)));
  inner = _mm256_mullo_epi16(inner, words(static_cast<int>(c.w_inner)));
  return _mm256_add_epi16(_mm256_add_epi16(first, last), _mm256_add_epi16(inner, words(kBias)));
}

__m256i widen_bytes(const uint8_t* p) { return _mm256_cvtepu8_epi16(load128(p)); }

// 32-bit column sums, 16 columns at a time. samples(p, x) loads them, of kBytes each, as 16-bit
// values, kBatch of which stay below 2^15.
template <int kBatch, int kBytes, class Samples>
void wide_column_sums(const Column& c, uint32_t* out, Samples samples) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i w_ends = pairs(c.w_first, c.w_last), w_inner = pairs(c.w_inner, 0);
  for_blocks(c.samples, 16, [&](int32_t x) {
    if (x * kBytes % 64 == 0) prefetch_next(c, x * kBytes);
    const __m256i first = samples(c.top, x);
    const __m256i last = samples(c.top + (c.rows - 1) * c.pitch, x);
    __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(first, last), w_ends);
    __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi16(first, last), w_ends);
    for (int32_t row = 1; row < c.rows - 1; row += kBatch) {
      const int32_t end = row + kBatch < c.rows - 1 ? row + kBatch : c.rows - 1;
      __m256i sum = zero;
      for (int32_t r = row; r < end; ++r) {
        sum = _mm256_add_epi16(sum, samples(c.top + r * c.pitch, x));
      }
      low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(sum, zero), w_inner));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(sum, zero), w_inner));
    }
    store(out + x, _mm256_permute2x128_si256(low, high, 0x20));
    store(out + x + 8, _mm256_permute2x128_si256(low, high, 0x31));
  });
}

// Eight vectors of eight addends to their sums.
__m256i add_across(const __m256i z[8]) {
  const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(z[0], z[1]), _mm256_hadd_epi32(z[2], z[3]));
  const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(z[4], z[5]), _mm256_hadd_epi32(z[6], z[7]));
  return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                          _mm256_permute2x128_si256(a, b, 0x31));
}

void row_sums_16(const uint16_t* row, const RowFilter& f, uint32_t* sums) {
  const __m256i bias = _mm256_set1_epi32(static_cast<int32_t>(f.total) * kBias);
  const int16_t* w = f.weights;
  if (f.taps == kChunk) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (int i = 0; i < kSize; i += 8, w += 8 * kChunk) {
      __m256i z[4];  // the addends of two outputs
      for (int k = 0; k < 4; ++k) {
        const __m256i v =
            _mm256_inserti128_si256(_mm256_castsi128_si256(load128(row + f.first[i + 2 * k])),
                                    load128(row + f.first[i + 2 * k + 1]), 1);
        z[k] = _mm256_madd_epi16(v, load(w + 2 * k * kChunk));
      }
      const __m256i sum =
          _mm256_hadd_epi32(_mm256_hadd_epi32(z[0], z[1]), _mm256_hadd_epi32(z[2], z[3]));
      store(sums + i, _mm256_add_epi32(_mm256_permutevar8x32_epi32(sum, order), bias));
    }
    return;
  }
  for (int i = 0; i < kSize; i += 8) {
    __m256i z[8];
    for (int k = 0; k < 8; ++k, w += f.taps) {
      const uint16_t* v = row + f.first[i + k];
      z[k] = _mm256_madd_epi16(load(v), load(w));
      for (int32_t t = 16; t < f.taps; t += 16) {
        z[k] = _mm256_add_epi32(z[k], _mm256_madd_epi16(load(v + t), load(w + t)));
      }
    }
    store(sums + i, _mm256_add_epi32(add_across(z), bias));
  }
}

}  // namespace

void avx2_column_sums_8_16(const Column& column, uint16_t* out) {
  const Column c = column;  // vector stores might change the caller's
  if (c.samples < 64) {
    column_sums<uint8_t, 0>(c, out);
    make_biased(out, c.samples);
  } else if (has_small_weights(c)) {
    const PairWeights weights(c);
    for_blocks(c.samples, 64, [&](int32_t x) {
      prefetch_next(c, x);
      small_weight_sums(c, x, weights, out + x);
    });
  } else {
    for_blocks(c.samples, 16, [&](int32_t x) {
      store(out + x,
            biased_sums(c, [&](int32_t row) { return widen_bytes(c.top + row * c.pitch + x); }));
    });
  }
}

void avx2_column_sums_8_16_split(const Column& column, uint16_t* even, uint16_t* odd) {
  const Column c = column;
  if (c.samples < 64) {
    column_sums_split(c, even, odd);
    make_biased(even, c.samples / 2);
    make_biased(odd, c.samples / 2);
  } else if (has_small_weights(c)) {
    const PairWeights weights(c);
    for_blocks(c.samples, 64, [&](int32_t x) {
      prefetch_next(c, x);
      small_weight_split_sums(c, x, weights, even, odd);
    });
  } else {
    for_blocks(c.samples, 32, [&](int32_t x) {
      const auto row = [&](int32_t r) { return load(c.top + r * c.pitch + x); };
      store(even + x / 2,
            biased_sums(c, [&](int32_t r) { return _mm256_and_si256(row(r), words(255)); }));
      store(odd + x / 2, biased_sums(c, [&](int32_t r) { return _mm256_srli_epi16(row(r), 8); }));
    });
  }
}

void avx2_column_sums_8_32(const Column& c, uint32_t* out) {
  if (c.samples < 16) return column_sums<uint8_t, 0>(c, out);
  wide_column_sums<128, 1>(c, out, [](const uint8_t* p, int32_t x) { return widen_bytes(p + x); });
}

void avx2_column_sums_10_32(const Column& c, uint32_t* out) {
  if (c.samples < 16) return column_sums<uint16_t, 6>(c, out);
  wide_column_sums<32, 2>(c, out, [](const uint8_t* p, int32_t x) {
    return _mm256_srli_epi16(load(p + 2 * int64_t{x}), 6);
  });
}

void avx2_row_sums_32(const uint32_t* row, const RowFilter& f, uint32_t* sums) {
  const int16_t* w = f.weights;
  for (int i = 0; i < kSize; i += 8) {
    __m256i z[8];
    for (int k = 0; k < 8; ++k, w += f.taps) {
      const uint32_t* v = row + f.first[i + k];
      z[k] = _mm256_setzero_si256();
      for (int32_t t = 0; t < f.taps; t += 8) {
        const __m256i weights = _mm256_cvtepi16_epi32(load128(w + t));
        z[k] = _mm256_add_epi32(z[k], _mm256_mullo_epi32(load(v + t), weights));
      }
    }
    store(sums + i, add_across(z));
  }
}

const Kernels kAvx2Kernels = {
    avx2_column_sums_8_16, avx2_column_sums_8_16_split,
    avx2_column_sums_8_32, avx2_column_sums_10_32,
    row_sums_16,           avx2_row_sums_32,
    avx2_color_sums,       avx2_color_samples,
    avx2_fragment_samples,
};

}  // namespace leaf
