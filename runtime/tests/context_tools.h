// What the tests of contexts share: an engine whose scores follow from the frame's grey level, a
// bundle for it, an allocator that counts and fails, and frames.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "api/context.h"
#include "error.h"
#include "leaf_edge/leaf.h"

namespace leaf_test {

inline std::atomic<int> failures{0};

inline bool check(bool passed, const char* what, const char* file, int line) {
  if (!passed) {
    fprintf(stderr, "%s:%d: failed: %s; last message: %s\n", file, line, what, leaf_last_message());
    ++failures;
  }
  return passed;
}
#define CHECK(condition) leaf_test::check((condition), #condition, __FILE__, __LINE__)

inline int finish(const char* name) {
  if (failures == 0) printf("%s: all checks passed\n", name);
  return failures == 0 ? 0 : 1;
}

inline bool says(const char* word) { return strstr(leaf_last_message(), word) != nullptr; }

// How engines of this process behave; tests of one thread change it, atomics while others run.
struct Behaviour {
  int open_error = 0;             // of opening an engine
  bool takes_frames = false;      // the engine makes the views itself
  bool trt = false;               // encoding
  int engine = LEAF_ENGINE_CPU;   // what it says that it is
  std::atomic<int> refuse{-1};    // a batch with a frame of this grey level fails
  std::atomic<bool> hold{false};  // runs wait while this is set
  std::atomic<int> runs{0}, largest{0}, inside{0};
};
inline Behaviour behaviour;

// Raw quality of a frame is its grey level / 255; under-exposure what lacks to white.
class LevelEngine : public leaf::Engine {
 public:
  int code() const override { return behaviour.engine; }
  const char* description() const override { return "grey level"; }
  bool trt_encoding() const override { return behaviour.trt; }
  bool takes_frames() const override { return behaviour.takes_frames; }

  int run_views(const uint8_t* views, int count, leaf::RawOutput* outputs) override {
    uint8_t levels[LEAF_MAX_BATCH];
    for (int i = 0; i < count; ++i) levels[i] = views[size_t{LEAF_VIEWS_BYTES} * i + 1000];
    return run(levels, count, outputs);
  }

  int run_frames(const leaf_input* inputs, int count, leaf::RawOutput* outputs,
                 leaf::RunTimes* times) override {
    uint8_t levels[LEAF_MAX_BATCH];
    for (int i = 0; i < count; ++i) {
      levels[i] = *static_cast<const uint8_t*>(inputs[i].frame.plane[0]);
    }
    times->inference = 1000;
    return run(levels, count, outputs);
  }

 private:
  int run(const uint8_t* levels, int count, leaf::RawOutput* outputs) {
    if (inside_.exchange(true)) abort();  // one thread at a time
    ++behaviour.inside;
    ++behaviour.runs;
    if (count > behaviour.largest) behaviour.largest = count;
    while (behaviour.hold) {
      const timespec moment = {0, 200000};
      nanosleep(&moment, nullptr);
    }
    --behaviour.inside;
    inside_ = false;
    for (int i = 0; i < count; ++i) {
      if (levels[i] == behaviour.refuse) {
        return leaf::fail(LEAF_E_BUNDLE_MODEL, "level %d is refused", levels[i]);
      }
    }
    for (int i = 0; i < count; ++i) {
      const float level = static_cast<float>(levels[i]) / 255.0f;
      outputs[i] = {};
      outputs[i].mos = level;
      outputs[i].spread = 0.05f;
      outputs[i].faults[LEAF_UNDER_EXPOSURE] = 1.0f - level;
    }
    return 0;
  }

  std::atomic<bool> inside_{false};
};

inline int open_level_engine(leaf::EnginePtr* engine, const leaf::EngineRequest& request) {
  if (behaviour.open_error) return leaf::fail(behaviour.open_error, "told not to open");
  void* room = request.memory->allocate(sizeof(LevelEngine), alignof(LevelEngine));
  *engine = leaf::EnginePtr(
      new (room) LevelEngine,
      leaf::Delete<leaf::Engine>{request.memory, sizeof(LevelEngine), alignof(LevelEngine)});
  return 0;
}

// A bundle with the straight curve and two golden frames of grey levels 51 and 204.
inline int load_level_bundle(leaf::Bundle& bundle, const char* path, const leaf::KeyPolicy&) {
  if (!*path) return leaf::fail(LEAF_E_BUNDLE_NOT_FOUND, "there is nothing");
  std::pmr::memory_resource* memory = bundle.name.get_allocator().resource();
  bundle.schema = 2;
  bundle.scale_version = 1;
  bundle.name = "grey-levels-of-a-name-that-is-allocated";
  bundle.version = "1.2.3";
  bundle.scale = "acr5";
  bundle.reason_threshold = 0.5;
  bundle.golden_mos_tolerance = 0.01;
  bundle.golden_fault_tolerance = 0.01;
  for (leaf::EncodingEntry* entry : {&bundle.cpu, &bundle.trt}) {
    entry->present = true;
    entry->file = "model.cpu.onnx";
    entry->calibration.raw = {0.0, 1.0};
    entry->calibration.mos = {1.0, 5.0};
    entry->calibration.coverage = 0.9;
    entry->calibration.quantile = 2;
    entry->calibration.floor = 0.1;
  }
  for (const int level : {51, 204}) {
    leaf::GoldenEntry golden(memory);
    leaf::FileEntry file(memory);
    char name[32];
    snprintf(name, sizeof name, "golden/%d.gray8.raw", level);
    golden.file = name;
    golden.format = LEAF_GRAY8;
    golden.width = 20;
    golden.height = 10;
    golden.cpu.raw = golden.trt.raw = level / 255.0;
    golden.cpu.mos = golden.trt.mos = 1 + 4 * golden.cpu.raw;
    golden.cpu.faults[LEAF_UNDER_EXPOSURE] = golden.trt.faults[LEAF_UNDER_EXPOSURE] =
        1 - golden.cpu.raw;
    file.path = golden.file;
    file.bytes.assign(200, static_cast<uint8_t>(level));
    file.size = file.bytes.size();
    bundle.golden.push_back(std::move(golden));
    bundle.files.push_back(std::move(file));
  }
  leaf::FileEntry network(memory);
  network.path = "model.cpu.onnx";
  network.bytes.assign(100000, 1);
  bundle.files.push_back(std::move(network));
  return 0;
}

// leaf_open with the engine above, "" being no bundle.
inline int open_level(leaf_context** context, const leaf_settings* settings,
                      const char* path = "level.leaf") {
  *context = nullptr;
  try {
    return leaf::open_context(context, path, settings, {load_level_bundle, open_level_engine});
  } catch (const std::bad_alloc&) {
    return leaf::fail(-ENOMEM, "out of memory");
  }
}

// Counts what is out, checks what comes back, and fails the allocation numbered `fail_at`.
class CountingAllocator {
 public:
  long fail_at = -1;

  leaf_allocator callbacks() { return {&allocate, &release, this}; }
  long allocations() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return allocations_;
  }
  size_t live() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return live_.size();
  }
  size_t live_bytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    size_t bytes = 0;
    for (const Block& block : live_) bytes += block.size;
    return bytes;
  }
  void restart() {
    const std::lock_guard<std::mutex> lock(mutex_);
    allocations_ = 0;
  }

 private:
  struct Block {
    void* memory;
    size_t size, alignment;
  };

  static void* allocate(void* cookie, size_t size, size_t alignment) {
    auto& self = *static_cast<CountingAllocator*>(cookie);
    const std::lock_guard<std::mutex> lock(self.mutex_);
    CHECK(alignment > 0 && alignment <= 64 && (alignment & (alignment - 1)) == 0);
    if (self.allocations_++ == self.fail_at) return nullptr;
    void* memory = nullptr;
    if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), size)) return nullptr;
    self.live_.push_back({memory, size, alignment});
    return memory;
  }
  static void release(void* cookie, void* memory, size_t size, size_t alignment) {
    auto& self = *static_cast<CountingAllocator*>(cookie);
    const std::lock_guard<std::mutex> lock(self.mutex_);
    for (Block& block : self.live_) {
      if (block.memory != memory) continue;
      CHECK(block.size == size && block.alignment == alignment);
      block = self.live_.back();
      self.live_.pop_back();
      std::free(memory);
      return;
    }
    CHECK(!"a block that was not given comes back");
  }

  std::mutex mutex_;
  long allocations_ = 0;
  std::vector<Block> live_;
};

// A grey frame of one level.
class Grey {
 public:
  Grey(int32_t width, int32_t height, int level)
      : samples_(static_cast<size_t>(width) * static_cast<size_t>(height),
                 static_cast<uint8_t>(level)) {
    leaf_default_input(&input);
    input.frame.plane[0] = samples_.data();
    input.frame.pitch[0] = width;
    input.frame.width = width;
    input.frame.height = height;
    input.frame.format = LEAF_GRAY8;
    input.frame.range = LEAF_FULL;
    input.number = level;
  }

  leaf_input input;

 private:
  std::vector<uint8_t> samples_;
};

inline leaf_settings default_settings() {
  leaf_settings settings;
  leaf_default_settings(&settings);
  return settings;
}

// Whether a score is that of this level.
inline bool is_of(const leaf_score& score, int level) {
  const double wanted = 1 + 4 * (level / 255.0);
  return score.error == 0 && score.number == level && score.mos > wanted - 0.001 &&
         score.mos < wanted + 0.001;
}

}  // namespace leaf_test
