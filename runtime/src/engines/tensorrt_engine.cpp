#include "engines/tensorrt_engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "error.h"
#include "logger.h"

namespace leaf {
namespace {

// Numbers of frames that get a lane: at most a third of a call is for nothing.
constexpr int kBatches[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
static_assert(sizeof kBatches / sizeof *kBatches <= kMostLanes, "a lane for each");

constexpr uint64_t kAlignment = 256;  // of tensors
constexpr int kFloats[kOutputTensors] = {1, 1, LEAF_FAULTS};

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

TensorrtEngine::TensorrtEngine(const EngineRequest& request)
    : settings_(*request.settings),
      memory_(request.memory),
      plan_(request.settings->logger, request.memory) {}

TensorrtEngine::~TensorrtEngine() {
  if (!device_.context()) return;
  const cuda::Driver& driver = device_.driver();
  const cuda::Current current(driver, device_.context());
  for (int n = 0; n < lane_count_; ++n) {
    if (lanes_[n].graph) driver.GraphExecDestroy(lanes_[n].graph);
  }
  plan_.close();  // before the memory that it works in
  for (cuda::Buffer* buffer : {&frames_, &views_, &outputs_, &staging_}) buffer->free(driver);
  if (work_) driver.MemFree(work_);
}

int TensorrtEngine::open(const cuda::Machine& machine, const TensorrtLibraries& libraries,
                         const EngineFit& fit, const std::pmr::vector<uint8_t>& plan) {
  const int at = fit.library;
  const TensorrtVersion& version = libraries.found[at].version;
  snprintf(description_, sizeof description_, "TensorRT %d.%d.%d, %.80s", version.major,
           version.minor, version.patch, machine.device[settings_.device].name);
  if (const int error = device_.open(machine, settings_)) return error;
  const cuda::Current current(device_.driver(), device_.context());
  if (const int error = cuda::check(device_.driver(), current.status(), "cuCtxPushCurrent")) {
    return error;
  }
  if (const int error = plan_.start(libraries.create[at], libraries.number[at])) return error;
  if (const int error = plan_.open(plan.data(), plan.size(), fit.host_code, fit.dla)) return error;
  device_.load_kernel(settings_.logger, memory_);
  most_ = std::max(plan_.least(), std::min(plan_.most(), settings_.batch));
  if (const int error = open_buffers()) return error;
  return open_lanes();
}

uint64_t TensorrtEngine::output_offset(int which) const {
  uint64_t offset = 0;
  for (int n = 0; n < which; ++n) {
    const auto bytes = static_cast<uint64_t>(most_ * kFloats[n]) * sizeof(float);
    offset += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  return offset;
}

int TensorrtEngine::open_buffers() {
  const cuda::Driver& driver = device_.driver();
  const bool shared = device_.integrated();
  const auto most = static_cast<size_t>(most_);
  if (const int error = frames_.allocate(driver, most * sizeof(device::Frame), shared)) {
    return error;
  }
  if (const int error = outputs_.allocate(driver, output_offset(kOutputTensors), shared)) {
    return error;
  }
  // In the device's own memory everywhere: pinned memory is not cached by a GPU that shares the
  // processor's (CUDA for Tegra, memory types), and nothing but the device reads the views.
  if (const int error = views_.allocate(driver, most * LEAF_VIEWS_BYTES, false)) return error;
  const auto work = static_cast<size_t>(std::max<int64_t>(plan_.work_bytes(), 1));
  if (const int error = cuda::check(driver, driver.MemAlloc(&work_, work), "cuMemAlloc")) {
    work_ = 0;
    return error;
  }
  memset(frames_.host(), 0, frames_.size());
  memset(views_.host(), 0, views_.size());
  return views_.upload(driver, 0, views_.size(), device_.stream());
}

int TensorrtEngine::open_lanes() {
  uint64_t outputs[kOutputTensors];
  for (int n = 0; n < kOutputTensors; ++n) outputs[n] = outputs_.device() + output_offset(n);
  for (const int wanted : kBatches) {
    const int batch = std::min(std::max(wanted, plan_.least()), most_);
    if (lane_count_ && lanes_[lane_count_ - 1].batch == batch) continue;
    if (const int error = plan_.add_lane(batch, work_, views_.device(), outputs)) return error;
    lanes_[lane_count_++].batch = batch;
  }
  // TensorRT takes its own memory in a lane's first call. That is now, not with the first frame.
  for (int n = 0; n < lane_count_; ++n) {
    if (const int error = enqueue(n, device_.stream())) return error;
    if (const int error = device_.wait()) return error;
    capture(n);
  }
  return 0;
}

int TensorrtEngine::enqueue(int lane, cuda::Handle stream) {
  const int batch = lanes_[lane].batch;
  if (device_.has_kernel()) {
    const auto bytes = static_cast<size_t>(batch) * sizeof(device::Frame);
    if (const int error = frames_.upload(device_.driver(), 0, bytes, stream)) return error;
    if (const int error = device_.launch_views(frames_.device(), batch, stream)) return error;
  }
  if (const int error = plan_.enqueue(lane, stream)) return error;
  return outputs_.download(device_.driver(), outputs_.size(), stream);
}

// What the frames are is read from memory when the graph runs: one graph serves every geometry.
void TensorrtEngine::capture(int lane) {
  const cuda::Driver& driver = device_.driver();
  const cuda::Handle stream = device_.capture_stream();
  cuda::Handle graph = nullptr;
  int status = driver.StreamBeginCapture(stream, cuda::kCaptureThreadLocal);
  if (!status) {
    const int error = enqueue(lane, stream);
    status = driver.StreamEndCapture(stream, &graph);  // a stream left capturing takes no work
    if (error && !status) status = -1;
  }
  if (!status && graph) status = driver.GraphInstantiate(&lanes_[lane].graph, graph, 0);
  if (graph) driver.GraphDestroy(graph);
  if (!status && lanes_[lane].graph) return;
  lanes_[lane].graph = nullptr;
  log(settings_.logger, LEAF_LOG_WARNING,
      "no CUDA graph for %d frames (%s): their work is enqueued by itself", lanes_[lane].batch,
      status > 0 ? cuda::error_name(driver, status) : last_message());
}

int TensorrtEngine::lane_for(int count) const {
  for (int n = 0; n < lane_count_; ++n) {
    if (lanes_[n].batch >= count) return n;
  }
  return lane_count_ - 1;
}

int TensorrtEngine::run(int lane) {
  const cuda::Driver& driver = device_.driver();
  const cuda::Handle graph = lanes_[lane].graph;
  const int error =
      graph ? cuda::check(driver, driver.GraphLaunch(graph, device_.stream()), "cuGraphLaunch")
            : enqueue(lane, device_.stream());
  const int waited = device_.wait();
  return error ? error : waited;
}

// Results of frames `begin` on from the outputs.
int TensorrtEngine::collect(int begin, int count) {
  const auto floats = [&](int which) {
    return reinterpret_cast<const float*>(outputs_.host() + output_offset(which));
  };
  for (int i = 0; i < count; ++i) {
    RawOutput& result = results_[begin + i];
    result.mos = floats(0)[i];
    result.spread = floats(1)[i];
    memcpy(result.faults, floats(2) + i * LEAF_FAULTS, sizeof result.faults);
    bool finite = std::isfinite(result.mos) && std::isfinite(result.spread);
    for (const float fault : result.faults) finite = finite && std::isfinite(fault);
    if (!finite) return fail(LEAF_E_BUNDLE_MODEL, "the network gives numbers that are not finite");
  }
  return 0;
}

int TensorrtEngine::run_views(const uint8_t* views, int count, RawOutput* outputs) {
  const cuda::Driver& driver = device_.driver();
  const cuda::Current current(driver, device_.context());
  if (const int error = cuda::check(driver, current.status(), "cuCtxPushCurrent")) return error;
  for (int begin = 0; begin < count; begin += most_) {
    const int some = std::min(count - begin, most_), lane = lane_for(some);
    const auto bytes = static_cast<size_t>(some) * LEAF_VIEWS_BYTES;
    memcpy(views_.host(), views + static_cast<size_t>(begin) * LEAF_VIEWS_BYTES, bytes);
    int error = views_.upload(driver, 0, bytes, device_.stream());
    // Where the kernel makes views, it is told that there are none to make.
    memset(frames_.host(), 0, frames_.size());
    if (!error) error = run(lane);
    if (!error) error = collect(begin, some);
    if (error) return error;
  }
  std::copy_n(results_, count, outputs);
  return 0;
}

int TensorrtEngine::run_frames(const leaf_input* inputs, int count, RawOutput* outputs,
                               RunTimes* times) {
  if (!takes_frames()) return Engine::run_frames(inputs, count, outputs, times);
  const cuda::Driver& driver = device_.driver();
  const cuda::Current current(driver, device_.context());
  if (const int error = cuda::check(driver, current.status(), "cuCtxPushCurrent")) return error;
  const int64_t begun = now_ns();
  for (int begin = 0; begin < count; begin += most_) {
    const int some = std::min(count - begin, most_);
    int error = bring(inputs + begin, some);
    if (!error) {
      error = run(lane_for(some));
    } else {
      device_.wait();  // for the copies that were enqueued: their memory is used again
    }
    drop_surfaces();
    if (!error) error = collect(begin, some);
    if (error) return error;
  }
  std::copy_n(results_, count, outputs);
  times->views = 0;
  times->inference = now_ns() - begun;
  return 0;
}

}  // namespace leaf
