// Views of frames from standard input to standard output, by one instruction set: how tests/views
// compares a build for another machine with the reference.
//   views_pipe ISA <frames >views
// A frame is twelve little-endian int32: width, height, format, matrix, range, roi x, y, width,
// height, and three pitches; then pitch * rows bytes of each plane. It gives LEAF_VIEWS_BYTES.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "leaf_edge/views.h"

namespace {

bool read_exactly(void* to, size_t bytes) { return fread(to, 1, bytes, stdin) == bytes; }

int fail(const char* what) {
  fprintf(stderr, "views_pipe: %s\n", what);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  int isa = LEAF_ISA_AUTO;
  while (argc == 2 && isa < LEAF_ISAS && strcmp(argv[1], leaf_isa_name(isa)) != 0) ++isa;
  leaf_views* views = nullptr;
  if (argc != 2 || leaf_views_open(&views, isa)) return fail("expected an instruction set it has");

  static uint8_t out[LEAF_VIEWS_BYTES];
  std::vector<uint8_t> plane[3];
  int32_t head[12];
  while (read_exactly(head, sizeof head)) {
    leaf_frame frame = {};
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
        return fail("a frame's size or pitch is wrong");
      }
      plane[p].resize(static_cast<size_t>(frame.pitch[p]) * static_cast<size_t>(rows));
      if (!read_exactly(plane[p].data(), plane[p].size())) return fail("a frame is cut short");
      frame.plane[p] = plane[p].data();
    }
    if (leaf_views_run(views, &frame, out)) return fail(leaf_views_message(views));
    if (fwrite(out, 1, sizeof out, stdout) != sizeof out) return fail("cannot write");
  }
  leaf_views_close(views);
  return 0;
}
