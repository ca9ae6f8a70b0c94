// The two views, one output pixel at a time: the integers of leaf_edge/views/reference.py, as
// functions that a GPU thread and a plain C++ program both run. The kernel is views.cu;
// views_host.cpp runs the same functions without a GPU, for tests.
#pragma once

#include <stdint.h>

#ifdef __CUDACC__
#define LEAF_DEVICE __host__ __device__ inline
#else
#define LEAF_DEVICE inline
#endif

namespace leaf {
namespace device {

constexpr int32_t kSize = 224;      // pixels along each side of a view
constexpr int32_t kGrid = 7;        // fragment cells along each side
constexpr int32_t kPatch = 32;      // fragment side, native pixels
constexpr int32_t kMeanBits = 16;   // fraction bits of a box mean
constexpr int32_t kCoefBits = 20;   // fraction bits of a colour coefficient
constexpr int32_t kScaleBits = 54;  // fraction bits of 1 / area
constexpr int32_t kPixels = kSize * kSize;

// Where the samples of one component are. Sample j of a row stands at `offset + j * stride` samples
// from the row's begin and covers sub_x luma pixels; its row covers sub_y.
struct Component {
  uint64_t plane;  // address of the plane's first sample
  int64_t pitch;   // bytes from row to row; any, odd ones too
  int32_t offset, stride;
  int32_t sub_x, sub_y;
};

// The region along one axis, in luma pixels. A luma pixel is m units long, an output n
// (docs/views.md).
struct Axis {
  int32_t offset, length;
  int32_t n, m;
};

// All that the kernel is told, by value. leaf_edge/runtime/device_views.py fills the same bytes.
struct Frame {
  Component component[3];  // Y, Cb, Cr or R, G, B
  uint64_t out;            // address of the views, uint8 [2, 3, 224, 224]
  uint64_t scale;          // 2^kScaleBits / (n_y n_x), rounded
  Axis y, x;
  int32_t coef[3][3];  // as Color in runtime/src/views_kernels.h
  int32_t zero[3];
  int32_t components;    // 3, or 1 for grey
  int32_t sample_bytes;  // 1, or 2 for P010
  int32_t unused;        // the size is a multiple of 8 either way
};
static_assert(sizeof(Frame) == 208, "leaf_edge/runtime/device_views.py states the same layout");

LEAF_DEVICE uint32_t sample_at(const Frame& f, const Component& c, int32_t row, int32_t column) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(c.plane) + row * c.pitch +
                     (c.offset + int64_t{column} * c.stride) * f.sample_bytes;
  // By bytes: the pitch of 16-bit samples may be odd.
  return f.sample_bytes == 1 ? p[0] : static_cast<uint32_t>(p[0] | p[1] << 8) >> 6;
}

// The samples that an output covers along an axis, and their weights.
struct Span {
  int32_t first, count;
  int32_t w_first, w_last, w_inner;
};

LEAF_DEVICE Span box_span(const Axis& a, int32_t sub, int32_t i) {
  const int32_t span = sub * a.m;
  const int32_t lo = i * a.n + a.offset * a.m, hi = lo + a.n;
  const int32_t first = lo / span, last = (hi - 1) / span;
  const int32_t end = (first + 1) * span;
  return {first, last - first + 1, (end < hi ? end : hi) - lo, last > first ? hi - last * span : 0,
          span};
}

LEAF_DEVICE int32_t weight(const Span& s, int32_t k) {
  return k == 0 ? s.w_first : k == s.count - 1 ? s.w_last : s.w_inner;
}

// The part of output (i, j)'s box sum that is `lane`'s of `lanes`: their sum is exact in any order.
LEAF_DEVICE uint64_t box_sum(const Frame& f, const Component& c, int32_t i, int32_t j, int32_t lane,
                             int32_t lanes) {
  const Span y = box_span(f.y, c.sub_y, i), x = box_span(f.x, c.sub_x, j);
  uint64_t sum = 0;
  for (int32_t s = lane; s < y.count * x.count; s += lanes) {
    const int32_t row = s / x.count, column = s - row * x.count;
    // At most n_y n_x <= 2^28, times a sample below 2^10.
    sum += static_cast<uint64_t>(weight(y, row)) * static_cast<uint64_t>(weight(x, column)) *
           sample_at(f, c, y.first + row, x.first + column);
  }
  return sum;
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

// One channel of R, G, B from three components with `fraction` fraction bits.
LEAF_DEVICE uint8_t channel_code(const Frame& f, const int32_t value[3], int32_t fraction,
                                 int channel) {
  const int32_t shift = kCoefBits + fraction;
  int64_t total = int64_t{1} << (shift - 1);
  for (int k = 0; k < 3; ++k) {
    total += f.coef[channel][k] * (value[k] - int64_t{f.zero[k]} * (int64_t{1} << fraction));
  }
  total >>= shift;
  return static_cast<uint8_t>(total < 0 ? 0 : total > 255 ? 255 : total);
}

// Writes pixel (i, j) of a view whose R plane begins at `view`.
LEAF_DEVICE void write_pixel(const Frame& f, uint8_t* view, int32_t i, int32_t j,
                             const int32_t value[3], int32_t fraction) {
  for (int channel = 0; channel < 3; ++channel) {
    view[channel * kPixels + i * kSize + j] = channel_code(f, value, fraction, channel);
  }
}

LEAF_DEVICE void global_pixel(const Frame& f, int32_t i, int32_t j, const uint64_t sum[3]) {
  int32_t value[3];
  for (int k = 0; k < 3; ++k) value[k] = box_mean(f, sum[f.components == 3 ? k : 0]);
  write_pixel(f, reinterpret_cast<uint8_t*>(f.out), i, j, value, kMeanBits);
}

LEAF_DEVICE void fragment(const Frame& f, int32_t i, int32_t j) {
  const int32_t y = fragment_pixel(f.y, i), x = fragment_pixel(f.x, j);
  int32_t value[3];
  for (int k = 0; k < 3; ++k) {
    const Component& c = f.component[f.components == 3 ? k : 0];
    value[k] = static_cast<int32_t>(sample_at(f, c, y / c.sub_y, x / c.sub_x));
  }
  write_pixel(f, reinterpret_cast<uint8_t*>(f.out) + 3 * kPixels, i, j, value, 0);
}

}  // namespace device
}  // namespace leaf
