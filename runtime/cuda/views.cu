// Both views of frames in one launch: a block for some pixels of the views, a grid row for each
// frame. Compiled to a fatbin that the library and the Python package carry. docs/cuda.md has the
// design.
#include "views_output.h"

// Blocks that a multiprocessor must have room for, of registers: measured best on an H100
// (docs/cuda.md). One of compute capability 7.5 has no more than 1,024 threads.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define LEAF_BLOCKS 8
#else
#define LEAF_BLOCKS 9
#endif
// Where more would not fit in registers.
#define LEAF_FEWER_BLOCKS 8

namespace {

using namespace leaf::device;

struct Bytes {
  static constexpr bool kWide = false;
  struct Cursor {
    const uint8_t* data;
    int32_t left;  // bytes up to the row's end
    __device__ __forceinline__ uint32_t word(int32_t k) const {
      uint32_t word = 0;
#pragma unroll
      for (int32_t b = 0; b < 4; ++b) {
        if (4 * k + b < left) word |= static_cast<uint32_t>(__ldg(data + 4 * k + b)) << 8 * b;
      }
      return word;
    }
    __device__ __forceinline__ void down(int64_t pitch) { data += pitch; }
  };
  static __device__ __forceinline__ Cursor at(const Plane& p, int32_t row, int32_t at) {
    return {place(p, row, at), p.row_bytes - at};
  }
  static __device__ __forceinline__ uint32_t byte(const Plane& p, int32_t row, int32_t at) {
    return __ldg(place(p, row, at));
  }
};

struct Vector : Bytes {
  static constexpr bool kWide = true;
  struct Cursor {
    const uint8_t* data;
    __device__ __forceinline__ uint32_t word(int32_t k) const {
      return __ldg(reinterpret_cast<const uint32_t*>(data) + k);
    }
    __device__ __forceinline__ void down(int64_t pitch) { data += pitch; }
  };
  static __device__ __forceinline__ Cursor at(const Plane& p, int32_t row, int32_t at) {
    return {place(p, row, at)};
  }
};

// An array in whatever order the hardware keeps it. Surface reads are by bytes, of any width.
struct SurfaceBytes {
  static constexpr bool kWide = false;
  static __device__ __forceinline__ uint32_t read(uint64_t surface, int32_t row, int32_t at) {
    return surf2Dread<unsigned char>(surface, at, row, cudaBoundaryModeZero);
  }
  struct Cursor {
    uint64_t surface;
    int32_t row, first, end;
    __device__ __forceinline__ uint32_t word(int32_t k) const {
      uint32_t word = 0;
#pragma unroll
      for (int32_t b = 0; b < 4; ++b) {
        const int32_t at = first + 4 * k + b;
        if (at < end) word |= read(surface, row, at) << 8 * b;
      }
      return word;
    }
    __device__ __forceinline__ void down(int64_t) { ++row; }
  };
  static __device__ __forceinline__ Cursor at(const Plane& p, int32_t row, int32_t at) {
    return {p.address, row, at, p.row_bytes};
  }
  static __device__ __forceinline__ uint32_t byte(const Plane& p, int32_t row, int32_t at) {
    return read(p.address, row, at);
  }
};

struct Surface : SurfaceBytes {
  static constexpr bool kWide = true;
  struct Cursor {
    uint64_t surface;
    int32_t row, first;
    __device__ __forceinline__ uint32_t word(int32_t k) const {
      return surf2Dread<unsigned int>(surface, first + 4 * k, row, cudaBoundaryModeZero);
    }
    __device__ __forceinline__ void down(int64_t) { ++row; }
  };
  static __device__ __forceinline__ Cursor at(const Plane& p, int32_t row, int32_t at) {
    return {p.address, row, at};
  }
};

using LinearFrames = Linear<Bytes, Vector>;
using MixedFrames = Mixed<LinearFrames, SurfaceBytes, Surface>;

struct CudaBlock {
  Handover* handover;
  int32_t output;  // of the block
  __device__ __forceinline__ void hand_over(const uint64_t* sums) {
    handover->sum[0][output] = sums[0];
    handover->sum[1][output] = sums[1];
    asm volatile("bar.arrive 1, %0;" ::"n"(kThreads) : "memory");
  }
  __device__ __forceinline__ void take(uint64_t* sums) {
    asm volatile("bar.sync 1, %0;" ::"n"(kThreads) : "memory");
    sums[0] = handover->sum[0][output];
    sums[1] = handover->sum[1][output];
  }
};

template <class Sources>
__device__ __forceinline__ void make_outputs(const Frame& frame) {
  __shared__ Handover handover;
  const auto thread = static_cast<int32_t>(threadIdx.x);
  const bool second = thread < kOutputs;  // these come first: the others wait for them
  CudaBlock block = {&handover, second ? thread : thread - kOutputs};
  const int32_t at = static_cast<int32_t>(blockIdx.x) * kOutputs + block.output;
  make_output<Sources>(block, frame, at, second ? Half::kSecond : Half::kFirst);
}

template <class Sources>
__device__ __forceinline__ void make_outputs_of_batch(const Frame* frames) {
  // What the frame is, once for the block: the arithmetic reads it many times.
  __shared__ Frame frame;
  constexpr uint32_t kWords = sizeof(Frame) / 4;
  static_assert(kWords <= kThreads, "one word for each thread");
  if (threadIdx.x < kWords) {
    reinterpret_cast<uint32_t*>(&frame)[threadIdx.x] =
        __ldg(reinterpret_cast<const uint32_t*>(frames + blockIdx.y) + threadIdx.x);
  }
  __syncthreads();
  make_outputs<Sources>(frame);
}

}  // namespace

// One frame, given by value.
extern "C" __global__ void __launch_bounds__(kThreads, LEAF_FEWER_BLOCKS)
    leaf_views(const __grid_constant__ Frame frame) {
  make_outputs<LinearFrames>(frame);
}

// gridDim.y frames, described in device memory: a captured launch serves any frames.
extern "C" __global__ void __launch_bounds__(kThreads, LEAF_BLOCKS)
    leaf_views_batch(const Frame* frames) {
  make_outputs_of_batch<LinearFrames>(frames);
}

// The same where some frames are block-linear arrays, as cameras' EGL frames are.
extern "C" __global__ void __launch_bounds__(kThreads, LEAF_FEWER_BLOCKS)
    leaf_views_mixed(const Frame* frames) {
  make_outputs_of_batch<MixedFrames>(frames);
}
