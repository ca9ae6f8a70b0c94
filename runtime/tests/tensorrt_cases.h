// What the tests of the TensorRT engine share: a bundle with a plan, frames, and what the network
// of tensorrt_stub.cpp gives for them. For one program: it defines what it declares.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "../cuda/views_frame.h"
#include "bundle/sha256.h"
#include "cuda_host_driver.h"
#include "engine.h"
#include "engines/cuda_frame.h"
#include "engines/engine_fit.h"
#include "engines/tensorrt_library.h"
#include "engines/tensorrt_plan.h"
#include "error.h"
#include "views_frames.h"

using namespace leaf;
using leaf_test::Fill;
using leaf_test::Random;
using leaf_test::TestFrame;

namespace {

int failures = 0;
std::string warnings;

#define CHECK(condition)                                                               \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      printf("FAILED line %d: %s (%s)\n", __LINE__, #condition, leaf::last_message()); \
      ++failures;                                                                      \
    }                                                                                  \
  } while (0)

int64_t (*host_count)(int) = nullptr;
int (*stub_live)() = nullptr;

void keep_line(void*, int level, const char* line) {
  if (level <= LEAF_LOG_WARNING) warnings += std::string(line) + "\n";
}

// Gives out what operator new does, until `left` allocations are done.
class Counted : public std::pmr::memory_resource {
 public:
  int64_t left = INT64_MAX, live = 0, count = 0;

 private:
  void* do_allocate(size_t size, size_t alignment) override {
    if (left-- <= 0) throw std::bad_alloc();
    ++live;
    ++count;
    return ::operator new(size, std::align_val_t(alignment));
  }
  void do_deallocate(void* memory, size_t size, size_t alignment) override {
    --live;
    ::operator delete(memory, size, std::align_val_t(alignment));
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

struct Case {
  Counted memory;
  Bundle bundle{std::pmr::new_delete_resource()};
  leaf_settings settings = {};
  EnginePtr engine;

  explicit Case(const std::string& plan, int batch = 1) {
    settings.size = sizeof settings;
    settings.engines[0] = LEAF_ENGINE_TENSORRT;
    settings.threads = 1;
    settings.batch = batch;
    settings.logger.log = keep_line;
    bundle.trt.present = true;
    add(plan, "engines/a.plan", "sm87");
    warnings.clear();
  }
  void add(const std::string& plan, const char* path, const char* sm) {
    const int32_t version = installed();
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    EngineEntry entry(std::pmr::new_delete_resource());
    entry.file = path;
    entry.tensorrt = text;
    entry.sm = sm;
    entry.os = system_name();
    bundle.engines.push_back(entry);
    FileEntry file(std::pmr::new_delete_resource());
    file.path = path;
    file.bytes.assign(plan.begin(), plan.end());
    file.size = plan.size();
    sha256(file.bytes.data(), file.bytes.size(), file.sha256);
    bundle.files.push_back(file);
  }
  static int32_t installed() {
    TensorrtLibraries libraries;
    load_tensorrt(&libraries, nullptr, tensorrt_headers_major(), tensorrt_least_minor());
    return libraries.count ? libraries.number[0] : 0;
  }
  int open() { return open_tensorrt(&engine, {&bundle, &settings, &memory}); }
};

// What the network of the tests gives for these views, in the same order of operations.
RawOutput expected(const uint8_t* views) {
  constexpr int kView = 3 * 224 * 224;
  float mean[2];
  for (int view = 0; view < 2; ++view) {
    double sum = 0;
    for (int i = 0; i < kView; ++i) sum += views[view * kView + i];
    mean[view] = static_cast<float>(sum / kView / 255);
  }
  RawOutput out = {0.5f * mean[0] + 0.5f * mean[1], 0.05f, {}};
  out.faults[3] = 1 - mean[0];
  out.faults[4] = mean[0];
  return out;
}

bool same(const RawOutput& a, const RawOutput& b) { return memcmp(&a, &b, sizeof a) == 0; }

std::unique_ptr<uint8_t[]> views_of(const leaf_frame& frame) {
  std::unique_ptr<uint8_t[]> views(new uint8_t[LEAF_VIEWS_BYTES]);
  leaf_views* maker;
  if (leaf_views_open(&maker, LEAF_ISA_SCALAR) || leaf_views_run(maker, &frame, views.get())) {
    abort();
  }
  leaf_views_close(maker);
  return views;
}

leaf_input input_of(const TestFrame& frame) {
  leaf_input input = {};
  input.frame = frame.frame;
  return input;
}

std::unique_ptr<TestFrame> make_frame(int n, bool padded) {
  Random random(static_cast<uint64_t>(n) + 1);
  const int32_t padding[3] = {padded ? 7 : 0, padded ? 13 : 0, padded ? 1 : 0};
  auto frame =
      std::make_unique<TestFrame>(n % LEAF_PIXEL_FORMATS, 60 + n * 17 % 200, 50 + n * 29 % 150,
                                  padding, Fill::kRandom, false, random);
  if (n % 3 == 1) frame->frame.roi = {3, 5, 41, 37};
  return frame;
}

}  // namespace
