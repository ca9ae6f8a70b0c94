// What the fuzz targets of the readers share: every frame that a reader gives must be one that the
// library takes, and its planes must lie in memory that is there.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "leaf_edge/views.h"
#include "readers/source.h"

namespace leaf_fuzz {

#define REQUIRE(condition)                                            \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                        \
    }                                                                 \
  } while (false)

inline void ignore(const std::string&) {}

// Reads all samples of a frame, so that a sanitizer sees planes that are not there.
inline uint64_t touch(const leaf_frame& frame) {
  uint64_t sum = 0;
  const int planes = leaf_plane_count(frame.format);
  REQUIRE(planes > 0);
  for (int plane = 0; plane < planes; ++plane) {
    int32_t rows = 0, bytes = 0;
    REQUIRE(leaf_plane_size(frame.format, plane, frame.width, frame.height, &rows, &bytes) == 0);
    REQUIRE(frame.pitch[plane] >= bytes);
    const auto* data = static_cast<const uint8_t*>(frame.plane[plane]);
    for (int32_t row = 0; row < rows; ++row, data += frame.pitch[plane]) {
      for (int32_t at = 0; at < bytes; ++at) sum += data[at];
      if (row + 1 == rows) break;
    }
  }
  REQUIRE(leaf_tools::is_yuv(frame.format) == (frame.matrix != LEAF_NO_MATRIX));
  return sum;
}

// Bytes that an input of `size` may take, for frames that are not larger than what there is to
// read: a header that lies must not take more.
inline size_t most_bytes(size_t size) { return (size_t{4} << 20) + 16 * size; }

// Reads a source to its end.
template <class Open>
void drain(size_t size, Open open) {
  leaf_tools::Notices notices(ignore);
  leaf_tools::Picture picture;
  int64_t last = -1;
  try {
    const std::unique_ptr<leaf_tools::Source> source = open(&notices);
    while (source->next(&picture)) {
      touch(picture.frame);
      REQUIRE(picture.index > last || source->still());
      last = picture.index;
    }
  } catch (const leaf_tools::SourceError& error) {
    REQUIRE(error.what()[0] == 'f');  // begins with the file's name
  }
  REQUIRE(picture.stored.size() <= most_bytes(size));
}

}  // namespace leaf_fuzz
