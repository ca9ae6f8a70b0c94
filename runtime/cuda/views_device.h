// The arithmetic of the two views, an output or 16 bytes at a time: the integers of
// leaf_edge/views/reference.py, as functions that a GPU thread and a plain C++ program both run.
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
  return static_cast<int32_t>(static_cast<uint64_t>(unit) * a.reciprocal[sub - 1] >>
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
LEAF_DEVICE int32_t fragment_pixel(const Axis& a, int32_t j) {
  const int32_t cell = j / kPatch, length = a.length;
  int32_t start = (2 * cell + 1) * length / (2 * kGrid) - kPatch / 2;
  start = start > length - kPatch ? length - kPatch : start;
  start = start < 0 ? 0 : start;
  if (length < kPatch) start = -((kPatch - length + 1) / 2);  // floor((length - kPatch) / 2)
  int32_t pixel = start + j % kPatch;
  pixel = pixel < 0 ? 0 : pixel;
  return a.offset + (pixel > length - 1 ? length - 1 : pixel);
}

LEAF_DEVICE uint8_t clamp_code(int64_t value) {
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// Stores R, G, B of output (i, j) of the view whose R plane begins at `view`.
LEAF_DEVICE void write_codes(uint8_t* view, int32_t i, int32_t j, const uint8_t code[3]) {
  LEAF_UNROLL(unroll)
  for (int channel = 0; channel < 3; ++channel) {
    view[channel * kPixels + i * kSize + j] = code[channel];
  }
}

// All three are made before one is stored: the compiler has to read the frame again after a store,
// which might have changed it.
LEAF_DEVICE void write_means(const Frame& f, uint8_t* view, int32_t i, int32_t j,
                             const int32_t mean[3]) {
  constexpr int32_t kShift = kCoefBits + kMeanBits;
  uint8_t code[3];
  LEAF_UNROLL(unroll)
  for (int channel = 0; channel < 3; ++channel) {
    int64_t total = int64_t{1} << (kShift - 1);
    LEAF_UNROLL(unroll)
    for (int k = 0; k < 3; ++k) {
      total += static_cast<int64_t>(f.coef[channel][k]) * (mean[k] - f.zero[k] * (1 << kMeanBits));
    }
    code[channel] = clamp_code(total >> kShift);
  }
  write_codes(view, i, j, code);
}

// The same from native samples, whose sums are below 2^31.
LEAF_DEVICE void write_samples(const Frame& f, uint8_t* view, int32_t i, int32_t j,
                               const int32_t sample[3]) {
  uint8_t code[3];
  LEAF_UNROLL(unroll)
  for (int channel = 0; channel < 3; ++channel) {
    int32_t total = 1 << (kCoefBits - 1);
    LEAF_UNROLL(unroll)
    for (int k = 0; k < 3; ++k) total += f.coef[channel][k] * (sample[k] - f.zero[k]);
    code[channel] = clamp_code(total >> kCoefBits);
  }
  write_codes(view, i, j, code);
}

// kChunk bytes of a row, the first lowest.
struct Words {
  uint32_t w[4];
};

// Column sums of a chunk in the making. The first and the last row have weights of their own; those
// between share one, so they are added first and weighted once.
// 8-bit samples: sum[2 i] holds bytes 0 and 2 of word i as two 16-bit lanes, sum[2 i + 1] bytes 1
// and 3; at most 74 rows are between, so no lane overflows. 10-bit: one sample in each.
struct Chunk {
  Words first, last;
  uint32_t sum[8];
};

constexpr uint32_t kLanes = 0x00ff00ffu;

template <bool kTen>
LEAF_DEVICE uint32_t even(uint32_t word) {
  return kTen ? word >> 6 & 0x3ffu : word & kLanes;
}

template <bool kTen>
LEAF_DEVICE uint32_t odd(uint32_t word) {
  return kTen ? word >> 22 : word >> 8 & kLanes;
}

template <bool kTen>
LEAF_DEVICE void add_row(Chunk& chunk, const Words& row) {
  for (int i = 0; i < 4; ++i) {
    chunk.sum[2 * i] += even<kTen>(row.w[i]);
    chunk.sum[2 * i + 1] += odd<kTen>(row.w[i]);
  }
}

// The weighted sums of word i: of its even and its odd samples, in the lanes that they stand in.
struct Pair {
  uint32_t even, odd;
};

// 8-bit samples whose sums fit in 16 bits, or 10-bit samples.
template <bool kTen>
LEAF_DEVICE Pair weighted(const Chunk& c, int i, const Span& y) {
  const uint32_t first = static_cast<uint32_t>(y.w_first), inner = static_cast<uint32_t>(y.w_inner),
                 last = static_cast<uint32_t>(y.w_last);
  return {
      even<kTen>(c.first.w[i]) * first + c.sum[2 * i] * inner + even<kTen>(c.last.w[i]) * last,
      odd<kTen>(c.first.w[i]) * first + c.sum[2 * i + 1] * inner + odd<kTen>(c.last.w[i]) * last};
}

// Words that a chunk's column sums take in shared memory: two 16-bit sums in each, or one of 32.
template <bool kTen, bool kWide>
constexpr int32_t kSumWords = kWide && !kTen ? 16 : 8;

// The sums of word i, in the order of the samples, to 2 or (8-bit samples, wide) 4 words.
template <bool kTen, bool kWide>
LEAF_DEVICE void unpack(const Chunk& c, int i, const Span& y, uint32_t* out) {
  if (kTen) {
    const Pair p = weighted<true>(c, i, y);
    out[0] = p.even;
    out[1] = p.odd;
  } else if (!kWide) {
    const Pair p = weighted<false>(c, i, y);
    out[0] = (p.even & 0xffffu) | p.odd << 16;
    out[1] = p.even >> 16 | (p.odd & 0xffff0000u);
  } else {
    const uint32_t first = static_cast<uint32_t>(y.w_first),
                   inner = static_cast<uint32_t>(y.w_inner), last = static_cast<uint32_t>(y.w_last);
    for (int b = 0; b < 4; ++b) {
      const uint32_t lane = c.sum[2 * i + b % 2] >> (b / 2 * 16) & 0xffffu;
      out[b] = (c.first.w[i] >> 8 * b & 0xffu) * first + lane * inner +
               (c.last.w[i] >> 8 * b & 0xffu) * last;
    }
  }
}

}  // namespace device
}  // namespace leaf
