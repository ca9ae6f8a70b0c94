// What the two x86 kernel files share. Internal to each, as views_plain.h is.
#pragma once

// GCC 12 takes the undefined vectors of its own AVX-512 intrinsics for mistakes (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "views_kernels.h"

namespace leaf {
namespace {

// 16-bit column sums are stored minus this, so that the signed 16-bit products of the row filter
// hold them.
constexpr int kBias = 32768;

// For the loops over columns: what does not depend on the column must leave them.
#define LEAF_INLINE __attribute__((always_inline)) inline

// Columns before the first whose address is a multiple of `alignment`, a power of two. Loads that
// cross cache lines cost most of what wide vectors gain; numpy's arrays begin anywhere.
[[maybe_unused]] int32_t unaligned_columns(const Column& c, uint32_t alignment) {
  return static_cast<int32_t>(-reinterpret_cast<uintptr_t>(c.top) & (alignment - 1));
}

// Asks for the cache line at byte x of the rows that the next output row adds: they arrive while
// this one is computed. The processor's own prefetcher stops at the end of a page, which is two
// rows away.
LEAF_INLINE void prefetch_next(const Column& c, int32_t x) {
  const uint8_t* p = c.top + c.rows * c.pitch + x;
  for (int32_t row = 0; row < c.next_rows; ++row, p += c.pitch) {
    _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
  }
}

// Weights so small that two products of a sample fit in 15 bits, as 8-bit multiplication needs.
[[maybe_unused]] bool has_small_weights(const Column& c) {
  return c.w_inner <= 64 && c.w_first <= 64;
}

// Small weights of the rows of a column, two rows at a time: the upper one's in the low byte. The
// last pair of an odd number of rows is the last row twice, its second weight zero.
struct PairWeights {
  int16_t first, inner, last;
  int32_t pairs;
  explicit PairWeights(const Column& c) {
    const uint32_t second = c.rows == 1 ? 0 : c.rows == 2 ? c.w_last : c.w_inner;
    first = static_cast<int16_t>(c.w_first | second << 8);
    inner = static_cast<int16_t>(c.w_inner | c.w_inner << 8);
    last = static_cast<int16_t>(c.rows % 2 ? c.w_last : c.w_inner | c.w_last << 8);
    pairs = (c.rows + 1) / 2;
  }
};

}  // namespace
}  // namespace leaf
