// The kernel's own code (views_block.h) without a GPU: one block after another, and in each phase
// of a block one thread after another. Shared memory is watched: a word that two threads use
// without a sync between them, a load that is not aligned, a place outside: each counts as a
// violation. Built by the tests and by runtime/tests/checkviews.
#include <string.h>

#include "views_block.h"

namespace {

using namespace leaf::device;

int32_t violations = 0;

struct HostBlock {
  ThreadState states[kThreads];
  uint32_t words[kSharedWords];
  // Of each word: who wrote it and who read it last, and in which epoch, that is between which
  // syncs.
  int32_t writer[kSharedWords], reader[kSharedWords];
  int32_t written[kSharedWords] = {}, read[kSharedWords] = {};
  int32_t epoch = 1, running = 0;

  template <class Body>
  void each(const Body& body) {
    for (running = 0; running < kThreads; ++running) body(running, states[running]);
  }
  void sync() { ++epoch; }
  void store(int32_t word, const uint32_t* values) {
    if (word % 4 || word < 0 || word + 4 > kSharedWords) {
      ++violations;
      return;
    }
    for (int32_t i = word; i < word + 4; ++i) {
      if (written[i] == epoch && writer[i] != running) ++violations;
      if (read[i] == epoch && reader[i] != running) ++violations;
      written[i] = epoch;
      writer[i] = running;
      words[i] = values[i - word];
    }
  }
  uint32_t load32(int32_t i) const {
    if (i < 0 || i >= kSharedWords || !written[i]) {
      ++violations;
      return 0;
    }
    auto* self = const_cast<HostBlock*>(this);  // what watches is no part of the state
    if (written[i] == epoch && writer[i] != running) ++violations;
    self->read[i] = epoch;
    self->reader[i] = running;
    return words[i];
  }
  uint32_t load16(int32_t i) const { return load32(i / 2) >> (i % 2 * 16) & 0xffffu; }
};

struct Bytes {
  static constexpr int32_t kRows = 1;
  static uint32_t byte(const Plane& p, int32_t row, int32_t at) { return row_at(p, row)[at]; }
  static Words words(const Plane& p, int32_t row, int32_t chunk) {
    const int32_t there = p.row_bytes - chunk * kChunk;
    Words words = {};
    memcpy(&words, row_at(p, row) + chunk * kChunk,
           static_cast<size_t>(there < kChunk ? there : kChunk));
    return words;
  }
};

template <int32_t kAccess>
struct Vector : Bytes {
  static constexpr int32_t kRows = 4;
  static Words words(const Plane& p, int32_t row, int32_t chunk) {
    const uint8_t* data = row_at(p, row) + chunk * kChunk;
    if (reinterpret_cast<uintptr_t>(data) % kAccess || (chunk + 1) * kChunk > p.row_bytes) {
      ++violations;
    }
    Words words;
    memcpy(&words, data, sizeof words);
    return words;
  }
};

// In the place of an array: its rows as they would be read through a surface.
struct HostSurface {
  const uint8_t* data;
  int64_t pitch;
  int32_t row_bytes, rows;
};

struct SurfaceBytes {
  static constexpr int32_t kRows = 1;
  static uint32_t byte(const Plane& p, int32_t row, int32_t at) {
    const auto* s = reinterpret_cast<const HostSurface*>(p.address);
    const bool inside = at >= 0 && at < s->row_bytes && row >= 0 && row < s->rows;
    if (!inside) ++violations;
    return inside ? s->data[row * s->pitch + at] : 0;
  }
  static Words words(const Plane& p, int32_t row, int32_t chunk) {
    Words words = {};
    for (int32_t i = 0; i < kChunk && chunk * kChunk + i < p.row_bytes; ++i) {
      words.w[i / 4] |= byte(p, row, chunk * kChunk + i) << 8 * (i % 4);
    }
    return words;
  }
};

struct Surface : SurfaceBytes {
  static constexpr int32_t kRows = 4;
  static Words words(const Plane& p, int32_t row, int32_t chunk) {
    if ((chunk + 1) * kChunk > p.row_bytes) ++violations;
    return SurfaceBytes::words(p, row, chunk);
  }
};

using LinearFrames = Linear<Bytes, Vector<4>, Vector<16>>;
using MixedFrames = Mixed<LinearFrames, SurfaceBytes, Surface>;

template <class Sources>
void make_views(const Frame& frame) {
  if (frame.planes == 0) return;
  for (int32_t row = 0; row < kSize; ++row) {
    HostBlock block;
    make_row<Sources>(block, frame, row);
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
