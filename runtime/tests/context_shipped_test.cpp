// A context with a shipped bundle and ONNX Runtime.
//   LEAF_ONNXRUNTIME=libonnxruntime.so context_shipped_test NAME.leaf
#include <cerrno>
#include <thread>

#include "context_tools.h"

#ifdef __SANITIZE_THREAD__
// ONNX Runtime is not compiled with it, so that its own locks are not all seen.
extern "C" const char* __tsan_default_suppressions() { return "race:libonnxruntime.so\n"; }
#endif

namespace {

using namespace leaf_test;

const char* bundle = nullptr;

// An NV12 frame with structure.
class Picture {
 public:
  Picture(int32_t width, int32_t height, uint32_t seed)
      : samples_(static_cast<size_t>(width) * static_cast<size_t>(height) * 2) {
    for (size_t i = 0; i < samples_.size(); ++i) {
      const auto x = static_cast<uint32_t>(i) % static_cast<uint32_t>(width);
      samples_[i] = static_cast<uint8_t>(16 + (x * seed / 7 + (i >> 9) * 3) % 219);
    }
    leaf_default_input(&input);
    input.frame.plane[0] = samples_.data();
    input.frame.plane[1] = samples_.data() + width * height;
    input.frame.pitch[0] = input.frame.pitch[1] = width;
    input.frame.width = width;
    input.frame.height = height;
    input.frame.format = LEAF_NV12;
    input.frame.matrix = LEAF_BT709;
    input.frame.range = LEAF_LIMITED;
    input.number = seed;
  }

  leaf_input input;

 private:
  std::vector<uint8_t> samples_;
};

bool same_quality(const leaf_score& one, const leaf_score& other) {
  return memcmp(&one.mos, &other.mos, offsetof(leaf_score, ticket)) == 0;
}

void opens_tests_itself_and_scores() {
  CountingAllocator allocator;
  leaf_settings settings = default_settings();
  settings.batch = 3;
  settings.queue = 5;
  settings.self_test = 1;
  settings.allocator = allocator.callbacks();
  leaf_context* context = nullptr;
  if (!CHECK(leaf_open(&context, bundle, &settings) == 0)) return;
  leaf_info info;
  CHECK(leaf_get_info(context, &info) == 0 && info.engine_code == LEAF_ENGINE_CPU);
  CHECK(strcmp(info.encoding, "cpu") == 0 && info.golden > 0 && info.isa != LEAF_ISA_AUTO);
  CHECK(strncmp(info.model, "leaf-", 5) == 0 && strcmp(info.scale, "acr5") == 0);
  printf("%s %s, schema %d, %s, coverage %g\n", info.model, info.version, info.schema, info.engine,
         info.coverage);
  double worst = -1;
  CHECK(leaf_self_test(context, &worst) == 0 && worst >= 0 && worst < 0.1);
  printf("self-test: largest difference %g MOS\n", worst);

  const Picture one(322, 180, 3), two(642, 361, 11), three(100, 333, 29);
  const leaf_input inputs[3] = {one.input, two.input, three.input};
  CHECK(leaf_prepare(context, inputs, 3) == 0);
  allocator.restart();
  leaf_score together[3], alone;
  CHECK(leaf_score_frames(context, inputs, 3, together) == 0);
  for (int i = 0; i < 3; ++i) {
    CHECK(together[i].mos >= 1 && together[i].mos <= 5);
    CHECK(together[i].mos_lo <= together[i].mos && together[i].mos <= together[i].mos_hi);
    CHECK(leaf_score_frames(context, &inputs[i], 1, &alone) == 0);
    CHECK(same_quality(alone, together[i]));
  }
  for (const leaf_input& input : inputs) CHECK(leaf_submit(context, &input, nullptr) == 0);
  for (const leaf_score& score : together) {
    CHECK(leaf_poll(context, &alone, -1) == 1 && alone.error == 0 && same_quality(alone, score));
  }
  CHECK(!same_quality(together[0], together[1]));
  for (int i = 0; i < 50; ++i) CHECK(leaf_score_frames(context, inputs, 1, together) == 0);
  CHECK(allocator.allocations() == 0);
  printf("allocated for batch 3, queue 5: %zu bytes in %zu blocks\n", allocator.live_bytes(),
         allocator.live());
  leaf_input cuda = one.input;
  cuda.memory = LEAF_MEMORY_CUDA;
  CHECK(leaf_score_frames(context, &cuda, 1, &alone) == -ENOTSUP && says("CUDA memory"));
  leaf_close(context);
  CHECK(allocator.live() == 0);
}

// Some of the many allocations of opening a bundle fail, the first ones each.
void allocations_fail() {
  CountingAllocator allocator;
  leaf_settings settings = default_settings();
  settings.queue = 2;
  settings.allocator = allocator.callbacks();
  const Picture picture(322, 180, 3);
  long tried = 0, n = 0;
  for (int error = -1; error; n += 1 + n / 6, ++tried) {
    allocator.restart();
    allocator.fail_at = n;
    leaf_context* context = nullptr;
    leaf_score score;
    error = leaf_open(&context, bundle, &settings);
    CHECK((error == 0) == (context != nullptr));
    if (!error) error = leaf_score_frames(context, &picture.input, 1, &score);
    CHECK(error == 0 || (error == -ENOMEM && says("out of memory")));
    leaf_close(context);
    CHECK(allocator.live() == 0);
  }
  CHECK(tried > 10);
  printf("open and first frame: %ld failing allocations tried, up to number %ld\n", tried - 1, n);
}

void skips_what_cannot_run() {
  struct Log {
    int skipped = 0;
    static void log(void* cookie, int level, const char* line) {
      if (level == LEAF_LOG_WARNING && strstr(line, "skipped"))
        ++static_cast<Log*>(cookie)->skipped;
      puts(line);
    }
  } log;
  leaf_settings settings = default_settings();
  settings.engines[0] = LEAF_ENGINE_TENSORRT;
  settings.engines[1] = LEAF_ENGINE_CPU;
  settings.tensorrt = "/nowhere/libnvinfer.so";
  settings.logger = {&Log::log, &log};
  leaf_context* context = nullptr;
  if (!CHECK(leaf_open(&context, bundle, &settings) == 0)) return;
  CHECK(log.skipped == 1);
  leaf_close(context);
  settings.engines[1] = LEAF_ENGINE_NONE;
  const int error = leaf_open(&context, bundle, &settings);
  CHECK(error <= LEAF_E_ENGINE_NONE && error >= LEAF_E_DEVICE_CUDA && !context);
  settings.engines[0] = LEAF_ENGINE_CPU;
  settings.onnxruntime = "/nowhere/libonnxruntime.so";
  CHECK(leaf_open(&context, bundle, &settings) == LEAF_E_DEVICE_NO_ONNXRUNTIME && !context);
}

void two_threads() {
  const auto run = [](leaf_score* score, uint32_t seed) {
    const Picture picture(322, 180, seed);
    for (int i = 0; i < 3; ++i) {
      leaf_context* context = nullptr;
      if (!CHECK(leaf_open(&context, bundle, nullptr) == 0)) return;
      for (int k = 0; k < 5; ++k) CHECK(leaf_score_frames(context, &picture.input, 1, score) == 0);
      leaf_close(context);
    }
  };
  leaf_score scores[4];
  run(&scores[0], 3);
  run(&scores[1], 11);
  std::thread one(run, &scores[2], 3), other(run, &scores[3], 11);
  one.join();
  other.join();
  CHECK(same_quality(scores[0], scores[2]) && same_quality(scores[1], scores[3]));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  bundle = argv[1];
  if (!getenv("LEAF_ONNXRUNTIME")) {
    puts("skipped: LEAF_ONNXRUNTIME names no libonnxruntime.so");
    return 77;
  }
  opens_tests_itself_and_scores();
  allocations_fail();
  skips_what_cannot_run();
  two_threads();
  return finish("shipped");
}
