// A CUDA driver whose device is this processor: device addresses are the host's, work is done when
// it is enqueued, and a stream that is captured keeps it instead. Only what
// leaf_edge/runtime/cuda_driver.py calls, with the real functions' signatures (cuda.h), so that its
// calls and the order of an engine's work can be tested without a GPU.
#include <stdint.h>
#include <string.h>

#include <functional>
#include <vector>

#include "views_host.cpp"

using Graph = std::vector<std::function<void()>>;

static void* capturing = nullptr;
static Graph* captured = nullptr;
static int live_graphs = 0, captures = 0, graph_launches = 0, kernels = 0, refuse_capture = 0;

static int enqueue(void* stream, std::function<void()> work) {
  if (captured && stream == capturing) {
    captured->push_back(std::move(work));
  } else {
    work();
  }
  return 0;
}

extern "C" {

int host_count(int which) {
  const int counts[] = {live_graphs, captures, graph_launches, kernels};
  return counts[which];
}
void host_refuse_capture(int refuse) { refuse_capture = refuse; }

int cuGetErrorName(int error, const char** name) {
  *name = error == 900 ? "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED" : nullptr;
  return *name ? 0 : 1;
}
int cuModuleLoadData(void** module, const void* image) {
  if (memcmp(image, "host", 4) != 0) return 200;
  *module = module;
  return 0;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
  if (!module || strcmp(name, "leaf_views") != 0) return 500;
  *function = reinterpret_cast<void*>(uintptr_t{0xabcdef0123456789u});
  return 0;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void* stream, void** parameters, void** extra) {
  if (function != reinterpret_cast<void*>(uintptr_t{0xabcdef0123456789u})) return 400;
  if (gx != 784 || gy != 1 || gz != 1 || bx != 128 || by != 1 || bz != 1 || shared || extra)
    return 1;
  const Frame frame = *static_cast<const Frame*>(parameters[0]);
  return enqueue(stream, [frame] {
    ++kernels;
    leaf_device_views(&frame);
  });
}
int cuMemcpyHtoDAsync_v2(uint64_t device, const void* host, size_t size, void* stream) {
  return enqueue(stream, [=] { memcpy(reinterpret_cast<void*>(device), host, size); });
}
int cuMemcpyDtoHAsync_v2(void* host, uint64_t device, size_t size, void* stream) {
  return enqueue(stream, [=] { memcpy(host, reinterpret_cast<const void*>(device), size); });
}
int cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
  return enqueue(stream, [=] { function(data); });
}
int cuStreamSynchronize(void* stream) { return captured && stream == capturing ? 900 : 0; }
int cuStreamBeginCapture_v2(void* stream, int mode) {
  if (!stream || captured || mode != 1 || refuse_capture) return 900;
  capturing = stream;
  captured = new Graph;
  return 0;
}
int cuStreamEndCapture(void* stream, void** graph) {
  if (!captured || stream != capturing) return 901;
  *graph = captured;
  captured = nullptr;
  ++captures;
  return 0;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags) {
  if (flags) return 1;
  *executable = new Graph(*static_cast<Graph*>(graph));
  ++live_graphs;
  return 0;
}
int cuGraphDestroy(void* graph) {
  delete static_cast<Graph*>(graph);
  return 0;
}
int cuGraphLaunch(void* executable, void* stream) {
  ++graph_launches;
  for (const auto& work : *static_cast<Graph*>(executable)) enqueue(stream, work);
  return 0;
}
int cuGraphExecDestroy(void* executable) {
  delete static_cast<Graph*>(executable);
  --live_graphs;
  return 0;
}

}  // extern "C"
