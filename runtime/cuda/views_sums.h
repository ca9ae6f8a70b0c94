// The box sums of one output of G. A thread reads the words that its box covers, row after row, and
// multiplies four samples at a time with their weights.
//
//   Source   the memory of a frame: byte(plane, row, at), and at(plane, row, at), a cursor with
//            word(k), the k-th word from there, and down(pitch), to the next row; kWide: whether
//            several words are read before one is used
//   Shape    how the samples of a plane stand (below)
#pragma once

#include "views_device.h"

namespace leaf {
namespace device {

constexpr int32_t kRowsAtOnce = 3;

// The sum of products of four bytes.
LEAF_DEVICE uint32_t dot4(uint32_t a, uint32_t b, uint32_t sum) {
#ifdef __CUDA_ARCH__
  return __dp4a(a, b, sum);
#else
  for (int n = 0; n < 32; n += 8) sum += (a >> n & 0xffu) * (b >> n & 0xffu);
  return sum;
#endif
}

// The same of two 16-bit numbers and the lower two bytes of b.
LEAF_DEVICE uint32_t dot2(uint32_t a, uint32_t b, uint32_t sum) {
#ifdef __CUDA_ARCH__
  return __dp2a_lo(a, b, sum);
#else
  return sum + (a & 0xffffu) * (b & 0xffu) + (a >> 16) * (b >> 8 & 0xffu);
#endif
}

// Four of the eight bytes of a (0 to 3) and b (4 to 7): those that the hexadecimal digits of
// `which` name, the lowest first.
LEAF_DEVICE uint32_t pick(uint32_t a, uint32_t b, uint32_t which) {
#ifdef __CUDA_ARCH__
  return __byte_perm(a, b, which);
#else
  const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
  uint32_t out = 0;
  for (int n = 0; n < 4; ++n) {
    out |= static_cast<uint32_t>(both >> 8 * (which >> 4 * n & 7u) & 0xffu) << 8 * n;
  }
  return out;
#endif
}

// A plane whose samples stand in units of kUnit bytes, each kPixels luma pixels wide, with kCount
// components: the first at kStride samples from one to the next and kSub pixels wide, the others at
// kStride2 and kSub2. They are read in groups of kWords words.
template <int32_t count, int32_t unit, int32_t pixels, int32_t sub_y, int32_t sample_bytes = 1>
struct Shape {
  static constexpr int32_t kCount = count, kUnit = unit, kPixels = pixels, kSubY = sub_y;
  static constexpr int32_t kSampleBytes = sample_bytes, kSub = pixels, kSub2 = pixels;
  static constexpr int32_t kStride = unit / sample_bytes, kStride2 = kStride;
  static constexpr int32_t kWords = 1, kSamples = 4 / sample_bytes;  // of a group
  static constexpr int32_t kWeights = count;                         // of a group
  static constexpr int32_t kTile = count > 2 ? 2 : 4;                // groups read at once

  static LEAF_DEVICE void add(const uint32_t* word, const uint32_t* weight, uint32_t* sum) {
    LEAF_UNROLL(unroll)
    for (int c = 0; c < count; ++c) {
      sum[c] = sample_bytes == 2 ? dot2(word[0] >> 6 & 0x03ff03ffu, weight[c], sum[c])
                                 : dot4(word[0], weight[c], sum[c]);
    }
  }
};

using Luma = Shape<1, 1, 1, 1>;
using Chroma = Shape<1, 1, 2, 2>;
using Pairs = Shape<2, 2, 2, 2>;
using LumaOfTen = Shape<1, 2, 1, 1, 2>;
using PairsOfTen = Shape<2, 4, 2, 2, 2>;
using Rgba = Shape<3, 4, 1, 1>;

// No plane.
struct NoPlane : Shape<0, 1, 1, 1> {};

struct Packed422 : Shape<3, 4, 2, 1> {
  static constexpr int32_t kStride = 2, kSub = 1;
};

// A group is four pixels, whose weights are those of each component.
struct Rgb : Shape<3, 3, 1, 1> {
  static constexpr int32_t kStride = 1, kStride2 = 1, kWords = 3, kWeights = 1, kTile = 1;

  static LEAF_DEVICE void add(const uint32_t* w, const uint32_t* weight, uint32_t* sum) {
    sum[0] = dot4(pick(pick(w[0], w[1], 0x0630), w[2], 0x5210), weight[0], sum[0]);
    sum[1] = dot4(pick(pick(w[0], w[1], 0x0741), w[2], 0x6210), weight[0], sum[1]);
    sum[2] = dot4(pick(pick(w[0], w[1], 0x0052), w[2], 0x7410), weight[0], sum[2]);
  }
};

template <int32_t n>
struct Constant {
  static constexpr int32_t value = n;
};

// Groups of a plane's row.
struct Groups {
  int32_t begin, count;
};

template <class Shape>
LEAF_DEVICE Groups groups_of(const Axis& x, int32_t j) {
  const int32_t lo = j * x.n + x.offset * x.m;
  const auto first = static_cast<uint32_t>(to_sample(x, Shape::kPixels, lo));
  const auto last = static_cast<uint32_t>(to_sample(x, Shape::kPixels, lo + x.n - 1));
  const uint32_t begin = Shape::kWords == 3 ? first / 4 : first * Shape::kUnit / 4;
  const uint32_t end = Shape::kWords == 3 ? last / 4 : ((last + 1) * Shape::kUnit - 1) / 4;
  return {static_cast<int32_t>(begin), static_cast<int32_t>(end - begin + 1)};
}

// A byte for each sample of the first group of a box, of those between, and of the last.
struct Weights {
  uint32_t first, inner, last;
};

// w_first, w_last, w_inner: of the box's samples, below 256; x: which samples those are.
template <int32_t kStride, int32_t kSamples>
LEAF_DEVICE Weights weights_of(const Span& x, const Groups& groups, int32_t w_first, int32_t w_last,
                               int32_t w_inner) {
  const auto inner = static_cast<uint32_t>(w_inner);
  const uint32_t all = inner * (kStride == 1 ? 0x01010101u : kStride == 2 ? 0x00010001u : 1u);
  const int32_t first = 8 * (x.first * kStride - groups.begin * kSamples);
  const int32_t last =
      8 * ((x.first + x.count - 1) * kStride - (groups.begin + groups.count - 1) * kSamples);
  // Each byte holds at least what is taken from it, but for the lowest bits (sum_plane), which may
  // carry: the bytes come out right all the same, modulo 2^32.
  const uint32_t less_first = (inner - static_cast<uint32_t>(w_first)) << first;
  const uint32_t less_last = x.count > 1 ? (inner - static_cast<uint32_t>(w_last)) << last : 0;
  const uint32_t begun = all & ~uint32_t{0} << first, end = ~uint32_t{0} >> (24 - last);
  if (groups.count == 1) return {(begun & end) - less_first - less_last, 0, 0};
  return {begun - less_first, all, (all & end) - less_last};
}

// The weighted sums over the box's rows of kTile groups, of which `there` count, added to `total`.
template <class Source, class Shape, int32_t kTile>
LEAF_DEVICE void sum_tile(const Plane& p, const Span& y, int32_t at, int32_t there,
                          const uint32_t* weight, uint64_t* total) {
  constexpr int32_t kRows = Source::kWide ? kRowsAtOnce : 1, kWords = kTile * Shape::kWords;
  auto cursor = Source::at(p, y.first, at);
  const int64_t pitch = p.pitch;
  uint32_t word[kRows][kWords] = {};  // those of no group have no weight
  LEAF_UNROLL(unroll 1)
  for (int32_t left = y.count; left > 0; left -= kRows) {
    LEAF_UNROLL(unroll)
    for (int32_t k = 0; k < kRows; ++k) {  // loads that do not wait for each other
      if (k >= left) break;
      LEAF_UNROLL(unroll)
      for (int32_t n = 0; n < kWords; ++n) {
        if (n < Shape::kWords || n / Shape::kWords < there) word[k][n] = cursor.word(n);
      }
      cursor.down(pitch);
    }
    LEAF_UNROLL(unroll)
    for (int32_t k = 0; k < kRows; ++k) {
      if (k >= left) break;
      uint32_t sum[Shape::kCount] = {};
      LEAF_UNROLL(unroll)
      for (int32_t n = 0; n < kTile; ++n) {
        Shape::add(word[k] + n * Shape::kWords, weight + n * Shape::kWeights, sum);
      }
      const int32_t w = left - k == y.count ? y.w_first : left - k == 1 ? y.w_last : y.w_inner;
      LEAF_UNROLL(unroll)
      for (int c = 0; c < Shape::kCount; ++c) {
        total[c] += static_cast<uint64_t>(sum[c]) * static_cast<uint32_t>(w);
      }
    }
  }
}

// The box sums of a plane's components, added to `total`. first, second: weights of the first
// component and of the others; shift: bits that a component's bytes stand higher in a word.
template <class Source, class Shape>
LEAF_DEVICE void sum_groups(const Plane& p, const Span& y, const Groups& groups,
                            const Weights& first, const Weights& second, const int32_t* shift,
                            uint64_t* total) {
  constexpr int32_t kTile = Source::kWide ? Shape::kTile : 1, kWeights = Shape::kWeights;
  LEAF_UNROLL(unroll 1)
  for (int32_t done = 0; done < groups.count; done += kTile) {
    uint32_t weight[kTile * kWeights];
    LEAF_UNROLL(unroll)
    for (int32_t k = 0; k < kTile; ++k) {
      const int32_t after = groups.count - 1 - done - k;  // groups after this one
      const bool begins = k == 0 && done == 0;
      const auto at = [&](const Weights& w) {
        return begins ? w.first : after > 0 ? w.inner : after == 0 ? w.last : 0;
      };
      weight[k * kWeights] = at(first) << shift[0];
      if (kWeights > 1) {
        const uint32_t other = Shape::kStride2 == Shape::kStride ? at(first) : at(second);
        LEAF_UNROLL(unroll)
        for (int c = 1; c < kWeights; ++c) weight[k * kWeights + c] = other << shift[c];
      }
    }
    sum_tile<Source, Shape, kTile>(p, y, (groups.begin + done) * 4 * Shape::kWords,
                                   groups.count - done, weight, total);
  }
}

// A source of which one row is read at a time.
template <class Source>
struct RowByRow : Source {
  static constexpr bool kWide = false;
};

// The box sums of output (i, j) for the components of a plane, to `total`, which is zero.
template <class Sources, class Shape>
LEAF_DEVICE void sum_plane(const Frame& f, const Plane& p, int32_t i, int32_t j, uint64_t* total) {
  constexpr bool kOneStride = Shape::kStride2 == Shape::kStride;
  constexpr int32_t kSamples = Shape::kSamples;
  const Span y = box_span(f.y, Shape::kSubY, i), x = box_span(f.x, Shape::kSub, j);
  const Span x2 = kOneStride ? x : box_span(f.x, Shape::kSub2, j);
  const Groups groups = groups_of<Shape>(f.x, j);
  const bool whole = (groups.begin + groups.count) * 4 * Shape::kWords <= p.row_bytes;
  const int32_t at = kOneStride ? 0 : 8 * f.luma_at;
  const int32_t shift[3] = {at, 8 - at, kOneStride ? 16 : 24 - at};
  const auto weights = [&](const Span& of, auto stride, auto byte) {
    return weights_of<decltype(stride)::value, kSamples>(of, groups, byte(of.w_first),
                                                         byte(of.w_last), byte(of.w_inner));
  };
  using Stride = Constant<Shape::kStride>;
  using Stride2 = Constant<Shape::kStride2>;
  const bool fit = Shape::kSub2 == 1 || f.x.m * 2 <= 255;
  if (fit) {
    const auto same = [](int32_t w) { return w; };
    const Weights first = weights(x, Stride{}, same);
    const Weights second = kOneStride ? first : weights(x2, Stride2{}, same);
    Sources::with(f, p, whole, [&](auto source) {
      sum_groups<decltype(source), Shape>(p, y, groups, first, second, shift, total);
    });
  }
  // At half the width weights may take nine bits, which two turns add up: the upper eight, doubled,
  // and the lowest.
  for (int32_t low = 0; low < 2 && !fit; ++low) {
    const auto part = [&](int32_t w) { return low ? w & 1 : w >> 1; };
    const Weights first = weights(x, Stride{}, part);
    const Weights second = kOneStride ? first : weights(x2, Stride2{}, part);
    LEAF_UNROLL(unroll)
    for (int c = 0; c < Shape::kCount; ++c) total[c] *= 2;
    Sources::with(f, p, whole, [&](auto source) {
      sum_groups<RowByRow<decltype(source)>, Shape>(p, y, groups, first, second, shift, total);
    });
  }
}

}  // namespace device
}  // namespace leaf
