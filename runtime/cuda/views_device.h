// The arithmetic of one output of the two views: the integers of leaf_edge/views/reference.py, as
// functions that a GPU thread and a plain C++ program both run.
#pragma once

#include "views_frame.h"

#ifdef __CUDACC__
#define LEAF_DEVICE __host__ __device__ __forceinline__
#define LEAF_UNROLL(times) _Pragma(#times)
#else
#define LEAF_DEVICE inline
#define LEAF_UNROLL(times)
#endif

namespace leaf {
namespace device {

// The samples that an output covers along an axis, and their weights.
struct Span {
  int32_t first, count;
  int32_t w_first, w_last, w_inner;  // w_last is 0 where count is 1
};

// unit / span for a span of one sample, `sub` luma pixels. Exact: unit * span < 2^31, since a
// coordinate is at most 16384 * 224 and a span 448.
LEAF_DEVICE int32_t to_sample(const Axis& a, int32_t sub, int32_t unit) {
  return static_cast<int32_t>(static_cast<uint64_t>(static_cast<uint32_t>(unit)) *
                                  a.reciprocal[sub - 1] >>
                              kReciprocalBits);
}

LEAF_DEVICE Span box_span(const Axis& a, int32_t sub, int32_t i) {
  const int32_t span = sub * a.m;
  const int32_t lo = i * a.n + a.offset * a.m, hi = lo + a.n;
  const int32_t first = to_sample(a, sub, lo), last = to_sample(a, sub, hi - 1);
  const int32_t end = (first + 1) * span;
  return {first, last - first + 1, (end < hi ? end : hi) - lo, last > first ? hi - last * span : 0,
          span};
}

LEAF_DEVICE int32_t box_mean(const Frame& f, uint64_t sum) {
  constexpr int32_t kShift = kScaleBits - kMeanBits;
  return static_cast<int32_t>((sum * f.scale + (uint64_t{1} << (kShift - 1))) >> kShift);
}

// The native pixel that fragment row or column j shows.
LEAF_DEVICE uint32_t fragment_pixel(const Axis& a, int32_t j) {
  const uint32_t cell = static_cast<uint32_t>(j) / kPatch;
  const int32_t length = a.length;
  const auto within = static_cast<int32_t>(static_cast<uint32_t>(j) % kPatch);
  const uint32_t middle = (2 * cell + 1) * static_cast<uint32_t>(length) / (2 * kGrid);
  int32_t start = static_cast<int32_t>(middle) - kPatch / 2;
  start = start > length - kPatch ? length - kPatch : start;
  start = start < 0 ? 0 : start;
  if (length < kPatch) start = -((kPatch - length + 1) / 2);  // floor((length - kPatch) / 2)
  int32_t pixel = start + within;
  pixel = pixel < 0 ? 0 : pixel;
  return static_cast<uint32_t>(a.offset + (pixel > length - 1 ? length - 1 : pixel));
}

LEAF_DEVICE uint8_t clamp_code(int32_t value) {
  value = value < 0 ? 0 : value;
  return static_cast<uint8_t>(value > 255 ? 255 : value);
}

// Stores R, G, B of the output `at` pixels from the begin of the R plane, which is `view`.
LEAF_DEVICE void write_codes(uint8_t* view, int32_t at, const uint8_t code[3]) {
  LEAF_UNROLL(unroll)
  for (int channel = 0; channel < 3; ++channel) view[channel * kPixels + at] = code[channel];
}

// All three are made before one is stored: the compiler has to read the frame again after a store,
// which might have changed it.
LEAF_DEVICE void write_means(const Frame& f, uint8_t* view, int32_t at, const int32_t mean[3]) {
  constexpr int32_t kShift = kCoefBits + kMeanBits;
  uint8_t code[3];
  LEAF_UNROLL(unroll)
  for (int channel = 0; channel < 3; ++channel) {
    int64_t total = int64_t{1} << (kShift - 1);
    LEAF_UNROLL(unroll)
    for (int k = 0; k < 3; ++k) {
      total += static_cast<int64_t>(f.coef[channel][k]) * (mean[k] - f.zero[k] * (1 << kMeanBits));
    }
    code[channel] = clamp_code(static_cast<int32_t>(total >> kShift));
  }
  write_codes(view, at, code);
}

// The same from native samples, whose sums are below 2^31.
LEAF_DEVICE void write_samples(const Frame& f, uint8_t* view, int32_t at, const int32_t sample[3]) {
  uint8_t code[3];
  LEAF_UNROLL(unroll)
  for (int channel = 0; channel < 3; ++channel) {
    int32_t total = 1 << (kCoefBits - 1);
    LEAF_UNROLL(unroll)
    for (int k = 0; k < 3; ++k) total += f.coef[channel][k] * (sample[k] - f.zero[k]);
    code[channel] = clamp_code(total >> kCoefBits);
  }
  write_codes(view, at, code);
}

}  // namespace device
}  // namespace leaf
