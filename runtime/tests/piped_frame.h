// Frames from standard input, as tests/helpers_frames.py writes them: twelve little-endian int32
// (width, height, format, matrix, range, roi x, y, width, height, and three pitches), then pitch *
// rows bytes of each plane.
#pragma once

#include <cstdint>
#include <cstdio>
#include <vector>

#include "leaf_edge/views.h"

namespace leaf_test {

inline bool read_exactly(void* to, size_t bytes) { return fread(to, 1, bytes, stdin) == bytes; }

// 1 for a frame whose planes are in `plane`, 0 at the end, -1 for one that is cut short or wrong.
inline int read_frame(leaf_frame& frame, std::vector<uint8_t> (&plane)[3]) {
  int32_t head[12];
  if (!read_exactly(head, sizeof head)) return 0;
  frame.width = head[0];
  frame.height = head[1];
  frame.format = head[2];
  frame.matrix = head[3];
  frame.range = head[4];
  frame.roi = {head[5], head[6], head[7], head[8]};
  for (int p = 0; p < leaf_plane_count(frame.format); ++p) {
    int32_t rows = 0, row_bytes = 0;
    frame.pitch[p] = head[9 + p];
    if (leaf_plane_size(frame.format, p, frame.width, frame.height, &rows, &row_bytes) ||
        frame.pitch[p] < row_bytes) {
      return -1;
    }
    plane[p].resize(static_cast<size_t>(frame.pitch[p]) * static_cast<size_t>(rows));
    if (!read_exactly(plane[p].data(), plane[p].size())) return -1;
    frame.plane[p] = plane[p].data();
  }
  return 1;
}

}  // namespace leaf_test
