// Frames for the tests of the views, in memory that ends where a plane ends.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "leaf_edge/views.h"

namespace leaf_test {

// xorshift64*: the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }
  int32_t below(int32_t limit) { return static_cast<int32_t>(next() >> 33) % limit; }

 private:
  uint64_t state_;
};

// Bytes between two pages that nobody may touch: one ends at the upper page, or, where `at_begin`,
// begins after the lower one.
class Guarded {
 public:
  Guarded(size_t bytes, bool at_begin) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t inside = (bytes + page - 1) / page * page;
    mapped_ = inside + 2 * page;
    void* p = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
      perror("mmap");
      exit(2);
    }
    base_ = static_cast<uint8_t*>(p);
    if (mprotect(base_, page, PROT_NONE) || mprotect(base_ + page + inside, page, PROT_NONE)) {
      perror("mprotect");
      exit(2);
    }
    data_ = at_begin ? base_ + page : base_ + page + inside - bytes;
  }
  ~Guarded() { munmap(base_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  uint8_t* data() { return data_; }

 private:
  uint8_t *base_, *data_;
  size_t mapped_;
};

enum class Fill { kRandom, kZero, kMax, kAlternating, kChoices };

// A frame of any format with `padding` bytes after each row but a plane's last one.
class TestFrame {
 public:
  TestFrame(int format, int32_t width, int32_t height, const int32_t padding[3], Fill fill,
            bool at_begin, Random& random) {
    frame.width = width;
    frame.height = height;
    frame.format = format;
    const bool yuv = format <= LEAF_UYVY || format == LEAF_P010;
    frame.matrix = yuv ? random.below(3) : LEAF_NO_MATRIX;
    frame.range = random.below(2);
    const int planes = leaf_plane_count(format);
    for (int p = 0; p < planes; ++p) {
      int32_t rows = 0, row_bytes = 0;
      if (leaf_plane_size(format, p, width, height, &rows, &row_bytes)) abort();
      frame.pitch[p] = int64_t{row_bytes} + padding[p];
      const size_t bytes = static_cast<size_t>(frame.pitch[p] * (rows - 1) + row_bytes);
      plane_[p] = new Guarded(bytes, at_begin);
      uint8_t* data = plane_[p]->data();
      for (size_t i = 0; i < bytes; ++i) {
        data[i] = fill == Fill::kRandom ? static_cast<uint8_t>(random.next() >> 56)
                  : fill == Fill::kZero ? 0
                  : fill == Fill::kMax  ? 255
                  : fill == Fill::kAlternating
                      ? static_cast<uint8_t>(i % 2 ? 255 : 0)
                      : static_cast<uint8_t>(random.next() >> 63 ? 255 : 0);
      }
      frame.plane[p] = data;
    }
  }
  ~TestFrame() {
    for (Guarded* plane : plane_) delete plane;
  }
  TestFrame(const TestFrame&) = delete;
  TestFrame& operator=(const TestFrame&) = delete;

  // Other bytes between the rows, which no view may show.
  void change_padding() {
    for (int p = 0; p < leaf_plane_count(frame.format); ++p) {
      int32_t rows = 0, row_bytes = 0;
      if (leaf_plane_size(frame.format, p, frame.width, frame.height, &rows, &row_bytes)) abort();
      for (int32_t row = 0; row + 1 < rows; ++row) {
        uint8_t* const begin = plane_[p]->data() + row * frame.pitch[p];
        for (int64_t i = row_bytes; i < frame.pitch[p]; ++i) begin[i] ^= 0xff;
      }
    }
  }

  leaf_frame frame = {};

 private:
  Guarded* plane_[3] = {};
};

}  // namespace leaf_test
