// A context on one thread: scores, batches, tables, info, timings, the self-test, the choice of the
// engine, the logger.
#include <cerrno>
#include <cmath>

#include "context_tools.h"

namespace {

using namespace leaf_test;

struct Lines {
  std::vector<std::string> lines;
  static void log(void* cookie, int level, const char* line) {
    static_cast<Lines*>(cookie)->lines.push_back(std::to_string(level) + " " + line);
  }
  bool have(const char* word) const {
    for (const std::string& line : lines) {
      if (line.find(word) != std::string::npos) return true;
    }
    return false;
  }
};

void score_of_a_frame() {
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, nullptr) == 0)) return;
  Grey grey(64, 48, 51);
  grey.input.number = -5;
  grey.input.camera = 3;
  grey.input.capture_ns = 123456789;
  leaf_score score;
  memset(&score, 0x5a, sizeof score);
  CHECK(leaf_score_frames(context, &grey.input, 1, &score) == 0);
  CHECK(score.number == -5 && score.camera == 3 && score.capture_ns == 123456789);
  CHECK(std::fabs(score.mos - 1.8) < 1e-9 && std::fabs(score.raw - 0.2) < 1e-9);
  CHECK(std::fabs(score.mos_lo - 1.4) < 1e-9 && std::fabs(score.mos_hi - 2.2) < 1e-9);
  CHECK(score.reason == LEAF_UNDER_EXPOSURE);
  CHECK(std::fabs(score.faults[LEAF_UNDER_EXPOSURE] - 0.8) < 1e-9);
  CHECK(score.ticket == 0 && score.error == 0 && score.unused == 0 && score.queue_ns == 0);
  for (const uint64_t word : score.reserved) CHECK(word == 0);
  CHECK(score.views_ns > 0 && score.inference_ns >= 0 && score.mapping_ns >= 0);
  leaf_close(context);
}

// Cameras of more geometries than are kept, in changing places of a batch.
void cameras_of_many_geometries() {
  leaf_settings settings = default_settings();
  settings.batch = 5;
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  std::vector<Grey> cameras;
  for (int i = 0; i < 11; ++i) cameras.emplace_back(16 + 3 * i, 200 - 7 * i, 20 * i);
  for (int round = 0; round < 40; ++round) {
    const int count = 1 + round % 5;
    leaf_input inputs[5];
    leaf_score scores[5];
    for (int i = 0; i < count; ++i) {
      inputs[i] = cameras[static_cast<size_t>((round * 3 + i * 4) % 11)].input;
    }
    CHECK(leaf_score_frames(context, inputs, count, scores) == 0);
    for (int i = 0; i < count; ++i) CHECK(is_of(scores[i], static_cast<int>(inputs[i].number)));
  }
  leaf_close(context);
}

void failing_engine() {
  leaf_settings settings = default_settings();
  settings.batch = 2;
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  const Grey good(32, 32, 10), bad(32, 32, 13);
  const leaf_input inputs[2] = {good.input, bad.input};
  leaf_score scores[2], before[2];
  memset(scores, 0x5a, sizeof scores);
  memcpy(before, scores, sizeof before);
  behaviour.refuse = 13;
  CHECK(leaf_score_frames(context, inputs, 2, scores) == LEAF_E_BUNDLE_MODEL);
  CHECK(says("level 13 is refused") && memcmp(scores, before, sizeof scores) == 0);
  behaviour.refuse = -1;
  CHECK(leaf_score_frames(context, inputs, 2, scores) == 0 && is_of(scores[1], 13));
  leaf_close(context);
}

void info_and_timings() {
  Lines lines;
  leaf_settings settings = default_settings();
  settings.batch = 3;
  settings.isa = LEAF_ISA_SCALAR;
  settings.logger = {&Lines::log, &lines};
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  CHECK(lines.have("grey level") && lines.have("1.2.3"));
  leaf_info info;
  memset(&info, 0x5a, sizeof info);
  CHECK(leaf_get_info(context, &info) == 0);
  CHECK(strcmp(info.model, "grey-levels-of-a-name-that-is-allocated") == 0);
  CHECK(strcmp(info.version, "1.2.3") == 0 && strcmp(info.scale, "acr5") == 0);
  CHECK(strcmp(info.encoding, "cpu") == 0 && strcmp(info.engine, "grey level") == 0);
  CHECK(info.key_id[0] == '\0' && info.schema == 2 && info.scale_version == 1);
  CHECK(info.engine_code == LEAF_ENGINE_CPU && info.isa == LEAF_ISA_SCALAR);
  CHECK(info.golden == 2 && info.not_accepted == 0);
  CHECK(std::fabs(info.coverage - 0.9) < 1e-12 && std::fabs(info.reason_threshold - 0.5) < 1e-12);
  for (const uint64_t word : info.reserved) CHECK(word == 0);

  leaf_timings timings;
  CHECK(leaf_get_timings(context, &timings) == 0 && timings.views.count == 0);
  CHECK(timings.views.min_ns == 0 && timings.inference.max_ns == 0);
  const Grey grey(50, 40, 5);
  const leaf_input inputs[3] = {grey.input, grey.input, grey.input};
  leaf_score scores[3];
  CHECK(leaf_score_frames(context, inputs, 3, scores) == 0);
  CHECK(leaf_score_frames(context, inputs, 2, scores) == 0);
  CHECK(leaf_self_test(context, nullptr) == 0);  // counts in no timing
  CHECK(leaf_get_timings(context, &timings) == 0);
  CHECK(timings.views.count == 5 && timings.mapping.count == 5 && timings.queue.count == 0);
  CHECK(timings.inference.count == 2);
  CHECK(0 < timings.views.min_ns && timings.views.min_ns <= timings.views.max_ns);
  CHECK(timings.views.sum_ns >= 5 * timings.views.min_ns);
  CHECK(timings.views.sum_ns <= 5 * timings.views.max_ns);
  leaf_reset_timings(context);
  CHECK(leaf_get_timings(context, &timings) == 0 && timings.inference.count == 0);
  leaf_close(context);
}

void self_test() {
  for (const bool takes_frames : {false, true}) {
    behaviour.takes_frames = takes_frames;
    leaf_settings settings = default_settings();
    settings.self_test = 1;
    leaf_context* context = nullptr;
    if (!CHECK(open_level(&context, &settings) == 0)) return;
    double worst = -1;
    CHECK(leaf_self_test(context, &worst) == 0 && worst >= 0 && worst < 1e-3);
    leaf_info info;
    CHECK(leaf_get_info(context, &info) == 0 && (info.isa == LEAF_ISA_AUTO) == takes_frames);
    context->bundle.golden[1].cpu.mos += 0.5;
    CHECK(leaf_self_test(context, &worst) == LEAF_E_BUNDLE_SELF_TEST && says("204.gray8.raw"));
    CHECK(says("expected 4.7") && std::fabs(worst - 0.5) < 1e-3);
    context->bundle.golden[1].cpu.mos -= 0.5;
    context->bundle.golden[0].cpu.faults[LEAF_NOISE] = 0.02;
    CHECK(leaf_self_test(context, nullptr) == LEAF_E_BUNDLE_SELF_TEST && says("has noise"));
    context->bundle.golden[0].cpu.faults[LEAF_NOISE] = NAN;
    CHECK(leaf_self_test(context, nullptr) == LEAF_E_BUNDLE_SELF_TEST);
    context->bundle.golden[0].width = 19;
    CHECK(leaf_self_test(context, nullptr) == LEAF_E_BUNDLE_MANIFEST);
    context->bundle.golden.clear();
    CHECK(leaf_self_test(context, &worst) == LEAF_E_BUNDLE_SELF_TEST && says("no golden frames"));
    leaf_close(context);
    behaviour.refuse = 204;
    CHECK(open_level(&context, &settings) == LEAF_E_BUNDLE_MODEL && !context);
    behaviour.refuse = -1;
  }
  behaviour.takes_frames = false;
  // The encoding that runs is the one whose golden scores count.
  leaf_context* context = nullptr;
  behaviour.trt = true;
  if (!CHECK(open_level(&context, nullptr) == 0)) return;
  context->bundle.golden[0].cpu.mos = 5;
  CHECK(leaf_self_test(context, nullptr) == 0);
  context->bundle.golden[0].trt.mos = 5;
  CHECK(leaf_self_test(context, nullptr) == LEAF_E_BUNDLE_SELF_TEST);
  leaf_info info;
  CHECK(leaf_get_info(context, &info) == 0 && strcmp(info.encoding, "trt") == 0);
  leaf_close(context);
  // An engine that rounds to float16 may be further off (leaf_edge/runtime/tolerance.py).
  behaviour.engine = LEAF_ENGINE_TENSORRT;
  if (!CHECK(open_level(&context, nullptr) == 0)) return;
  const double mos = context->bundle.golden[0].trt.mos;
  context->bundle.golden[0].trt.mos = mos > 3 ? mos - 0.14 : mos + 0.14;
  CHECK(leaf_self_test(context, nullptr) == 0);
  context->bundle.golden[0].trt.mos = mos > 3 ? mos - 0.16 : mos + 0.16;
  CHECK(leaf_self_test(context, nullptr) == LEAF_E_BUNDLE_SELF_TEST && says("within 0.15"));
  leaf_close(context);
  behaviour.engine = LEAF_ENGINE_CPU;
  behaviour.trt = false;
}

// An engine that makes the views itself gets the frames, CUDA memory too, and no views are kept.
void engine_that_takes_frames() {
  CountingAllocator allocator;
  leaf_settings settings = default_settings();
  settings.batch = 4;
  settings.allocator = allocator.callbacks();
  behaviour.takes_frames = true;
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  CHECK(allocator.live_bytes() < LEAF_VIEWS_BYTES);
  Grey grey(50, 40, 99);
  grey.input.memory = LEAF_MEMORY_CUDA;
  leaf_score score;
  CHECK(leaf_prepare(context, &grey.input, 1) == 0);
  CHECK(leaf_score_frames(context, &grey.input, 1, &score) == 0 && is_of(score, 99));
  CHECK(score.views_ns == 0 && score.inference_ns == 1000);
  leaf_close(context);
  behaviour.takes_frames = false;
}

void refused_bundle_and_engine() {
  leaf_context* context = nullptr;
  CHECK(open_level(&context, nullptr, "") == LEAF_E_BUNDLE_NOT_FOUND && !context);
  behaviour.open_error = LEAF_E_ENGINE_SM;
  CHECK(open_level(&context, nullptr) == LEAF_E_ENGINE_SM && says("told not to open"));
  CHECK(!context);
  behaviour.open_error = 0;
}

// Real engines whose libraries are not there: each is logged, the first one's reason comes back.
void no_engine_runs() {
  Lines lines;
  leaf_settings settings = default_settings();
  settings.onnxruntime = "/nowhere/libonnxruntime.so";
  settings.tensorrt = "/nowhere/libnvinfer.so";
  settings.engines[0] = LEAF_ENGINE_CUDA;
  settings.engines[1] = LEAF_ENGINE_TENSORRT;
  settings.engines[2] = LEAF_ENGINE_CPU;
  settings.logger = {&Lines::log, &lines};
  leaf_context* context = nullptr;
  const leaf::Source source = {load_level_bundle, leaf::open_engine};
  const int error = leaf::open_context(&context, "x", &settings, source);
  CHECK(error == LEAF_E_DEVICE_NO_ONNXRUNTIME && !context);
  CHECK(lines.lines.size() == 3);
  for (const char* name : {"engine cuda is skipped", "engine tensorrt is skipped",
                           "engine cpu is skipped", "LEAF_E_DEVICE_NO_ONNXRUNTIME"}) {
    CHECK(lines.have(name));
  }
}

}  // namespace

int main() {
  score_of_a_frame();
  cameras_of_many_geometries();
  failing_engine();
  info_and_timings();
  self_test();
  engine_that_takes_frames();
  refused_bundle_and_engine();
  no_engine_runs();
  return finish("scores");
}
