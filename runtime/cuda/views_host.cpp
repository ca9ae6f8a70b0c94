// The kernel's own code (views_output.h) without a GPU: one thread after another. Memory is
// watched: a word that is not aligned or goes over a row's end, a place outside an array: each
// counts as a violation. Built by the tests and by runtime/tests/checkviews.
#include <string.h>

#include <initializer_list>

#include "views_output.h"

namespace {

using namespace leaf::device;

int32_t violations = 0;

struct Bytes {
  static constexpr bool kWide = false;
  struct Cursor {
    const uint8_t* data;
    int32_t left;  // bytes up to the row's end
    uint32_t word(int32_t k) const {
      uint32_t word = 0;
      const int32_t there = left - 4 * k;
      if (there > 0) memcpy(&word, data + 4 * k, static_cast<size_t>(there < 4 ? there : 4));
      return word;
    }
    void down(int64_t pitch) { data += pitch; }
  };
  static Cursor at(const Plane& p, int32_t row, int32_t at) {
    return {place(p, row, at), p.row_bytes - at};
  }
  static uint32_t byte(const Plane& p, int32_t row, int32_t at) { return *place(p, row, at); }
};

struct Vector : Bytes {
  static constexpr bool kWide = true;
  struct Cursor : Bytes::Cursor {
    bool before;  // the row's begin
    uint32_t word(int32_t k) const {
      const bool aligned = reinterpret_cast<uintptr_t>(data) % 4 == 0;
      if (!aligned || before || 4 * k + 4 > left) {
        ++violations;
        return 0;
      }
      return Bytes::Cursor::word(k);
    }
  };
  static Cursor at(const Plane& p, int32_t row, int32_t at) {
    return {Bytes::at(p, row, at), at < 0};
  }
};

// In the place of an array: its rows as they would be read through a surface.
struct HostSurface {
  const uint8_t* data;
  int64_t pitch;
  int32_t row_bytes, rows;
};

struct SurfaceBytes {
  static constexpr bool kWide = false;
  static uint32_t read(uint64_t surface, int32_t row, int32_t at) {
    const auto* s = reinterpret_cast<const HostSurface*>(surface);
    const bool inside = at >= 0 && at < s->row_bytes && row >= 0 && row < s->rows;
    if (!inside) ++violations;
    return inside ? s->data[row * s->pitch + at] : 0;
  }
  struct Cursor {
    uint64_t surface;
    int32_t row, first, end;
    uint32_t word(int32_t k) const {
      uint32_t word = 0;
      for (int32_t at = first + 4 * k, n = 0; n < 4 && at + n < end; ++n) {
        word |= read(surface, row, at + n) << 8 * n;
      }
      return word;
    }
    void down(int64_t) { ++row; }
  };
  static Cursor at(const Plane& p, int32_t row, int32_t at) {
    return {p.address, row, at, p.row_bytes};
  }
  static uint32_t byte(const Plane& p, int32_t row, int32_t at) { return read(p.address, row, at); }
};

struct Surface : SurfaceBytes {
  static constexpr bool kWide = true;
  struct Cursor : SurfaceBytes::Cursor {
    uint32_t word(int32_t k) const {
      if (first % 4 || first + 4 * k + 4 > end) ++violations;
      return SurfaceBytes::Cursor::word(k);
    }
  };
  static Cursor at(const Plane& p, int32_t row, int32_t at) {
    return {SurfaceBytes::at(p, row, at)};
  }
};

using LinearFrames = Linear<Bytes, Vector>;
using MixedFrames = Mixed<LinearFrames, SurfaceBytes, Surface>;

struct HostBlock {
  uint64_t sum[kOutputs][2];
  bool handed[kOutputs] = {};
  int32_t output = 0;
  void hand_over(const uint64_t* sums) {
    memcpy(sum[output], sums, sizeof sum[output]);
    handed[output] = true;
  }
  void take(uint64_t* sums) {
    if (!handed[output]) ++violations;
    memcpy(sums, sum[output], sizeof sum[output]);
  }
};

template <class Sources>
void make_views(const Frame& frame) {
  for (int32_t begin = 0; begin < kPixels; begin += kOutputs) {
    HostBlock block;
    for (const Half half : {Half::kSecond, Half::kFirst}) {
      for (block.output = 0; block.output < kOutputs; ++block.output) {
        make_output<Sources>(block, frame, begin + block.output, half);
      }
    }
  }
}

}  // namespace

extern "C" {

int32_t leaf_device_frame_bytes() { return static_cast<int32_t>(sizeof(Frame)); }

// How often the code did since the last call what it may not do on a device.
int32_t leaf_device_violations() {
  const int32_t count = violations;
  violations = 0;
  return count;
}

// The three kernels. The addresses in a frame are the host's; those of surfaces are of HostSurface.
void leaf_device_views(const Frame* frame) { make_views<LinearFrames>(*frame); }

void leaf_device_batch(const Frame* frames, int32_t count) {
  for (int32_t n = 0; n < count; ++n) make_views<LinearFrames>(frames[n]);
}

void leaf_device_mixed(const Frame* frames, int32_t count) {
  for (int32_t n = 0; n < count; ++n) make_views<MixedFrames>(frames[n]);
}

}  // extern "C"
