// Every public function of leaf.h with what a program may get wrong: NULL, zero, huge, mismatched.
#include <cerrno>
#include <limits>

#include "context_tools.h"

namespace {

using namespace leaf_test;

constexpr int32_t kLowest = std::numeric_limits<int32_t>::min();
constexpr int32_t kHighest = std::numeric_limits<int32_t>::max();

void names() {
  CHECK(leaf_api_version() == LEAF_API_VERSION);
  CHECK(strcmp(leaf_version(), "") != 0);
  for (const int code : {0, 1, -1002003, -1000, kLowest, kHighest}) {
    CHECK(strcmp(leaf_error_name(code), "LEAF_E_UNKNOWN") == 0);
    CHECK(strcmp(leaf_error_remedy(code), "") == 0);
  }
  CHECK(strcmp(leaf_error_name(-EINVAL), "EINVAL") == 0);
  CHECK(strcmp(leaf_error_name(LEAF_E_BUNDLE_HASH), "LEAF_E_BUNDLE_HASH") == 0);
  CHECK(strcmp(leaf_fault_name(LEAF_FAULT_NONE), "") == 0);
  CHECK(strcmp(leaf_fault_name(LEAF_BANDING), "banding") == 0);
  CHECK(strcmp(leaf_engine_name(LEAF_ENGINE_TENSORRT), "tensorrt") == 0);
  for (const int code : {kLowest, -2, static_cast<int>(LEAF_FAULTS), kHighest}) {
    CHECK(leaf_fault_name(code) == nullptr);
  }
  for (const int code : {kLowest, -1, 0, static_cast<int>(LEAF_ENGINES), kHighest}) {
    CHECK(leaf_engine_name(code) == nullptr);
  }
}

void null_arguments() {
  leaf_default_settings(nullptr);
  leaf_default_input(nullptr);
  leaf_reset_timings(nullptr);
  leaf_close(nullptr);
  const leaf_settings settings = default_settings();
  leaf_context* context = reinterpret_cast<leaf_context*>(&failures);
  CHECK(leaf_open(nullptr, "x", &settings) == -EINVAL && says("context is NULL"));
  CHECK(leaf_open(&context, nullptr, &settings) == -EINVAL && says("path is NULL"));
  CHECK(context == nullptr);
  CHECK(leaf_open(&context, "/nowhere/none.leaf", nullptr) == LEAF_E_BUNDLE_NOT_FOUND);
  CHECK(context == nullptr && says("none.leaf"));
  CHECK(leaf_open(&context, "", nullptr) == LEAF_E_BUNDLE_NOT_FOUND && context == nullptr);
  const std::string endless(1 << 20, 'x');
  CHECK(leaf_open(&context, endless.c_str(), nullptr) == LEAF_E_BUNDLE_NOT_FOUND);

  Grey grey(8, 8, 100);
  leaf_score score;
  leaf_info info;
  leaf_timings timings;
  uint64_t ticket;
  double worst;
  CHECK(leaf_prepare(nullptr, &grey.input, 1) == -EINVAL && says("context is NULL"));
  CHECK(leaf_score_frames(nullptr, &grey.input, 1, &score) == -EINVAL);
  CHECK(leaf_submit(nullptr, &grey.input, &ticket) == -EINVAL);
  CHECK(leaf_poll(nullptr, &score, 0) == -EINVAL);
  CHECK(leaf_self_test(nullptr, &worst) == -EINVAL);
  CHECK(leaf_get_info(nullptr, &info) == -EINVAL);
  CHECK(leaf_get_timings(nullptr, &timings) == -EINVAL);

  leaf_settings queued = settings;
  queued.queue = 2;
  if (!CHECK(open_level(&context, &queued) == 0)) return;
  CHECK(leaf_prepare(context, nullptr, 1) == -EINVAL && says("inputs are NULL"));
  CHECK(leaf_score_frames(context, nullptr, 1, &score) == -EINVAL && says("inputs are NULL"));
  CHECK(leaf_score_frames(context, &grey.input, 1, nullptr) == -EINVAL && says("scores are NULL"));
  CHECK(leaf_submit(context, nullptr, &ticket) == -EINVAL && says("inputs are NULL"));
  CHECK(leaf_poll(context, nullptr, 0) == -EINVAL && says("score is NULL"));
  CHECK(leaf_get_info(context, nullptr) == -EINVAL && says("info is NULL"));
  CHECK(leaf_get_timings(context, nullptr) == -EINVAL && says("timings are NULL"));
  CHECK(leaf_self_test(context, nullptr) == 0);
  CHECK(leaf_submit(context, &grey.input, nullptr) == 0);
  CHECK(leaf_poll(context, &score, -1) == 1 && score.ticket == 1);
  leaf_close(context);
}

int settings_cases = 0;

template <class Change>
void settings_refused(Change&& change, const char* word, int code = -EINVAL) {
  leaf_settings settings = default_settings();
  change(settings);
  leaf_context* context = nullptr;
  const bool ok = CHECK(open_level(&context, &settings) == code && says(word)) &&
                  CHECK(leaf_open(&context, "x", &settings) == code && !context && says(word));
  if (!ok) fprintf(stderr, "settings %d: expected '%s'\n", settings_cases, word);
  leaf_close(context);
  ++settings_cases;
}

void* some_allocate(void*, size_t size, size_t) { return malloc(size); }
void some_release(void*, void* memory, size_t, size_t) { free(memory); }

void wrong_settings() {
  using S = leaf_settings;
  static const uint8_t key[1][LEAF_KEY_BYTES] = {};
  for (const uint32_t size : {0u, 1u, 4u, 9u, 4104u, 0xfffffff8u, 0xffffffffu}) {
    settings_refused([&](S& s) { s.size = size; }, "settings.size");
  }
  settings_refused([](S& s) { s.engines[0] = 0; }, "settings.engines is empty");
  settings_refused([](S& s) { s.engines[2] = LEAF_ENGINE_CPU; }, "after the end");
  settings_refused([](S& s) { s.engines[1] = LEAF_ENGINE_CPU; }, "twice");
  for (const int32_t value : {kLowest, -1, static_cast<int32_t>(LEAF_ENGINES), kHighest}) {
    settings_refused([&](S& s) { s.engines[0] = value; }, "settings.engines[0]");
    settings_refused([&](S& s) { s.engines[3] = value; }, "settings.engines[3]");
  }
  for (const int32_t value : {kLowest, -1, 0, LEAF_MAX_THREADS + 1, kHighest}) {
    settings_refused([&](S& s) { s.threads = value; }, "settings.threads");
  }
  for (const int32_t value : {kLowest, -1, 0, LEAF_MAX_BATCH + 1, kHighest}) {
    settings_refused([&](S& s) { s.batch = value; }, "settings.batch");
  }
  for (const int32_t value : {kLowest, -1, LEAF_MAX_QUEUE + 1, kHighest}) {
    settings_refused([&](S& s) { s.queue = value; }, "settings.queue");
  }
  for (const int32_t value : {kLowest, -1, static_cast<int32_t>(LEAF_ISAS), kHighest}) {
    settings_refused([&](S& s) { s.isa = value; }, "settings.isa");
  }
  for (int32_t isa = 1; isa < LEAF_ISAS; ++isa) {
    if (leaf_isa_available(isa)) continue;
    settings_refused([&](S& s) { s.isa = isa; }, leaf_isa_name(isa), -ENOTSUP);
  }
  for (const int32_t value : {kLowest, -1, kHighest}) {
    settings_refused([&](S& s) { s.device = value; }, "settings.device");
  }
  for (const int32_t value : {kLowest, -1, 2, kHighest}) {
    settings_refused([&](S& s) { s.self_test = value; }, "settings.self_test");
  }
  for (const int32_t value : {kLowest, -2, 2, kHighest}) {
    settings_refused([&](S& s) { s.require_signature = value; }, "settings.require_signature");
  }
  settings_refused([](S& s) { s.require_signature = 1; }, "without a key");
  for (const int32_t value : {kLowest, -1, LEAF_MAX_KEYS + 1, kHighest}) {
    settings_refused([&](S& s) { s.keys = value, s.key = key; }, "settings.keys");
  }
  settings_refused([](S& s) { s.keys = 1; }, "settings.key is NULL");
  settings_refused([](S& s) { s.key = key; }, "nothing would be checked");
  settings_refused([](S& s) { s.allocator.allocate = some_allocate; }, "both or none");
  settings_refused([](S& s) { s.allocator.release = some_release; }, "both or none");
  settings_refused([](S& s) { s.reserved[0] = 1; }, "settings.reserved");
  settings_refused([](S& s) { s.reserved[15] = ~uint64_t{0}; }, "settings.reserved");
}

void settings_of_other_versions() {
  // An earlier version: what it does not know has garbage behind it, and keeps its defaults.
  leaf_settings early = default_settings();
  early.size = offsetof(leaf_settings, batch) / 8 * 8;
  early.batch = -7;
  early.queue = -7;
  early.reserved[3] = 7;
  leaf_context* context = nullptr;
  CHECK(open_level(&context, &early) == 0);
  leaf_close(context);
  // A later one: more fields at the end, unused or used.
  struct Later {
    leaf_settings known;
    uint64_t more[4];
  } later = {default_settings(), {}};
  later.known.size = sizeof later;
  CHECK(open_level(&context, &later.known) == 0);
  leaf_close(context);
  later.more[3] = uint64_t{1} << 63;
  CHECK(open_level(&context, &later.known) == -EINVAL && says("update the library"));
  CHECK(!context);
}

int input_cases = 0;

template <class Change>
void input_refused(leaf_context* context, Change&& change, const char* word, int code = -EINVAL,
                   bool planes_only = false) {
  const Grey good(40, 30, 7), bad(40, 30, 8);
  leaf_input inputs[2] = {good.input, bad.input};
  change(inputs[1]);
  leaf_score scores[2], before[2];
  memset(scores, 0x5a, sizeof scores);
  memcpy(before, scores, sizeof before);
  bool ok = CHECK(leaf_score_frames(context, inputs, 2, scores) == code && says(word)) &&
            CHECK(says("input 1")) && CHECK(memcmp(scores, before, sizeof scores) == 0);
  // Refused in submit already; nothing is in flight then.
  ok = CHECK(leaf_submit(context, &inputs[1], nullptr) == code && says(word)) && ok;
  ok = CHECK(leaf_poll(context, scores, -1) == 0) && ok;
  // Preparing does not look at the planes.
  ok = CHECK(leaf_prepare(context, inputs, 2) == (planes_only ? 0 : code)) && ok;
  if (!ok) fprintf(stderr, "input %d: expected '%s'\n", input_cases, word);
  ++input_cases;
}

void wrong_inputs() {
  using I = leaf_input;
  leaf_settings settings = default_settings();
  settings.batch = 2;
  settings.queue = 1;
  leaf_context* c = nullptr;
  if (!CHECK(open_level(&c, &settings) == 0)) return;
  const Grey grey(40, 30, 7);
  const leaf_input three[3] = {grey.input, grey.input, grey.input};
  leaf_score scores[3];
  for (const int count : {kLowest, -1, 0, 3, kHighest}) {
    CHECK(leaf_score_frames(c, three, count, scores) == -EINVAL && says("expected 1 to 2"));
    CHECK(leaf_prepare(c, three, count) == -EINVAL && says("expected 1 to 2"));
  }
  for (const int timeout : {kLowest, -2}) {
    CHECK(leaf_poll(c, scores, timeout) == -EINVAL && says("timeout_ms"));
  }
  for (const int32_t value : {kLowest, -1, static_cast<int32_t>(LEAF_PIXEL_FORMATS), kHighest}) {
    input_refused(c, [&](I& i) { i.frame.format = value; }, "pixel format");
  }
  for (const int32_t value : {kLowest, -1, 2, kHighest}) {
    input_refused(c, [&](I& i) { i.frame.range = value; }, "colour range");
  }
  for (const int32_t value : {kLowest, 0, 2, kHighest}) {
    input_refused(c, [&](I& i) { i.frame.matrix = value; }, "colour matrix");
  }
  for (const int32_t value : {kLowest, -1, 0, LEAF_MAX_DIMENSION + 1, kHighest}) {
    input_refused(c, [&](I& i) { i.frame.width = value; }, "expected 1 to 16384");
    input_refused(c, [&](I& i) { i.frame.height = value; }, "expected 1 to 16384");
  }
  input_refused(c, [](I& i) { i.frame.plane[0] = nullptr; }, "plane 0", -EINVAL, true);
  input_refused(c, [](I& i) { i.frame.pitch[0] = 39; }, "pitch", -EINVAL, true);
  for (const int64_t pitch : {INT64_MAX, int64_t{INT32_MAX} + 1, int64_t{-1}}) {
    input_refused(c, [&](I& i) { i.frame.pitch[0] = pitch; }, "pitch", -EINVAL, true);
  }
  input_refused(c, [](I& i) { i.frame.pitch[0] = INT64_MIN; }, "pitch", -EINVAL, true);
  for (const leaf_roi roi : {leaf_roi{0, 0, 41, 30}, leaf_roi{-1, 0, 5, 5}, leaf_roi{39, 0, 2, 5},
                             leaf_roi{0, 0, kHighest, kHighest}, leaf_roi{1, 1, 0, 0},
                             leaf_roi{kHighest, kHighest, kHighest, kHighest},
                             leaf_roi{kLowest, kLowest, kLowest, kLowest}}) {
    input_refused(c, [&](I& i) { i.frame.roi = roi; }, "region of interest");
  }
  for (const int32_t value : {kLowest, -1, static_cast<int32_t>(LEAF_MEMORIES), kHighest}) {
    input_refused(c, [&](I& i) { i.memory = value; }, "memory");
  }
  input_refused(c, [](I& i) { i.memory = LEAF_MEMORY_CUDA; }, "CUDA memory", -ENOTSUP);
  for (int k = 0; k < 4; ++k) {
    input_refused(c, [&](I& i) { i.reserved[k] = 1; }, "reserved");
  }
  leaf_input raw;
  leaf_default_input(&raw);
  CHECK(raw.capture_ns == LEAF_NO_TIME && raw.memory == LEAF_MEMORY_HOST);
  CHECK(leaf_score_frames(c, &raw, 1, scores) == -EINVAL);  // nothing is guessed
  leaf_close(c);
  // No queue.
  if (!CHECK(open_level(&c, nullptr) == 0)) return;
  CHECK(leaf_submit(c, &grey.input, nullptr) == -EINVAL && says("settings.queue"));
  CHECK(leaf_poll(c, scores, 0) == 0 && leaf_poll(c, scores, -1) == 0);
  CHECK(leaf_poll(c, scores, 10000) == 0);
  leaf_close(c);
}

}  // namespace

int main() {
  names();
  null_arguments();
  wrong_settings();
  settings_of_other_versions();
  wrong_inputs();
  return finish("arguments");
}
