// What the CUDA kernel of the two views is told about one frame. Filled by
// runtime/src/engines/cuda_frame.cpp and by leaf_edge/runtime/device_views.py, byte for byte alike.
#pragma once

#include <stdint.h>

namespace leaf {
namespace device {

constexpr int32_t kSize = 224;      // pixels along each side of a view
constexpr int32_t kGrid = 7;        // fragment cells along each side
constexpr int32_t kPatch = 32;      // fragment side, native pixels
constexpr int32_t kMeanBits = 16;   // fraction bits of a box mean
constexpr int32_t kCoefBits = 20;   // fraction bits of a colour coefficient
constexpr int32_t kScaleBits = 54;  // fraction bits of 1 / area
constexpr int32_t kPixels = kSize * kSize;

// A launch is kBlocks blocks along x, and a frame for each along y. A block makes kOutputs pixels
// of both views, counted through the rows, with two threads for each. A warp stays in a row.
constexpr int32_t kOutputs = 64;
constexpr int32_t kThreads = 2 * kOutputs;
constexpr int32_t kBlocks = kPixels / kOutputs;
static_assert(kPixels % kOutputs == 0 && kOutputs % 32 == 0 && kSize % 32 == 0, "whole warps");
constexpr int32_t kReciprocalBits = 31;

// How samples stand in memory. Components are counted as they stand: NV21 is kPairs, and BGR kRgb,
// with other colours.
enum class Layout : int32_t {
  kNone,        // no frame: nothing is written
  kGray,        // a plane of Y
  kPairs,       // Y; two components of half the width and height in turns
  kPlanar,      // Y; and two planes of half the width and height
  kPairsOfTen,  // kPairs in 16 bits, of which the upper ten count
  kPacked422,   // Y and two components of half the width in four bytes
  kRgb,         // three bytes for a pixel
  kRgba         // four bytes, of which three count
};

struct Plane {
  uint64_t address;   // of the first sample; a CUsurfObject where Frame::surface
  int64_t pitch;      // bytes from row to row; any, odd ones too; 0 where Frame::surface
  int32_t row_bytes;  // of a row without padding: nothing beyond is read
  int32_t access;     // 4 or 1: address and pitch are multiples of it
};

// The region along one axis, in luma pixels. A luma pixel is m units long, an output n
// (docs/views.md).
struct Axis {
  int32_t offset, length;
  int32_t n, m;
  uint32_t reciprocal[2];  // 2^kReciprocalBits / m + 1 and 2^kReciprocalBits / (2 m) + 1, rounded
                           // down: what divides a unit exactly
};

struct Frame {
  Plane plane[3];
  uint64_t out;    // address of the views, uint8 [2, 3, 224, 224]
  uint64_t scale;  // 2^kScaleBits / (n_y n_x), rounded
  Axis y, x;
  int32_t coef[3][3];  // as Color in runtime/src/views_kernels.h, of the components in their order
  int32_t zero[3];
  Layout layout;
  int32_t luma_at;  // kPacked422: byte of the first luma sample, 0 or 1
  int32_t surface;  // 1: planes are surface objects (block-linear arrays)
  int32_t unused;   // the size is a multiple of 8
};
static_assert(sizeof(Frame) == 200, "leaf_edge/runtime/device_views.py states the same layout");

}  // namespace device
}  // namespace leaf
