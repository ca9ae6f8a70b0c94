// Every instruction set against the plain kernels, byte for byte, on random and worst-case frames
// of odd sizes, pitches and regions. Planes and output end at pages that may not be touched, so
// that a read or write beyond them ends the program.
// Then the CUDA kernel in the same way, where there is a device, and measured (docs/cuda.md).
//   checkviews [frames] [seed] [scale] [json]
#include <cstdio>

#include "checkviews_cuda.h"
#include "views_frames.h"

namespace {

using leaf_test::Fill;
using leaf_test::Guarded;
using leaf_test::Random;
using leaf_test::TestFrame;

struct Case {
  int32_t width, height;
};

// Sizes that take each path: few and many columns, 16-, 32- and 64-bit sums, small and large
// weights, one row, one column.
constexpr Case kCases[] = {{1, 1},      {2, 1},       {1, 2},       {31, 33},    {224, 224},
                           {672, 224},  {448, 448},   {1920, 1080}, {1280, 720}, {3841, 33},
                           {4096, 16},  {16, 4096},   {225, 225},   {450, 257},  {300, 258},
                           {1081, 771}, {2111, 2113}, {64, 64},     {128, 63},   {63, 128},
                           {16384, 3},  {3, 16384},   {5003, 4001}};

bool check(leaf_views* plain, leaf_views* fast, const leaf_frame& frame, Fill fill) {
  static Guarded want(LEAF_VIEWS_BYTES, false), got(LEAF_VIEWS_BYTES, false);
  memset(want.data(), 0x55, LEAF_VIEWS_BYTES);
  memset(got.data(), 0xaa, LEAF_VIEWS_BYTES);
  if (leaf_views_run(plain, &frame, want.data()) || leaf_views_run(fast, &frame, got.data())) {
    printf("FAILED: %s %s\n", leaf_views_message(plain), leaf_views_message(fast));
    return false;
  }
  for (int i = 0; i < LEAF_VIEWS_BYTES; ++i) {
    if (want.data()[i] == got.data()[i]) continue;
    printf(
        "FAILED: %s is %d, not %d, at view %d channel %d row %d column %d of a frame of format "
        "%d, %dx%d, pitch %lld, region %dx%d at (%d, %d), matrix %d, range %d, fill %d\n",
        leaf_isa_name(leaf_views_isa(fast)), got.data()[i], want.data()[i], i / 150528,
        i / 50176 % 3, i / 224 % 224, i % 224, frame.format, frame.width, frame.height,
        static_cast<long long>(frame.pitch[0]), frame.roi.width, frame.roi.height, frame.roi.x,
        frame.roi.y, frame.matrix, frame.range, static_cast<int>(fill));
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const int frames = argc > 1 ? atoi(argv[1]) : 300;
  const int seed = argc > 2 ? atoi(argv[2]) : 1;
  constexpr int kSizes = sizeof kCases / sizeof *kCases;
  leaf_views* plain;
  if (leaf_views_open(&plain, LEAF_ISA_SCALAR)) return 2;
  leaf_views* fast[LEAF_ISAS] = {};
  int sets = 0;
  for (int isa = LEAF_ISA_SCALAR + 1; isa < LEAF_ISAS; ++isa) {
    if (!leaf_isa_available(isa)) continue;
    if (leaf_views_open(&fast[isa], isa)) return 2;
    printf("checking %s\n", leaf_isa_name(isa));
    ++sets;
  }
  if (!sets) printf("nothing to check: this machine has the plain kernels only\n");

  int failures = 0;
  for (int n = 0; sets && n < frames && failures < 10; ++n) {
    Random random(static_cast<uint64_t>(seed) * 1000003 + static_cast<uint64_t>(n));
    const int format = n % LEAF_PIXEL_FORMATS;
    const bool listed = n % 3 == 0;
    const Case& size = kCases[random.below(kSizes)];
    const int32_t width = listed ? size.width : 1 + random.below(300);
    const int32_t height = listed ? size.height : 1 + random.below(300);
    const bool pad = random.below(2);
    const int32_t padding[3] = {pad ? random.below(70) : 0, pad ? random.below(70) : 0,
                                pad ? random.below(70) : 0};
    const Fill fill = random.below(2) ? Fill::kRandom : static_cast<Fill>(random.below(5));
    TestFrame test(format, width, height, padding, fill, random.below(4) == 0, random);
    if (random.below(2)) {
      leaf_roi& roi = test.frame.roi;
      roi.x = random.below(width);
      roi.y = random.below(height);
      roi.width = 1 + random.below(width - roi.x);
      roi.height = 1 + random.below(height - roi.y);
    }
    for (leaf_views* views : fast) {
      if (views && !check(plain, views, test.frame, fill)) ++failures;
    }
  }
  for (leaf_views* views : fast) leaf_views_close(views);
  leaf_views_close(plain);
  printf("%d frames, %d instruction sets, %d failures\n", frames, sets, failures);
  const int scale = argc > 3 ? atoi(argv[3]) : 1;
  failures +=
      leaf_test::check_cuda(frames, seed, scale > 0 ? scale : 1, argc > 4 ? argv[4] : nullptr);
  return failures ? 1 : 0;
}
