// One output of both views: what a thread of the kernel does. The host runs the same code
// (views_host.cpp).
//
//   Sources   with(frame, plane, whole, body)   calls body(Source) with one that may read the plane
//             here; whole: in words that end in the row
//   Block     hand_over(sums), take(sums)   from the thread of the second half to the one of the
//   first
#pragma once

#include "views_sums.h"

namespace leaf {
namespace device {

// The samples of pixel (y, x) in a plane.
template <class Sources, class Shape>
LEAF_DEVICE void samples_at(const Frame& f, const Plane& p, uint32_t y, uint32_t x,
                            int32_t* sample) {
  constexpr bool k422 = Shape::kStride2 != Shape::kStride;
  const auto row = static_cast<int32_t>(y / Shape::kSubY);
  const auto unit = static_cast<int32_t>(x / Shape::kPixels * Shape::kUnit);
  Sources::with(f, p, false, [&](auto source) {
    LEAF_UNROLL(unroll)
    for (int c = 0; c < Shape::kCount; ++c) {
      int32_t at = unit + c * Shape::kSampleBytes;
      if (k422)
        at = c == 0 ? unit + f.luma_at + 2 * static_cast<int32_t>(x & 1)
                    : unit + 2 * c - 1 - f.luma_at;
      const uint32_t low = source.byte(p, row, at);
      // By bytes: the pitch of 16-bit samples may be odd.
      sample[c] = static_cast<int32_t>(
          Shape::kSampleBytes == 1 ? low : (low | source.byte(p, row, at + 1) << 8) >> 6);
    }
  });
}

// What the two halves of a block do, a thread of each for an output: the second makes its pixel of
// F and the sums of the planes after the first, and the first, after a barrier, its pixel of G.
enum class Half { kFirst, kSecond };

// Box sums that the second half hands over, of each output of the block.
struct Handover {
  uint64_t sum[2][kOutputs];
};

template <class Sources, class First, class Second, class Third, class Block>
LEAF_DEVICE void make_output_of(Block& block, const Frame& f, int32_t at, Half half) {
  const auto i = static_cast<int32_t>(static_cast<uint32_t>(at) / kSize), j = at - i * kSize;
  constexpr int32_t kSecond = First::kCount, kThird = kSecond + Second::kCount;
  constexpr int32_t kAll = kThird + Third::kCount;
  auto* views = reinterpret_cast<uint8_t*>(f.out);
  if (half == Half::kSecond) {
    // The samples of F are asked for first and used last: they come while the sums are made.
    int32_t sample[3];
    const uint32_t y = fragment_pixel(f.y, i), x = fragment_pixel(f.x, j);
    samples_at<Sources, First>(f, f.plane[0], y, x, sample);
    if constexpr (kAll > kSecond) {
      uint64_t total[2] = {};
      samples_at<Sources, Second>(f, f.plane[1], y, x, sample + kSecond);
      if constexpr (kAll > kThird) {
        samples_at<Sources, Third>(f, f.plane[2], y, x, sample + kThird);
      }
      sum_plane<Sources, Second>(f, f.plane[1], i, j, total);
      if constexpr (kAll > kThird) sum_plane<Sources, Third>(f, f.plane[2], i, j, total + 1);
      block.hand_over(total);
    }
    if (kAll == 1) sample[1] = sample[2] = sample[0];
    write_samples(f, views + 3 * kPixels, at, sample);
    return;
  }
  uint64_t total[3] = {};
  sum_plane<Sources, First>(f, f.plane[0], i, j, total);
  if constexpr (kAll > kSecond) block.take(total + 1);
  int32_t mean[3];
  LEAF_UNROLL(unroll)
  for (int k = 0; k < 3; ++k) mean[k] = box_mean(f, total[kAll == 1 ? 0 : k]);
  write_means(f, views, at, mean);
}

template <class Sources, class Block>
LEAF_DEVICE void make_output(Block& block, const Frame& f, int32_t at, Half half) {
  using No = NoPlane;
  switch (f.layout) {
    case Layout::kGray:
      return make_output_of<Sources, Luma, No, No>(block, f, at, half);
    case Layout::kPairs:
      return make_output_of<Sources, Luma, Pairs, No>(block, f, at, half);
    case Layout::kPlanar:
      return make_output_of<Sources, Luma, Chroma, Chroma>(block, f, at, half);
    case Layout::kPairsOfTen:
      return make_output_of<Sources, LumaOfTen, PairsOfTen, No>(block, f, at, half);
    case Layout::kPacked422:
      return make_output_of<Sources, Packed422, No, No>(block, f, at, half);
    case Layout::kRgb:
      return make_output_of<Sources, Rgb, No, No>(block, f, at, half);
    case Layout::kRgba:
      return make_output_of<Sources, Rgba, No, No>(block, f, at, half);
    default:
      return;
  }
}

// Frames in memory that is read row by row.
template <class Bytes, class Vector>
struct Linear {
  template <class Body>
  LEAF_DEVICE static void with(const Frame&, const Plane& p, bool whole, const Body& body) {
    if (!whole || p.access == 1) {
      body(Bytes{});
    } else {
      body(Vector{});
    }
  }
};

// The same or block-linear arrays, frame by frame.
template <class LinearSources, class SurfaceBytes, class Surface>
struct Mixed {
  template <class Body>
  LEAF_DEVICE static void with(const Frame& f, const Plane& p, bool whole, const Body& body) {
    if (f.surface && whole) {
      body(Surface{});
    } else if (f.surface) {
      body(SurfaceBytes{});  // a read that leaves the row in part may give nothing of it
    } else {
      LinearSources::with(f, p, whole, body);
    }
  }
};

LEAF_DEVICE const uint8_t* place(const Plane& p, int32_t row, int32_t at) {
  const auto down =
      static_cast<uint64_t>(static_cast<uint32_t>(row)) * static_cast<uint64_t>(p.pitch);
  return reinterpret_cast<const uint8_t*>(p.address + down + static_cast<uint32_t>(at));
}

}  // namespace device
}  // namespace leaf
