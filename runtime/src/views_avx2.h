// What the files of AVX2 kernels share. Internal to each, as views_plain.h is.
#pragma once

#include "views_x86.h"

namespace leaf {

void avx2_color_samples(const uint16_t* const sample[3], const Color& color, uint8_t* const rgb[3]);
void avx2_fragment_samples(const uint8_t* row, const Fragments& fragments, uint16_t* sample);

namespace {

[[maybe_unused]] __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
[[maybe_unused]] __m128i load128(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
[[maybe_unused]] void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

}  // namespace
}  // namespace leaf
