// The kernels in AVX-512: the box filter, with VNNI (dot products of 16-bit values). 16-bit column
// sums are stored as in views_avx2.cpp, which has the rarer cases.
// Loads are masked, so that a row's end needs no code of its own.
#include "views_avx512.h"

namespace leaf {
namespace {

__m512i words(int value) { return _mm512_set1_epi16(static_cast<int16_t>(value)); }

// A number of vectors that is known to the compiler.
template <int kValue>
struct Count {
  static constexpr int value = kValue;
};

// Weights of pairs of rows.
struct PairVectors {
  explicit PairVectors(const Column& c) : PairVectors(PairWeights(c)) {}
  explicit PairVectors(const PairWeights& w)
      : first(words(w.first)), inner(words(w.inner)), last(words(w.last)), pairs(w.pairs) {}
  __m512i first, inner, last;
  int32_t pairs;
};

// Calls add(row p, row q, weights) for every two rows, from column x.
template <class Add>
LEAF_INLINE void for_row_pairs(const Column& c, int32_t x, const PairVectors& w, Add add) {
  const uint8_t* p = c.top + x;
  add(p, c.rows > 1 ? p + c.pitch : p, w.first);
  for (int32_t pair = 1; pair < w.pairs - 1; ++pair) {
    p += 2 * c.pitch;
    add(p, p + c.pitch, w.inner);
  }
  if (w.pairs > 1) {
    p += 2 * c.pitch;
    add(p, c.rows % 2 ? p : p + c.pitch, w.last);
  }
}

// Of a vector of a row; of the last one, the bytes in the mask.
LEAF_INLINE __m512i load_masked(const uint8_t* p, bool last, __mmask64 mask) {
  return last ? _mm512_maskz_loadu_epi8(mask, p) : load(p);
}

// Sums of kVectors times 64 columns, the last ones by the mask: the bytes of two rows side by side,
// times their weights.
template <int kVectors>
LEAF_INLINE void sums_of_pairs(const Column& c, int32_t x, const PairVectors& weights,
                               __mmask64 mask, __m512i low[], __m512i high[]) {
  for (int k = 0; k < kVectors; ++k) low[k] = high[k] = words(kBias);
  for_row_pairs(
      c, x, weights,
      [&](const uint8_t* p, const uint8_t* q, __m512i w) __attribute__((always_inline)) {
        for (int k = 0; k < kVectors; ++k) {
          const __m512i a = load_masked(p + 64 * k, k == kVectors - 1, mask);
          const __m512i b = load_masked(q + 64 * k, k == kVectors - 1, mask);
          low[k] = _mm512_add_epi16(low[k], _mm512_maddubs_epi16(_mm512_unpacklo_epi8(a, b), w));
          high[k] = _mm512_add_epi16(high[k], _mm512_maddubs_epi16(_mm512_unpackhi_epi8(a, b), w));
        }
      });
}

// Calls block(vectors, x, mask) over a row: up to where addresses are aligned, in pairs of vectors,
// and to the end.
template <class Block>
LEAF_INLINE void for_vectors(const Column& c, int32_t head, Block block) {
  int32_t x = 0;
  if (head) {
    block(Count<1>(), x, first_bytes(head < c.samples ? head : c.samples));
    x = head;
  }
  for (; x + 128 <= c.samples; x += 128) block(Count<2>(), x, ~__mmask64{0});
  for (; x < c.samples; x += 64) block(Count<1>(), x, first_bytes(c.samples - x));
}

void column_sums(const Column& column, uint16_t* out) {
  if (!has_small_weights(column)) return avx2_column_sums_8_16(column, out);
  const Column c = column;  // vector stores might change the caller's
  const PairVectors weights(c);
  const __m512i low_order = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i high_order = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for_vectors(c, unaligned_columns(c, 64),
              [&](auto count, int32_t x, __mmask64 mask) __attribute__((always_inline)) {
                __m512i low[count.value], high[count.value];
                for (int k = 0; k < count.value; ++k) prefetch_next(c, x + 64 * k);
                sums_of_pairs<count.value>(c, x, weights, mask, low, high);
                for (int k = 0; k < count.value; ++k) {
                  store(out + x + 64 * k, _mm512_permutex2var_epi64(low[k], low_order, high[k]));
                  store(out + x + 64 * k + 32,
                        _mm512_permutex2var_epi64(low[k], high_order, high[k]));
                }
              });
}

void column_sums_split(const Column& column, uint16_t* even, uint16_t* odd) {
  if (!has_small_weights(column)) return avx2_column_sums_8_16_split(column, even, odd);
  const Column c = column;
  const PairVectors weights(c);
  const __m512i low_half = _mm512_set1_epi32(0xffff);
  const int32_t head = unaligned_columns(c, 64);
  for_vectors(
      c, head % 2 ? 0 : head,
      [&](auto count, int32_t x, __mmask64 mask) __attribute__((always_inline)) {
        __m512i low[count.value], high[count.value];
        for (int k = 0; k < count.value; ++k) prefetch_next(c, x + 64 * k);
        sums_of_pairs<count.value>(c, x, weights, mask, low, high);
        for (int k = 0; k < count.value; ++k) {
          // Packing joins what unpacking parted: columns are in order again.
          store(even + x / 2 + 32 * k, _mm512_packus_epi32(_mm512_and_si512(low[k], low_half),
                                                           _mm512_and_si512(high[k], low_half)));
          store(odd + x / 2 + 32 * k,
                _mm512_packus_epi32(_mm512_srli_epi32(low[k], 16), _mm512_srli_epi32(high[k], 16)));
        }
      });
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
    store(sums + i, _mm512_add_epi32(sum, bias));
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

// The addends of two outputs, sixteen each, to eight each in one vector.
__m512i fold(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
}

void row_sums_32_taps(const uint16_t* row, const RowFilter& f, __m512i bias, uint32_t* sums) {
  const int16_t* w = f.weights;
  for (int i = 0; i < kSize; i += 16) {
    __m512i z[8];
    for (int k = 0; k < 8; ++k, w += 64) {
      const int32_t* first = f.first + i + 2 * k;
      z[k] = fold(_mm512_madd_epi16(load(row + first[0]), load(w)),
                  _mm512_madd_epi16(load(row + first[1]), load(w + 32)));
    }
    store(sums + i, _mm512_add_epi32(add_pairs(z), bias));
  }
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
      store(sums + i, _mm512_add_epi32(add_pairs(z), bias));
    }
    return;
  }
  if (f.taps == 32) return row_sums_32_taps(row, f, bias, sums);
  for (int i = 0; i < kSize; i += 16) {
    __m512i z[8];
    for (int k = 0; k < 8; ++k) {
      __m512i acc[2];
      for (int j = 0; j < 2; ++j, w += f.taps) {
        const uint16_t* v = row + f.first[i + 2 * k + j];
        acc[j] = _mm512_madd_epi16(load(v), load(w));
        int32_t t = 32;
        for (; t + 32 <= f.taps; t += 32) {
          acc[j] = _mm512_dpwssd_epi32(acc[j], load(v + t), load(w + t));
        }
        if (t < f.taps) {
          const __m256i rest = _mm256_madd_epi16(load256(v + t), load256(w + t));
          acc[j] = _mm512_add_epi32(acc[j], _mm512_zextsi256_si512(rest));
        }
      }
      z[k] = fold(acc[0], acc[1]);
    }
    store(sums + i, _mm512_add_epi32(add_pairs(z), bias));
  }
}

}  // namespace

const Kernels kAvx512Kernels = {
    column_sums,
    column_sums_split,
    avx2_column_sums_8_32,
    avx2_column_sums_10_32,
    row_sums_16,
    avx2_row_sums_32,
    avx512_color_sums,
    avx512_color_samples,
    avx512_fragment_samples,
};

}  // namespace leaf
