#include "checkviews_cpu.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "views_frames.h"

namespace leaf_test {
namespace {

struct Size {
  int32_t width, height;
};

// Sizes that take each path: few and many columns, 16-, 32- and 64-bit sums, small and large
// weights, one row, one column.
constexpr Size kSizes[] = {{1, 1},      {2, 1},       {1, 2},       {31, 33},    {224, 224},
                           {672, 224},  {448, 448},   {1920, 1080}, {1280, 720}, {3841, 33},
                           {4096, 16},  {16, 4096},   {225, 225},   {450, 257},  {300, 258},
                           {1081, 771}, {2111, 2113}, {64, 64},     {128, 63},   {63, 128},
                           {16384, 3},  {3, 16384},   {5003, 4001}};
constexpr int kSizeCount = sizeof kSizes / sizeof *kSizes;

// What runs, for the end of the program where it touches a page that it must not.
char running[160] = "";

void on_fault(int number) {
  const ssize_t written = write(STDERR_FILENO, running, strlen(running));
  (void)written;
  signal(number, SIG_DFL);
  raise(number);
}

// A sanitizer that is there already tells more.
void catch_faults() {
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    struct sigaction before = {};
    if (sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_DFL) {
      signal(number, on_fault);
    }
  }
}

// Views between guards: writes behind the end of one, before the begin of the other.
struct Room {
  Guarded end{LEAF_VIEWS_BYTES, false}, begin{LEAF_VIEWS_BYTES, true};
};

struct Kernels {
  int isa;
  leaf_views* views;
  long cases[LEAF_PIXEL_FORMATS] = {};
  long failures = 0;
};

class Checker {
 public:
  explicit Checker(const CheckOptions& options) : options_(options) {
    if (leaf_views_open(&plain_, LEAF_ISA_SCALAR)) exit(2);
    for (int isa = LEAF_ISA_SCALAR + 1; isa < LEAF_ISAS; ++isa) {
      if (!leaf_isa_available(isa) || (options.isa >= 0 && isa != options.isa)) continue;
      Kernels set{isa, nullptr};
      if (leaf_views_open(&set.views, isa)) exit(2);
      printf("checking %s\n", leaf_isa_name(isa));
      sets_.push_back(set);
    }
    if (sets_.empty()) printf("nothing to check: this machine has the plain kernels only\n");
  }
  ~Checker() {
    for (const Kernels& set : sets_) leaf_views_close(set.views);
    leaf_views_close(plain_);
  }
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  // One case of all sets. The same seed and number give the same frame everywhere.
  void check(int number) {
    const int format = number % LEAF_PIXEL_FORMATS;
    if (options_.format >= 0 && format != options_.format) return;
    Random random(static_cast<uint64_t>(options_.seed) * 1000003 + static_cast<uint64_t>(number));
    const bool listed = number % 3 == 0;
    const Size& size = kSizes[random.below(kSizeCount)];
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
    note(plain_, number);
    if (!run(plain_, test.frame, want_.end.data())) exit(2);
    test.change_padding();
    for (Kernels& set : sets_) {
      ++set.cases[format];
      uint8_t* const got = number % 2 ? got_.begin.data() : got_.end.data();
      memset(got, 0xaa, LEAF_VIEWS_BYTES);
      note(set.views, number);
      if (run(set.views, test.frame, got) && same(set, test.frame, number, fill, got)) continue;
      ++set.failures;
    }
  }

  int finish() const {
    long failures = 0;
    for (const Kernels& set : sets_) {
      printf("%-7s", leaf_isa_name(set.isa));
      for (int format = 0; format < LEAF_PIXEL_FORMATS; ++format) {
        if (set.cases[format]) printf(" %s %ld", format_name(format), set.cases[format]);
      }
      printf(": %s\n", set.failures ? "FAILED" : "same");
      failures += set.failures;
    }
    return static_cast<int>(std::min(failures, 1000L));
  }

  bool failing() const {
    return std::any_of(sets_.begin(), sets_.end(),
                       [](const Kernels& set) { return set.failures >= 10; });
  }

  // Time of a frame by each set and by the plain kernels, in turns, so that what else the machine
  // does touches all alike: the shortest of many.
  void bench() {
    printf("1920x1080, us of a frame (times as fast as the plain kernels):\n%-7s %10s", "",
           "scalar");
    for (const Kernels& set : sets_) printf(" %18s", leaf_isa_name(set.isa));
    printf("\n");
    for (int format = 0; format < LEAF_PIXEL_FORMATS; ++format) {
      if (options_.format >= 0 && format != options_.format) continue;
      Random random(static_cast<uint64_t>(options_.seed));
      constexpr int32_t kPacked[3] = {};
      TestFrame test(format, 1920, 1080, kPacked, Fill::kRandom, false, random);
      double plain = 1e300;
      std::vector<double> fast(sets_.size(), 1e300);
      for (int turn = 0; turn < 8; ++turn) {
        plain = std::min(plain, time(plain_, test.frame, 1));
        for (size_t i = 0; i < sets_.size(); ++i) {
          fast[i] = std::min(fast[i], time(sets_[i].views, test.frame, 8));
        }
      }
      printf("%-7s %10.1f", format_name(format), plain);
      for (const double us : fast) printf(" %10.1f (%4.1f)", us, plain / us);
      printf("\n");
    }
  }

 private:
  void note(const leaf_views* views, int number) const {
    const char* const isa = leaf_isa_name(leaf_views_isa(views));
    snprintf(running, sizeof running,
             "FAILED: %s ends with a fault at case %d; again: checkviews --seed %d --case %d\n",
             isa, number, options_.seed, number);
  }

  static bool run(leaf_views* views, const leaf_frame& frame, uint8_t* out) {
    if (!leaf_views_run(views, &frame, out)) return true;
    printf("FAILED: %s: %s\n", leaf_isa_name(leaf_views_isa(views)), leaf_views_message(views));
    return false;
  }

  double time(leaf_views* views, const leaf_frame& frame, int times) {
    double shortest = 1e300;
    for (int n = 0; n < times; ++n) {
      const auto begun = std::chrono::steady_clock::now();
      if (!run(views, frame, got_.end.data())) exit(2);
      const auto taken = std::chrono::steady_clock::now() - begun;
      shortest = std::min(shortest, std::chrono::duration<double, std::micro>(taken).count());
    }
    return shortest;
  }

  bool same(const Kernels& set, const leaf_frame& frame, int number, Fill fill,
            const uint8_t* got) {
    const uint8_t* const want = want_.end.data();
    for (int i = 0; i < LEAF_VIEWS_BYTES; ++i) {
      if (want[i] == got[i]) continue;
      printf(
          "FAILED: %s is %d, not %d, at view %d channel %d row %d column %d of a frame of format "
          "%s, %dx%d, pitch %lld, region %dx%d at (%d, %d), matrix %d, range %d, fill %d; again: "
          "checkviews --isa %s --seed %d --case %d\n",
          leaf_isa_name(set.isa), got[i], want[i], i / 150528, i / 50176 % 3, i / 224 % 224,
          i % 224, format_name(frame.format), frame.width, frame.height,
          static_cast<long long>(frame.pitch[0]), frame.roi.width, frame.roi.height, frame.roi.x,
          frame.roi.y, frame.matrix, frame.range, static_cast<int>(fill), leaf_isa_name(set.isa),
          options_.seed, number);
      return false;
    }
    return true;
  }

  const CheckOptions& options_;
  leaf_views* plain_ = nullptr;
  std::vector<Kernels> sets_;
  Room want_, got_;
};

}  // namespace

int check_cpu(const CheckOptions& options) {
  catch_faults();
  Checker checker(options);
  if (options.only >= 0) {
    checker.check(options.only);
  } else {
    for (int n = 0; n < options.frames && !checker.failing(); ++n) checker.check(n);
  }
  const int failures = checker.finish();
  running[0] = '\0';
  if (options.bench && !failures) checker.bench();
  return failures;
}

}  // namespace leaf_test
