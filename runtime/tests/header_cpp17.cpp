// leaf.h alone as C++17; C and C++ see the same structs, and those of the released interface.
#include <leaf_edge/leaf.h>

#include <cstdio>

extern "C" {
extern const size_t header_c_sizes[6];
int header_c_functions(void);
}

namespace {

// A change of these breaks programs that are compiled already: raise LEAF_API_MAJOR with it.
static_assert(sizeof(void*) != 8 || sizeof(leaf_settings) == 256, "leaf_settings");
static_assert(sizeof(void*) != 8 || sizeof(leaf_input) == 144, "leaf_input");
static_assert(sizeof(leaf_score) == 200, "leaf_score");
static_assert(sizeof(leaf_info) == 872, "leaf_info");
static_assert(sizeof(leaf_stage) == 32, "leaf_stage");
static_assert(sizeof(leaf_timings) == 192, "leaf_timings");
static_assert(LEAF_API_MAJOR == 1, "the sizes above are those of major version 1");

constexpr size_t kSizes[6] = {
    sizeof(leaf_settings), sizeof(leaf_input), sizeof(leaf_score),
    sizeof(leaf_info),     sizeof(leaf_stage), sizeof(leaf_timings),
};

}  // namespace

int main() {
  int failures = header_c_functions() ? 0 : 1;
  for (int i = 0; i < 6; ++i) failures += header_c_sizes[i] != kSizes[i];
  printf("header: %d failures\n", failures);
  return failures != 0;
}
