// What the files of AVX-512 kernels share. Internal to each, as views_plain.h is.
#pragma once

#include "views_x86.h"

namespace leaf {

void avx512_color_sums(const uint32_t* const sums[3], uint64_t scale, const Color& color,
                       uint8_t* const rgb[3]);
void avx512_color_samples(const uint16_t* const sample[3], const Color& color,
                          uint8_t* const rgb[3]);
void avx512_fragment_samples(const uint8_t* row, const Fragments& fragments, uint16_t* sample);

namespace {

[[maybe_unused]] __m512i load(const void* p) { return _mm512_loadu_si512(p); }
[[maybe_unused]] void store(void* p, __m512i v) { _mm512_storeu_si512(p, v); }
[[maybe_unused]] __m256i load256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
[[maybe_unused]] __m128i load128(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
[[maybe_unused]] __mmask64 first_bytes(int32_t count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

}  // namespace
}  // namespace leaf
