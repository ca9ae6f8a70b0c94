// The C interface of the views: refused input, untouched output, no allocation for repeated
// geometry.
#include <cerrno>
#include <climits>
#include <initializer_list>
#include <new>

#include "views_frames.h"

namespace {

long allocations = 0;
int failures = 0;

#define EXPECT(condition)                                            \
  do {                                                               \
    if (!(condition)) {                                              \
      printf("%s:%d: FAILED: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                    \
    }                                                                \
  } while (false)

using leaf_test::Fill;
using leaf_test::Random;
using leaf_test::TestFrame;

constexpr int32_t kNoPadding[3] = {0, 0, 0};

void names_and_sizes() {
  EXPECT(!strcmp(leaf_isa_name(LEAF_ISA_AUTO), "auto"));
  EXPECT(!leaf_isa_name(-1) && !leaf_isa_name(LEAF_ISAS) && !leaf_isa_name(INT_MAX));
  EXPECT(leaf_isa_available(LEAF_ISA_SCALAR));
  EXPECT(!leaf_isa_available(-1) && !leaf_isa_available(INT_MAX));
  EXPECT(leaf_plane_count(LEAF_NV12) == 2 && leaf_plane_count(LEAF_GRAY8) == 1);
  EXPECT(leaf_plane_count(-1) == -EINVAL && leaf_plane_count(LEAF_PIXEL_FORMATS) == -EINVAL);
  int32_t rows = 0, bytes = 0;
  EXPECT(!leaf_plane_size(LEAF_P010, 1, 5, 3, &rows, &bytes) && rows == 2 && bytes == 12);
  EXPECT(leaf_plane_size(LEAF_NV12, 2, 5, 3, &rows, &bytes) == -EINVAL);
  EXPECT(leaf_plane_size(LEAF_NV12, -1, 5, 3, &rows, &bytes) == -EINVAL);
  EXPECT(leaf_plane_size(LEAF_NV12, 0, 0, 3, &rows, &bytes) == -EINVAL);
  EXPECT(leaf_plane_size(LEAF_NV12, 0, INT_MAX, 3, &rows, &bytes) == -EINVAL);
  EXPECT(leaf_plane_size(LEAF_NV12, 0, 5, 3, nullptr, &bytes) == -EINVAL);
}

void opening() {
  leaf_views* views = nullptr;
  EXPECT(leaf_views_open(nullptr, LEAF_ISA_AUTO) == -EINVAL);
  EXPECT(leaf_views_open(&views, -1) == -EINVAL && leaf_views_open(&views, LEAF_ISAS) == -EINVAL);
  for (int isa = LEAF_ISA_SCALAR; isa < LEAF_ISAS; ++isa) {
    const int error = leaf_views_open(&views, isa);
    EXPECT(error == (leaf_isa_available(isa) ? 0 : -ENOTSUP));
    if (!error) {
      EXPECT(leaf_views_isa(views) == isa);
      leaf_views_close(views);
    }
  }
  EXPECT(leaf_views_isa(nullptr) == -EINVAL);
  EXPECT(!strcmp(leaf_views_message(nullptr), ""));
  leaf_views_close(nullptr);
}

void refused_input() {
  leaf_views* views;
  if (leaf_views_open(&views, LEAF_ISA_AUTO)) exit(2);
  Random random(1);
  const TestFrame test(LEAF_NV12, 40, 30, kNoPadding, Fill::kRandom, false, random);
  static uint8_t out[LEAF_VIEWS_BYTES];
  memset(out, 0x77, sizeof out);
  const auto refused = [&](const char* word, auto change) {
    leaf_frame frame = test.frame;
    change(frame);
    const int error = leaf_views_run(views, &frame, out);
    const bool named = strstr(leaf_views_message(views), word) != nullptr;
    if (error != -EINVAL || !named) {
      printf("FAILED: error %d, message '%s', wanted one with '%s'\n", error,
             leaf_views_message(views), word);
      ++failures;
    }
  };
  EXPECT(leaf_views_run(nullptr, &test.frame, out) == -EINVAL);
  EXPECT(leaf_views_run(views, nullptr, out) == -EINVAL);
  EXPECT(leaf_views_run(views, &test.frame, nullptr) == -EINVAL);
  refused("format", [](leaf_frame& f) { f.format = -1; });
  refused("format", [](leaf_frame& f) { f.format = LEAF_PIXEL_FORMATS; });
  for (const int32_t size : {0, -1, INT_MIN, LEAF_MAX_DIMENSION + 1, INT_MAX}) {
    refused("side", [&](leaf_frame& f) { f.width = size; });
    refused("side", [&](leaf_frame& f) { f.height = size; });
  }
  refused("matrix", [](leaf_frame& f) { f.matrix = LEAF_NO_MATRIX; });
  refused("matrix", [](leaf_frame& f) { f.matrix = 3; });
  refused("matrix", [](leaf_frame& f) { f.format = LEAF_RGB, f.pitch[0] = 120; });
  refused("range", [](leaf_frame& f) { f.range = 2; });
  refused("range", [](leaf_frame& f) { f.range = -1; });
  refused("plane 0 is missing", [](leaf_frame& f) { f.plane[0] = nullptr; });
  refused("plane 1 is missing", [](leaf_frame& f) { f.plane[1] = nullptr; });
  refused("pitch of plane 0", [](leaf_frame& f) { f.pitch[0] = 39; });
  refused("pitch of plane 1", [](leaf_frame& f) { f.pitch[1] = 0; });
  refused("pitch of plane 0", [](leaf_frame& f) { f.pitch[0] = -40; });
  refused("pitch of plane 0", [](leaf_frame& f) { f.pitch[0] = INT64_MIN; });
  constexpr leaf_roi kOutside[] = {
      {-1, 0, 10, 10},      {0, -1, 10, 10},      {0, 0, 41, 30},     {0, 0, 40, 31},
      {1, 0, 40, 30},       {0, 1, 40, 30},       {0, 0, 0, 10},      {0, 0, 10, 0},
      {0, 0, -5, 10},       {40, 0, 1, 1},        {INT_MAX, 0, 1, 1}, {1, 1, INT_MAX, INT_MAX},
      {INT_MIN, 0, 10, 10}, {39, 29, INT_MIN, 1}, {5, 5, 0, 0}};
  for (const leaf_roi& roi : kOutside) {
    refused("region of interest", [&](leaf_frame& f) { f.roi = roi; });
  }
  for (const uint8_t byte : out) {
    if (byte != 0x77) {
      printf("FAILED: refused input changed the output\n");
      ++failures;
      break;
    }
  }
  EXPECT(!leaf_views_run(views, &test.frame, out));
  EXPECT(!strcmp(leaf_views_message(views), ""));
  leaf_views_close(views);
}

// One row, or one row of chroma, needs no pitch.
void single_row() {
  leaf_views* views;
  if (leaf_views_open(&views, LEAF_ISA_AUTO)) exit(2);
  Random random(2);
  TestFrame test(LEAF_NV12, 40, 1, kNoPadding, Fill::kRandom, false, random);
  test.frame.pitch[0] = test.frame.pitch[1] = 0;
  static uint8_t out[LEAF_VIEWS_BYTES];
  EXPECT(!leaf_views_run(views, &test.frame, out));
  leaf_views_close(views);
}

void no_allocation() {
  Random random(3);
  static uint8_t out[LEAF_VIEWS_BYTES];
  leaf_views* chosen;
  if (leaf_views_open(&chosen, LEAF_ISA_AUTO)) exit(2);
  const int fastest = leaf_views_isa(chosen);
  leaf_views_close(chosen);
  for (int isa = LEAF_ISA_SCALAR; isa < LEAF_ISAS; ++isa) {
    if (!leaf_isa_available(isa)) continue;
    leaf_views* views;
    if (leaf_views_open(&views, isa)) exit(2);
    const TestFrame test(LEAF_NV12, 96, 54, kNoPadding, Fill::kRandom, false, random);
    const long before_first = allocations;
    EXPECT(!leaf_views_run(views, &test.frame, out));
    EXPECT(allocations > before_first);  // the counter counts
    const long before = allocations;
    const int frames = isa == fastest ? 200 : 20;
    for (int n = 0; n < frames; ++n) {
      leaf_frame frame = test.frame;
      frame.matrix = n % 3;  // colour is not geometry
      frame.range = n % 2;
      if (leaf_views_run(views, &frame, out)) ++failures;
    }
    EXPECT(allocations == before);
    leaf_views_close(views);
  }
}

}  // namespace

// Not inlined, or the compiler takes malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* p = malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return malloc(size ? size : 1);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { free(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { free(p); }

int main() {
  names_and_sizes();
  opening();
  refused_input();
  single_row();
  no_allocation();
  printf("%d failures\n", failures);
  return failures ? 1 : 0;
}
