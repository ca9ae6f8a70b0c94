// Views of frames from standard input to standard output, by one instruction set: how tests/views
// compares a build for another machine with the reference.
//   views_pipe ISA <frames >views
// A frame is as in piped_frame.h. It gives LEAF_VIEWS_BYTES.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "leaf_edge/views.h"
#include "piped_frame.h"

namespace {

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
  leaf_frame frame = {};
  int more;
  while ((more = leaf_test::read_frame(frame, plane)) > 0) {
    if (leaf_views_run(views, &frame, out)) return fail(leaf_views_message(views));
    if (fwrite(out, 1, sizeof out, stdout) != sizeof out) return fail("cannot write");
  }
  leaf_views_close(views);
  return more < 0 ? fail("a frame is wrong or cut short") : 0;
}
