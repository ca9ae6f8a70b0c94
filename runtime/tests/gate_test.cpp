// The gate's C interface: arguments that a firmware may get wrong, known decisions, no allocation.
#include "leaf_edge/gate.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <new>

namespace {

long allocations = 0;
int failures = 0;

void check(bool passed, const char* what, int line) {
  if (passed) return;
  fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, line, what);
  ++failures;
}
#define CHECK(condition) check((condition), #condition, __LINE__)

leaf_gate_settings defaults() {
  leaf_gate_settings settings;
  leaf_gate_defaults(&settings);
  return settings;
}

leaf_gate* open_gate(const leaf_gate_settings& settings) {
  leaf_gate* gate = nullptr;
  if (leaf_gate_open(&gate, &settings) != 0) {
    fprintf(stderr, "a gate did not open\n");
    std::exit(1);
  }
  return gate;
}

void test_null_arguments() {
  leaf_gate_defaults(nullptr);
  const leaf_gate_settings settings = defaults();
  leaf_gate* gate = nullptr;
  CHECK(leaf_gate_open(nullptr, &settings) == -EINVAL);
  CHECK(leaf_gate_open(&gate, nullptr) == -EINVAL);
  CHECK(gate == nullptr);
  char message[LEAF_GATE_MESSAGE_SIZE] = "?";
  CHECK(leaf_gate_check(nullptr, message, sizeof message) == -EINVAL);
  CHECK(strstr(message, "NULL"));

  leaf_gate_decision decision;
  int64_t frame;
  double score;
  CHECK(leaf_gate_push(nullptr, 0, 3, &decision) == -EINVAL);
  CHECK(leaf_gate_push_missing(nullptr, 0, &decision) == -EINVAL);
  CHECK(leaf_gate_flush(nullptr, &frame, &score) == -EINVAL);
  CHECK(leaf_gate_message(nullptr)[0] == '\0');
  leaf_gate_reset(nullptr);
  leaf_gate_close(nullptr);

  gate = open_gate(settings);
  CHECK(leaf_gate_push(gate, 0, 3, nullptr) == -EINVAL);
  CHECK(strstr(leaf_gate_message(gate), "decision"));
  CHECK(leaf_gate_push_missing(gate, 0, nullptr) == -EINVAL);
  CHECK(leaf_gate_flush(gate, nullptr, &score) == -EINVAL);
  CHECK(leaf_gate_flush(gate, &frame, nullptr) == -EINVAL);
  CHECK(strstr(leaf_gate_message(gate), "NULL"));
  CHECK(leaf_gate_flush(gate, &frame, &score) == 0);
  CHECK(leaf_gate_message(gate)[0] == '\0');
  leaf_gate_close(gate);
}

void test_wrong_settings() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const int32_t lowest = std::numeric_limits<int32_t>::min();
  const int32_t highest = std::numeric_limits<int32_t>::max();
  int cases = 0;
  const auto refused = [&cases](auto&& change, const char* word) {
    leaf_gate_settings settings = defaults();
    change(settings);
    char message[LEAF_GATE_MESSAGE_SIZE] = "";
    leaf_gate* gate = nullptr;
    const bool ok = leaf_gate_check(&settings, message, sizeof message) == -EINVAL &&
                    strstr(message, word) && leaf_gate_open(&gate, &settings) == -EINVAL && !gate &&
                    leaf_gate_check(&settings, nullptr, 0) == -EINVAL;
    if (!ok) fprintf(stderr, "case %d: message '%s', expected '%s'\n", cases, message, word);
    CHECK(ok);
    // A short buffer is cut, never overrun.
    char few[8];
    memset(few, '#', sizeof few);
    CHECK(leaf_gate_check(&settings, few, 5) == -EINVAL && few[4] == '\0' && few[5] == '#');
    ++cases;
  };
  using S = leaf_gate_settings;
  for (const double value : {nan, infinity, -infinity, 1e300, -1.1e6}) {
    refused([&](S& s) { s.accept = value; }, "accept");
    refused([&](S& s) { s.reject = value; }, "reject");
  }
  refused([](S& s) { s.reject = 3.1; }, "above accept");
  for (const int32_t value : {lowest, -1, int32_t{LEAF_POOLS}, highest}) {
    refused([&](S& s) { s.pool = value; }, "pool");
  }
  for (const int32_t value : {lowest, -1, 0, LEAF_GATE_MAX_WINDOW + 1, highest}) {
    refused([&](S& s) { s.window = value; }, "window");
  }
  for (const int32_t value : {lowest, -1, 101, highest}) {
    refused([&](S& s) { s.percentile = value; }, "percentile");
  }
  for (const int32_t value : {lowest, -1}) {
    refused([&](S& s) { s.dwell = value; }, "dwell");
    refused([&](S& s) { s.best_window = value; }, "best_window");
  }
  for (const int32_t value : {lowest, -1, 0, 3, highest}) {
    refused([&](S& s) { s.initial = value; }, "initial");
  }
  for (const int32_t value : {lowest, -1, int32_t{LEAF_MISSINGS}, highest}) {
    refused([&](S& s) { s.missing = value; }, "missing");
  }
}

void test_unusable_scores() {
  leaf_gate* gate = open_gate(defaults());
  leaf_gate_decision decision, untouched;
  memset(&decision, 0x5a, sizeof decision);
  memcpy(&untouched, &decision, sizeof decision);
  for (const double score : {std::numeric_limits<double>::quiet_NaN(),
                             std::numeric_limits<double>::infinity(), -1e300, 1000001.0}) {
    CHECK(leaf_gate_push(gate, -5, score, &decision) == -EINVAL);
    CHECK(strstr(leaf_gate_message(gate), "frame -5"));
    CHECK(memcmp(&decision, &untouched, sizeof decision) == 0);
  }
  CHECK(leaf_gate_push_missing(gate, 1, &decision) == 0);
  CHECK(leaf_gate_message(gate)[0] == '\0');
  CHECK(std::isnan(decision.pooled) && decision.warmup_left == defaults().window);
  CHECK(decision.missing == 1 && decision.accepted == 0);
  leaf_gate_close(gate);
}

void test_extremes() {
  leaf_gate_settings settings = defaults();
  settings.window = LEAF_GATE_MAX_WINDOW;
  settings.dwell = std::numeric_limits<int32_t>::max();
  settings.best_window = std::numeric_limits<int32_t>::max();
  settings.accept = settings.reject = LEAF_GATE_MAX_SCORE;
  for (int32_t pool = 0; pool < LEAF_POOLS; ++pool) {
    settings.pool = pool;
    leaf_gate* gate = open_gate(settings);
    leaf_gate_decision decision = {};
    const int64_t last = std::numeric_limits<int64_t>::max();
    for (int i = 0; i < 3 * LEAF_GATE_MAX_WINDOW; ++i) {
      CHECK(leaf_gate_push(gate, last, LEAF_GATE_MAX_SCORE, &decision) == 0);
    }
    CHECK(decision.accepted == 1 && decision.frame == last);
    CHECK(std::fabs(decision.pooled - LEAF_GATE_MAX_SCORE) == 0);
    for (int i = 0; i < 3 * LEAF_GATE_MAX_WINDOW; ++i) {
      CHECK(leaf_gate_push(gate, -last - 1, -LEAF_GATE_MAX_SCORE, &decision) == 0);
    }
    CHECK(decision.accepted == 1 && decision.dwell_left > 0);  // the dwell holds it
    // The moving average nears its target without end; the others have arrived.
    CHECK(decision.pooled < -LEAF_GATE_MAX_SCORE * (pool == LEAF_POOL_EMA ? 0.98 : 0.9999999));
    leaf_gate_close(gate);
  }
}

void test_known_decisions() {
  leaf_gate_settings settings = defaults();
  settings.accept = 3;
  settings.reject = 2;
  settings.window = 2;
  settings.dwell = 3;
  settings.best_window = 4;
  leaf_gate* gate = open_gate(settings);
  const double scores[] = {4, 4, 1, 1, 1, 2, 2, 4, 4};
  const char verdict[] = "RAAARRRAA";
  for (int repeat = 0; repeat < 2; ++repeat) {
    leaf_gate_decision decision = {};
    for (int i = 0; i < 9; ++i) {
      CHECK(leaf_gate_push(gate, 10 + i, scores[i], &decision) == 0);
      CHECK(decision.accepted == (verdict[i] == 'A'));
      CHECK(decision.best == (i == 3 || i == 7));
      if (decision.best) CHECK(decision.best_frame == (i == 3 ? 11 : 17));
    }
    int64_t frame = 0;
    double score = 0;
    CHECK(leaf_gate_flush(gate, &frame, &score) == 1 && frame == 18 && std::fabs(score - 4) == 0);
    CHECK(leaf_gate_flush(gate, &frame, &score) == 0);
    leaf_gate_reset(gate);
  }
  leaf_gate_close(gate);
}

void test_no_allocation_after_open() {
  for (int32_t pool = 0; pool < LEAF_POOLS; ++pool) {
    leaf_gate_settings settings = defaults();
    settings.pool = pool;
    settings.window = 500;
    settings.best_window = 30;
    const long before_open = allocations;
    leaf_gate* gate = open_gate(settings);
    const long opened = allocations;
    CHECK(opened > before_open);  // the counter counts
    leaf_gate_decision decision;
    int64_t frame;
    double score;
    for (int repeat = 0; repeat < 2; ++repeat) {
      for (int i = 0; i < 2000; ++i) {
        leaf_gate_push(gate, i, 1 + (i * 37 % 41) / 10.0, &decision);
        if (i % 7 == 0) leaf_gate_push_missing(gate, i, &decision);
      }
      leaf_gate_push(gate, 0, 1e9, &decision);
      leaf_gate_flush(gate, &frame, &score);
      leaf_gate_reset(gate);
    }
    CHECK(allocations == opened);
    leaf_gate_close(gate);
  }
}

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size ? size : 1);
}
void* operator new[](size_t size) { return operator new(size); }
void* operator new[](size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

int main() {
  test_null_arguments();
  test_wrong_settings();
  test_unusable_scores();
  test_extremes();
  test_known_decisions();
  test_no_allocation_after_open();
  if (failures == 0) puts("gate: all checks passed");
  return failures == 0 ? 0 : 1;
}
