// Reading in the bytes of an image file without ever reading beyond them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "readers/image_walk.h"

namespace leaf_tools {

inline std::string number(uint64_t value) { return std::to_string(value); }

inline std::string hex(uint8_t byte) {
  char text[8];
  snprintf(text, sizeof text, "%#04x", byte);
  return text;
}

// The bytes of a file; a read behind its end is an ImageFault.
class Bytes {
 public:
  Bytes(const char* kind, const uint8_t* data, size_t size)
      : kind_(kind), data_(data), size_(size) {}

  size_t size() const { return size_; }
  uint8_t operator[](size_t at) const {
    need(at, 1);
    return data_[at];
  }
  uint32_t big16(size_t at) const {
    need(at, 2);
    return uint32_t{data_[at]} << 8 | data_[at + 1];
  }
  uint32_t big32(size_t at) const {
    need(at, 4);
    return big16(at) << 16 | big16(at + 2);
  }
  const uint8_t* from(size_t at) const { return data_ + at; }

 private:
  void need(size_t at, size_t count) const {
    if (at <= size_ && size_ - at >= count) return;
    throw ImageFault(std::string(kind_) + " file is cut short in its header, after " +
                     number(size_) + " bytes");
  }

  const char* kind_;
  const uint8_t* data_;
  size_t size_;
};

}  // namespace leaf_tools
