// The TensorRT engine end to end, over a driver whose device is this processor
// (cuda_host_driver.cpp) and a TensorRT whose network is plain C++ (tensorrt_stub.cpp): both are to
// be found as libcuda.so.1 and libnvinfer.so.N. Returns 77 where they are not.
#include <dlfcn.h>

#include <cerrno>

#include "tensorrt_cases.h"

namespace {

void check_batches(int batch, int count, const char* plan) {
  Case c(plan, batch);
  CHECK(c.open() == 0);
  if (!c.engine) return;
  CHECK(c.engine->takes_frames() && c.engine->trt_encoding());
  CHECK(c.engine->code() == LEAF_ENGINE_TENSORRT && warnings.empty());
  for (int round = 0; round < 3; ++round) {
    std::unique_ptr<TestFrame> frames[LEAF_MAX_BATCH];
    leaf_input inputs[LEAF_MAX_BATCH];
    RawOutput outputs[LEAF_MAX_BATCH];
    for (int i = 0; i < count; ++i) {
      frames[i] = make_frame(round * count + i, i % 2);
      inputs[i] = input_of(*frames[i]);
    }
    RunTimes times;
    const int64_t captures = host_count(leaf_test::kCaptures);
    CHECK(c.engine->run_frames(inputs, count, outputs, &times) == 0);
    CHECK(times.inference > 0 && times.views == 0);
    CHECK(host_count(leaf_test::kCaptures) == captures);  // a geometry is nothing to a graph
    for (int i = 0; i < count; ++i) {
      CHECK(same(outputs[i], expected(views_of(inputs[i].frame).get())));
    }
  }
  // Views that are already made.
  auto views = views_of(make_frame(5, false)->frame);
  RawOutput output;
  CHECK(c.engine->run_views(views.get(), 1, &output) == 0);
  CHECK(same(output, expected(views.get())));
}

void check_memory() {
  Case c("1-4", 4);
  CHECK(c.open() == 0);
  const auto large = make_frame(20, true);
  leaf_input inputs[4] = {};
  for (leaf_input& input : inputs) {
    input = input_of(*large);
    input.frame.plane[0] = input.frame.plane[1] = input.frame.plane[2] = nullptr;
  }
  CHECK(c.engine->prepare(inputs, 4) == 0);
  const int64_t allocations = host_count(leaf_test::kAllocations), ours = c.memory.count;
  RawOutput outputs[4];
  RunTimes times;
  for (int n = 0; n < 60; ++n) {
    const auto frame = make_frame(n % 21, n % 2);
    if (cuda::stage_layout(frame->frame).size > cuda::stage_layout(large->frame).size) continue;
    for (leaf_input& input : inputs) input = input_of(*frame);
    CHECK(c.engine->run_frames(inputs, 1 + n % 4, outputs, &times) == 0);
  }
  CHECK(host_count(leaf_test::kAllocations) == allocations && c.memory.count == ours);
}

void check_device_memory() {
  // Memory of the device's is read where it is; the driver of the tests says what is allowed.
  Case c("1-2", 2);
  CHECK(c.open() == 0);
  const auto frame = make_frame(0, true);
  const char* reason;
  const cuda::Driver& driver = *cuda::load_driver(&reason);
  cuda::Handle context;
  driver.PrimaryCtxRetain(&context, 0);
  const cuda::Current current(driver, context);
  leaf_input input = input_of(*frame);
  input.memory = LEAF_MEMORY_CUDA;
  cuda::Address memory[2];
  for (int p = 0; p < 2; ++p) {
    int32_t rows, row_bytes;
    leaf_plane_size(input.frame.format, p, input.frame.width, input.frame.height, &rows,
                    &row_bytes);
    const auto size = static_cast<size_t>(input.frame.pitch[p] * (rows - 1) + row_bytes);
    driver.MemAlloc(&memory[p], size);
    memcpy(reinterpret_cast<void*>(memory[p]), input.frame.plane[p], size);
    input.frame.plane[p] = reinterpret_cast<void*>(memory[p]);
  }
  const int64_t uploads = host_count(leaf_test::kUploads);
  RawOutput output;
  RunTimes times;
  CHECK(c.engine->run_frames(&input, 1, &output, &times) == 0);
  CHECK(same(output, expected(views_of(frame->frame).get())));
  CHECK(host_count(leaf_test::kUploads) == uploads + 1);  // what the frame is, and nothing else
  // Memory that is not the device's: an error of the call, and the next frame is scored.
  leaf_input wrong = input_of(*frame);
  wrong.memory = LEAF_MEMORY_CUDA;
  const int64_t bad = host_count(leaf_test::kBadAddresses);
  CHECK(c.engine->run_frames(&wrong, 1, &output, &times) == LEAF_E_DEVICE_CUDA);
  CHECK(std::string(last_message()).find("CUDA_ERROR_ILLEGAL_ADDRESS") != std::string::npos);
  CHECK(host_count(leaf_test::kBadAddresses) == bad + 1);
  CHECK(c.engine->run_frames(&input, 1, &output, &times) == 0);
  input.memory = LEAF_MEMORY_CUDA_ARRAY;
  CHECK(c.engine->run_frames(&input, 1, &output, &times) == -ENOTSUP);
  for (const cuda::Address address : memory) driver.MemFree(address);
  driver.PrimaryCtxRelease(0);
}

// As cuda/views_host.cpp has it in the place of an array.
struct HostSurface {
  const void* data;
  int64_t pitch;
  int32_t row_bytes, rows;
};

void check_integrated() {
  setenv("LEAF_HOST_INTEGRATED", "1", 1);
  {
    Case c("1-2", 2);
    CHECK(c.open() == 0);
    const int64_t uploads = host_count(leaf_test::kUploads);
    std::unique_ptr<TestFrame> frames[2] = {make_frame(0, true), make_frame(10, true)};
    leaf_input inputs[2] = {input_of(*frames[0]), input_of(*frames[1])};
    RawOutput outputs[2];
    RunTimes times;
    CHECK(c.engine->run_frames(inputs, 2, outputs, &times) == 0);
    for (int i = 0; i < 2; ++i) {
      CHECK(same(outputs[i], expected(views_of(frames[i]->frame).get())));
    }
    // The second frame as block-linear arrays, as of a camera; the first as it is.
    HostSurface surfaces[2];
    for (int p = 0; p < 2; ++p) {
      HostSurface& surface = surfaces[p];
      surface.data = frames[1]->frame.plane[p];
      surface.pitch = frames[1]->frame.pitch[p];
      leaf_plane_size(inputs[1].frame.format, p, inputs[1].frame.width, inputs[1].frame.height,
                      &surface.rows, &surface.row_bytes);
      inputs[1].frame.plane[p] = &surface;
    }
    inputs[1].memory = LEAF_MEMORY_CUDA_ARRAY;
    CHECK(c.engine->run_frames(inputs, 2, outputs, &times) == 0);
    for (int i = 0; i < 2; ++i) {
      CHECK(same(outputs[i], expected(views_of(frames[i]->frame).get())));
    }
    CHECK(host_count(leaf_test::kUploads) == uploads);  // one memory: nothing is copied to another
  }
  unsetenv("LEAF_HOST_INTEGRATED");
}

void check_ways() {
  const auto frame = make_frame(3, false);
  const leaf_input input = input_of(*frame);
  const RawOutput wanted = expected(views_of(frame->frame).get());
  RawOutput output;
  RunTimes times;
  {  // Without graphs.
    setenv("LEAF_HOST_REFUSE_CAPTURE", "1", 1);
    Case c("1-1");
    CHECK(c.open() == 0 && warnings.find("no CUDA graph for 1 frames") != std::string::npos);
    const int64_t replays = host_count(leaf_test::kReplays);
    CHECK(c.engine->run_frames(&input, 1, &output, &times) == 0 && same(output, wanted));
    CHECK(host_count(leaf_test::kReplays) == replays);
    unsetenv("LEAF_HOST_REFUSE_CAPTURE");
  }
  {  // On the caller's stream, as graphs.
    int mine;
    Case c("1-1");
    c.settings.cuda_stream = &mine;
    CHECK(c.open() == 0);
    const int64_t replays = host_count(leaf_test::kReplays);
    CHECK(c.engine->run_frames(&input, 1, &output, &times) == 0 && same(output, wanted));
    CHECK(host_count(leaf_test::kReplays) == replays + 1);
  }
  {  // Without the kernel.
    setenv("LEAF_VIEWS_FATBIN", "/nowhere", 1);
    Case c("1-2", 2);
    CHECK(c.open() == 0 && !c.engine->takes_frames());
    CHECK(warnings.find("views are made on the CPU") != std::string::npos);
    const auto views = views_of(frame->frame);
    CHECK(c.engine->run_views(views.get(), 1, &output) == 0 && same(output, wanted));
  }
}

void check_refusals() {
  const auto refused = [](Case& c, int code, const char* part) {
    CHECK(c.open() == code);
    CHECK(!c.engine && std::string(last_message()).find(part) != std::string::npos);
  };
  Case broken("broken");
  refused(broken, LEAF_E_ENGINE_PLAN, "magic tag does not match");
  CHECK(std::string(last_message()).find("more") == std::string::npos);
  Case seven("1-1 seven");
  refused(seven, LEAF_E_ENGINE_PLAN, "faults of the plan");
  Case fails("1-1 fail");
  refused(fails, LEAF_E_DEVICE_CUDA, "TensorRT fails");
  Case hash("1-1");
  hash.bundle.files[0].bytes[0] = '2';
  refused(hash, LEAF_E_ENGINE_HASH, "not what the manifest states");
  Case code("1-1 code");
  code.bundle.engines[0].flags.push_back("version_compatible");
  refused(code, LEAF_E_ENGINE_UNVERIFIED, "no signature was verified");
  code.bundle.key_id = "0123";
  CHECK(code.open() == 0);
  Case dla("1-1 dla1");
  dla.bundle.engines[0].flags.push_back("dla=1");
  CHECK(dla.open() == 0);
  Case other("1-1");
  other.bundle.engines[0].sm = "sm90";
  refused(other, LEAF_E_ENGINE_SM, "is sm87");
  Case device("1-1");
  device.settings.device = 3;
  refused(device, LEAF_E_DEVICE_NO_DRIVER, "no CUDA device 3: the driver has 1");
  Case library("1-1");
  library.settings.tensorrt = "/nowhere/libnvinfer.so";
  refused(library, LEAF_E_DEVICE_NO_TENSORRT, "/nowhere/libnvinfer.so cannot be loaded");
  Case none("1-1");
  none.bundle.engines.clear();
  refused(none, LEAF_E_ENGINE_NONE, "the bundle has no TensorRT engine");
  // Numbers that are none.
  Case nan("1-1 nan");
  CHECK(nan.open() == 0);
  RawOutput output;
  RunTimes times;
  const auto frame = make_frame(9, false);
  const leaf_input input = input_of(*frame);
  CHECK(nan.engine->run_frames(&input, 1, &output, &times) == LEAF_E_BUNDLE_MODEL);
}

void check_out_of_memory() {
  for (int64_t left = 0; left < 20; ++left) {
    Case c("1-2", 2);
    c.memory.left = left;
    bool thrown = false;
    try {
      CHECK(c.open() == 0);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    if (!thrown) return;
    CHECK(!c.engine && c.memory.live == 0 && stub_live() == 0);
  }
  CHECK(!"open succeeds in the end");
}

// On a machine without a driver nothing of TensorRT is touched, whatever is named.
int without_driver(const char* library) {
  Case c("1-1");
  c.settings.tensorrt = library;
  const int error = c.open();
  printf("%s: %s\n", leaf_error_name(error), last_message());
  return error == LEAF_E_DEVICE_NO_DRIVER && !c.engine && c.memory.live == 0 ? 0 : 1;
}

// A TensorRT of NVIDIA's: it loads, tells what it is, and does not get a plan of another version.
// Where CUDA does not start, it makes no runtime, and that is no crash.
int with_library(const char* path) {
  TensorrtLibraries libraries;
  load_tensorrt(&libraries, path, tensorrt_headers_major(), tensorrt_least_minor());
  if (!libraries.count) {
    printf("FAILED: %s\n", libraries.reason);
    return 1;
  }
  printf("%s, %s\n", libraries.found[0].label,
         libraries.found[0].kind == TensorrtKind::kFull ? "full" : "runs plans only");
  leaf_logger logger = {};
  TensorrtPlan plan(logger, std::pmr::new_delete_resource());
  const char* reason;
  if (!cuda::load_driver(&reason)) {
    const int error = plan.start(libraries.create[0], libraries.number[0]);
    printf("%s: %s\n", leaf_error_name(error), last_message());
    CHECK(error == LEAF_E_DEVICE_NO_TENSORRT);
  }
  Case c("1-1");
  c.settings.tensorrt = path;
  c.bundle.engines[0].tensorrt = "10.0.1";
  const int error = c.open();
  printf("%s: %s\n", leaf_error_name(error), last_message());
  CHECK(error == LEAF_E_ENGINE_TRT_VERSION || error == LEAF_E_DEVICE_NO_DRIVER);
  return failures ? 1 : 0;
}

}  // namespace

//   tensorrt_test                     the engine end to end
//   tensorrt_test no-driver [PATH]    on a machine without a driver
//   tensorrt_test library PATH        with a libnvinfer of NVIDIA's
int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "no-driver") == 0) {
    return without_driver(argc > 2 ? argv[2] : nullptr);
  }
  if (argc > 2 && strcmp(argv[1], "library") == 0) return with_library(argv[2]);
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver) host_count = reinterpret_cast<int64_t (*)(int)>(dlsym(driver, "host_count"));
  char name[32];
  snprintf(name, sizeof name, "libnvinfer.so.%d", tensorrt_headers_major());
  void* nvinfer = dlopen(name, RTLD_NOW);
  if (nvinfer) stub_live = reinterpret_cast<int (*)()>(dlsym(nvinfer, "stub_live"));
  if (!host_count || !stub_live) {
    printf("skipped: needs the driver and the TensorRT of the tests on LD_LIBRARY_PATH\n");
    return 77;
  }
  check_batches(1, 1, "1-1");
  check_batches(8, 5, "1-8");    // a lane of 6
  check_batches(11, 11, "1-4");  // in three calls
  check_batches(2, 2, "4-4");    // a plan of four
  check_batches(3, 3, "1-1");
  check_memory();
  check_integrated();
  check_refusals();
  check_out_of_memory();
  check_ways();
  const int64_t bad = host_count(leaf_test::kBadAddresses);
  CHECK(bad == 0);
  unsetenv("LEAF_VIEWS_FATBIN");
  check_device_memory();
  CHECK(host_count(leaf_test::kLiveBytes) == 0);
  CHECK(host_count(leaf_test::kLiveObjects) == 0);
  CHECK(stub_live() == 0);
  printf("%d failures, TensorRT %d, %lld kernels, %lld graphs replayed\n", failures,
         static_cast<int>(Case::installed()),
         static_cast<long long>(host_count(leaf_test::kKernels)),
         static_cast<long long>(host_count(leaf_test::kReplays)));
  return failures ? 1 : 0;
}
