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

// A launch is kSize blocks along x, one for each row of the views, and a frame for each along y.
constexpr int32_t kThreads = 256;  // of a block
constexpr int32_t kChunk = 16;     // bytes that a thread takes from a row at a time
constexpr int32_t kSharedWords = 4096;
constexpr int32_t kReciprocalBits = 31;

struct Plane {
  uint64_t address;   // of the first sample; a CUsurfObject where Frame::surface
  int64_t pitch;      // bytes from row to row; any, odd ones too; 0 where Frame::surface
  int32_t row_bytes;  // of a row without padding: nothing beyond is read
  int32_t unit;       // bytes of the interleaved samples that stand together,
  int32_t pixels;     // for so many luma pixels of a row, 1 or 2,
  int32_t sub_y;      // and of so many rows, 1 or 2
  int32_t access;     // 16, 4 or 1: address and pitch are multiples of it
  int32_t unused;     // the size is a multiple of 8
};

// Sample j of a component stands at `offset + j * stride` samples from its row's begin and covers
// sub_x luma pixels.
struct Component {
  int32_t plane, offset, stride, sub_x;
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
  Component component[3];  // Y, Cb, Cr or R, G, B
  uint64_t out;            // address of the views, uint8 [2, 3, 224, 224]
  uint64_t scale;          // 2^kScaleBits / (n_y n_x), rounded
  Axis y, x;
  int32_t coef[3][3];  // as Color in runtime/src/views_kernels.h
  int32_t zero[3];
  int32_t planes;        // 1 to 3; 0: no frame, nothing is written
  int32_t components;    // 3, or 1 for grey
  int32_t sample_bytes;  // 1, or 2 for P010
  int32_t wide;          // 1: a column sum may exceed 16 bits
  int32_t tile;          // output columns whose column sums fit in shared memory at once
  int32_t surface;       // 1: planes are surface objects (block-linear arrays)
};
static_assert(sizeof(Frame) == 304, "leaf_edge/runtime/device_views.py states the same layout");

}  // namespace device
}  // namespace leaf
