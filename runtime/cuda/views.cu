// Both views of frames in one launch: a block for each row of the views, a grid row for each frame.
// Compiled to a fatbin that the library and the Python package carry. docs/cuda.md has the design.
#include "views_block.h"

namespace {

using namespace leaf::device;

struct CudaBlock {
  uint32_t* shared;
  ThreadState state;

  template <class Body>
  __device__ __forceinline__ void each(const Body& body) {
    body(static_cast<int32_t>(threadIdx.x), state);
  }
  __device__ __forceinline__ void sync() { __syncthreads(); }
  __device__ __forceinline__ void store(int32_t word, const uint32_t* values) {
    *reinterpret_cast<uint4*>(shared + word) =
        make_uint4(values[0], values[1], values[2], values[3]);
  }
  __device__ __forceinline__ uint32_t load16(int32_t i) const {
    return reinterpret_cast<const uint16_t*>(shared)[i];
  }
  __device__ __forceinline__ uint32_t load32(int32_t i) const { return shared[i]; }
};

struct Bytes {
  static constexpr int32_t kRows = 1;
  static __device__ __forceinline__ uint32_t byte(const Plane& p, int32_t row, int32_t at) {
    return __ldg(row_at(p, row) + at);
  }
  static __device__ __forceinline__ Words words(const Plane& p, int32_t row, int32_t chunk) {
    const uint8_t* data = row_at(p, row) + chunk * kChunk;
    const int32_t there = p.row_bytes - chunk * kChunk;
    Words words;
#pragma unroll
    for (int32_t i = 0; i < 4; ++i) {
      words.w[i] = 0;
#pragma unroll
      for (int32_t b = 0; b < 4; ++b) {
        const int32_t at = 4 * i + b;
        if (at < there) words.w[i] |= static_cast<uint32_t>(__ldg(data + at)) << 8 * b;
      }
    }
    return words;
  }
};

struct Vector4 : Bytes {
  static constexpr int32_t kRows = 4;
  static __device__ __forceinline__ Words words(const Plane& p, int32_t row, int32_t chunk) {
    const uint32_t* data = reinterpret_cast<const uint32_t*>(row_at(p, row) + chunk * kChunk);
    return {{__ldg(data), __ldg(data + 1), __ldg(data + 2), __ldg(data + 3)}};
  }
};

struct Vector16 : Bytes {
  static constexpr int32_t kRows = 4;
  static __device__ __forceinline__ Words words(const Plane& p, int32_t row, int32_t chunk) {
    const uint4 v = __ldg(reinterpret_cast<const uint4*>(row_at(p, row)) + chunk);
    return {{v.x, v.y, v.z, v.w}};
  }
};

// An array in whatever order the hardware keeps it. Surface reads are by bytes, of any width.
struct SurfaceBytes {
  static constexpr int32_t kRows = 1;
  static __device__ __forceinline__ uint32_t byte(const Plane& p, int32_t row, int32_t at) {
    return surf2Dread<unsigned char>(p.address, at, row, cudaBoundaryModeZero);
  }
  static __device__ __forceinline__ Words words(const Plane& p, int32_t row, int32_t chunk) {
    const int32_t first = chunk * kChunk;
    Words words;
#pragma unroll
    for (int32_t i = 0; i < 4; ++i) {
      words.w[i] = 0;
#pragma unroll
      for (int32_t b = 0; b < 4; ++b) {
        const int32_t at = first + 4 * i + b;
        if (at < p.row_bytes) words.w[i] |= byte(p, row, at) << 8 * b;
      }
    }
    return words;
  }
};

struct Surface : SurfaceBytes {
  static constexpr int32_t kRows = 4;
  static __device__ __forceinline__ Words words(const Plane& p, int32_t row, int32_t chunk) {
    const uint4 v = surf2Dread<uint4>(p.address, chunk * kChunk, row, cudaBoundaryModeZero);
    return {{v.x, v.y, v.z, v.w}};
  }
};

using LinearFrames = Linear<Bytes, Vector4, Vector16>;
using MixedFrames = Mixed<LinearFrames, SurfaceBytes, Surface>;

template <class Sources>
__device__ __forceinline__ void make_row_of(const Frame& frame) {
  __shared__ __align__(16) uint32_t shared[kSharedWords];
  CudaBlock block = {shared, {}};
  make_row<Sources>(block, frame, static_cast<int32_t>(blockIdx.x));
}

template <class Sources>
__device__ __forceinline__ void make_row_of_batch(const Frame* frames) {
  // What the frame is, once for the block: the arithmetic reads it many times.
  __shared__ Frame frame;
  constexpr uint32_t kWords = sizeof(Frame) / 4;
  static_assert(kWords <= kThreads, "one word for each thread");
  if (threadIdx.x < kWords) {
    reinterpret_cast<uint32_t*>(&frame)[threadIdx.x] =
        __ldg(reinterpret_cast<const uint32_t*>(frames + blockIdx.y) + threadIdx.x);
  }
  __syncthreads();
  if (frame.planes > 0) make_row_of<Sources>(frame);
}

}  // namespace

// One frame, given by value.
extern "C" __global__ void __launch_bounds__(kThreads, 4)
    leaf_views(const __grid_constant__ Frame frame) {
  make_row_of<LinearFrames>(frame);
}

// gridDim.y frames, described in device memory: a captured launch serves any frames.
extern "C" __global__ void __launch_bounds__(kThreads, 4) leaf_views_batch(const Frame* frames) {
  make_row_of_batch<LinearFrames>(frames);
}

// The same where some frames are block-linear arrays, as cameras' EGL frames are.
extern "C" __global__ void __launch_bounds__(kThreads, 3) leaf_views_mixed(const Frame* frames) {
  make_row_of_batch<MixedFrames>(frames);
}
