// The ONNX Runtime engine by itself: what it refuses, and that a run depends on nothing but its
// views. Arguments: folder of a bundle, folder of networks that are no students (made by
// tests/runtime_c/test_onnxruntime_engine.py; may be left out). Without libonnxruntime: skipped.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "engine.h"
#include "error.h"

namespace {

int failures = 0;

#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      ++failures;                                                                       \
      printf("%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, leaf::last_message()); \
    }                                                                                   \
  } while (false)

std::pmr::memory_resource* heap() { return std::pmr::new_delete_resource(); }

// A bundle whose two encodings are the network in `bytes`.
struct Network {
  explicit Network(const std::string& bytes) : bundle(heap()) {
    bundle.cpu.present = bundle.trt.present = true;
    bundle.cpu.file = bundle.trt.file = "model.onnx";
    leaf::FileEntry file(heap());
    file.path = "model.onnx";
    file.bytes.assign(bytes.begin(), bytes.end());
    bundle.files.push_back(std::move(file));
  }
  leaf::Bundle bundle;
};

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

leaf_settings settings_of(int batch, int threads = 1) {
  leaf_settings settings;
  leaf_default_settings(&settings);
  settings.batch = batch;
  settings.threads = threads;
  return settings;
}

int open(leaf::EnginePtr* engine, const Network& network, const leaf_settings& settings,
         int code = LEAF_ENGINE_CPU) {
  return leaf::open_onnxruntime(engine, {&network.bundle, &settings, heap()}, code);
}

std::vector<uint8_t> make_views(int count, uint32_t state) {
  std::vector<uint8_t> views(static_cast<size_t>(count) * LEAF_VIEWS_BYTES);
  for (uint8_t& value : views) {
    value = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  }
  return views;
}

bool equal(const leaf::RawOutput& one, const leaf::RawOutput& other) {
  return memcmp(&one, &other, sizeof one) == 0;
}

void check_libraries(const Network& student) {
  leaf::EnginePtr engine;
  leaf_settings settings = settings_of(1);
  settings.onnxruntime = "/nowhere/libonnxruntime.so";
  CHECK(open(&engine, student, settings) == LEAF_E_DEVICE_NO_ONNXRUNTIME);
  CHECK(strstr(leaf::last_message(), "/nowhere/libonnxruntime.so"));
  settings.onnxruntime = "libm.so.6";
  CHECK(open(&engine, student, settings) == LEAF_E_DEVICE_NO_ONNXRUNTIME);
  CHECK(strstr(leaf::last_message(), "OrtGetApiBase"));
  CHECK(!engine);
}

void check_bundles(const Network& student) {
  leaf::EnginePtr engine;
  const leaf_settings settings = settings_of(1);
  Network lacks(std::string("x"));
  lacks.bundle.cpu.present = false;
  CHECK(open(&engine, lacks, settings) == LEAF_E_BUNDLE_ENCODING);
  lacks.bundle.cpu.present = true;
  lacks.bundle.cpu.file = "other.onnx";
  CHECK(open(&engine, lacks, settings) == LEAF_E_BUNDLE_FILES);
  const auto& bytes = *student.bundle.file("model.onnx");
  for (const std::string& bad : {std::string(), std::string("not a network"),
                                 std::string(bytes.begin(), bytes.begin() + 5000)}) {
    CHECK(open(&engine, Network(bad), settings) == LEAF_E_BUNDLE_MODEL);
  }
  CHECK(!engine);
}

// The same but for the last bits of a float: ONNX Runtime sums the last layers in another order
// where frames come in batches of another size.
bool close(const leaf::RawOutput& one, const leaf::RawOutput& other) {
  bool good =
      std::fabs(one.mos - other.mos) < 1e-5f && std::fabs(one.spread - other.spread) < 1e-5f;
  for (int fault = 0; fault < LEAF_FAULTS; ++fault) {
    good = good && std::fabs(one.faults[fault] - other.faults[fault]) < 1e-5f;
  }
  return good;
}

// Same views, same outputs: in any place of any batch; and the same bits from any memory, on any
// engine, with any threads.
void check_runs(const Network& student) {
  constexpr int kBatch = 5;
  const std::vector<uint8_t> views = make_views(kBatch, 1);
  leaf::RawOutput alone[kBatch], outputs[kBatch];
  leaf::EnginePtr engine;
  CHECK(open(&engine, student, settings_of(kBatch)) == 0);
  if (!engine) return;
  CHECK(engine->code() == LEAF_ENGINE_CPU && !engine->trt_encoding() && !engine->takes_frames());
  CHECK(strstr(engine->description(), "CPUExecutionProvider"));
  for (int at = 0; at < kBatch; ++at) {
    CHECK(engine->run_views(views.data() + at * LEAF_VIEWS_BYTES, 1, &alone[at]) == 0);
    CHECK(std::isfinite(alone[at].mos) && alone[at].spread > 0);
    CHECK(at == 0 || !equal(alone[at], alone[0]));
  }
  for (int count = kBatch; count > 0; --count) {
    memset(outputs, 0, sizeof outputs);
    CHECK(engine->run_views(views.data(), count, outputs) == 0);
    for (int at = 0; at < count; ++at) CHECK(close(outputs[at], alone[at]));
    const std::vector<uint8_t> elsewhere(views);
    leaf::RawOutput again[kBatch];
    CHECK(engine->run_views(elsewhere.data(), count, again) == 0);
    for (int at = 0; at < count; ++at) CHECK(equal(again[at], outputs[at]));
    if (count == kBatch) continue;
    CHECK(engine->run_views(views.data() + LEAF_VIEWS_BYTES, count, outputs) == 0);
    for (int at = 0; at < count; ++at) CHECK(close(outputs[at], alone[at + 1]));
  }
  memset(outputs, 7, sizeof outputs);
  const leaf::RawOutput before = outputs[0];
  CHECK(engine->run_views(views.data(), 0, outputs) < 0);
  CHECK(engine->run_views(views.data(), kBatch + 1, outputs) < 0);
  CHECK(engine->run_views(nullptr, 1, outputs) < 0);
  CHECK(equal(outputs[0], before));

  // Two engines on two threads, one of which spreads its work.
  CHECK(engine->run_views(views.data(), kBatch, outputs) == 0);
  std::vector<std::thread> threads;
  leaf::RawOutput found[2][kBatch];
  bool good[2] = {false, false};
  for (int which = 0; which < 2; ++which) {
    threads.emplace_back([&, which] {
      leaf::EnginePtr mine;
      good[which] = open(&mine, student, settings_of(kBatch, 1 + which)) == 0 &&
                    mine->run_views(views.data(), kBatch, found[which]) == 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int which = 0; which < 2; ++which) {
    CHECK(good[which]);
    for (int at = 0; good[which] && at < kBatch; ++at) CHECK(equal(found[which][at], outputs[at]));
  }
}

void check_cuda(const Network& student) {
  leaf::EnginePtr engine;
  const int error = open(&engine, student, settings_of(1), LEAF_ENGINE_CUDA);
  CHECK(error == 0 || error == LEAF_E_DEVICE_NO_PROVIDER);
  CHECK((error == 0) == (engine != nullptr));
  if (engine) CHECK(engine->trt_encoding() && engine->code() == LEAF_ENGINE_CUDA);
  // A network that no provider takes is the network's fault, where the provider is there.
  const int broken = open(&engine, Network("broken"), settings_of(1), LEAF_ENGINE_CUDA);
  CHECK(broken == LEAF_E_BUNDLE_MODEL || broken == LEAF_E_DEVICE_NO_PROVIDER);
}

// Files NAME.onnx with what is said of them in NAME.txt; those whose text begins with `run` open.
void check_networks(const std::string& folder) {
  std::ifstream list(folder + "/list.txt");
  std::string name;
  int count = 0;
  while (std::getline(list, name)) {
    ++count;
    const Network network(read(folder + "/" + name + ".onnx"));
    std::string wanted = read(folder + "/" + name + ".txt");
    const bool runs = wanted.compare(0, 4, "run ") == 0;
    if (runs) wanted.erase(0, 4);
    leaf::EnginePtr engine;
    int error = open(&engine, network, settings_of(2));
    if (runs) {
      CHECK(error == 0);
      if (error) continue;
      leaf::RawOutput outputs[2] = {};
      error = engine->run_views(make_views(2, 3).data(), 2, outputs);
      CHECK(outputs[0].mos == 0);
    }
    CHECK(error == LEAF_E_BUNDLE_MODEL);
    const bool said = strstr(leaf::last_message(), wanted.c_str()) != nullptr;
    if (!said) printf("%s: expected '%s'\n", name.c_str(), wanted.c_str());
    CHECK(said);
  }
  CHECK(count > 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    puts("usage: onnxruntime_test BUNDLE_FOLDER [NETWORKS_FOLDER]");
    return 2;
  }
  const Network student(read(std::string(argv[1]) + "/model.cpu.onnx"));
  leaf::EnginePtr engine;
  const leaf_settings settings = settings_of(1);
  if (open(&engine, student, settings) == LEAF_E_DEVICE_NO_ONNXRUNTIME) {
    printf("skipped: %s\n", leaf::last_message());
    return 77;
  }
  engine.reset();
  if (argc > 2) {
    check_networks(argv[2]);
  } else {
    check_libraries(student);
    check_bundles(student);
    check_runs(student);
    check_cuda(student);
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
