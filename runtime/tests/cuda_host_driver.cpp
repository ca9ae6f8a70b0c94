// libcuda.so.1 for tests: a CUDA driver whose device is this processor. Device addresses are the
// host's; work is done when it is enqueued, and a stream that is captured keeps it instead. The
// signatures are cuda.h's. It knows which memory the device may touch, and counts what it may not.
// Environment: LEAF_HOST_DEVICES (1), LEAF_HOST_SM (87), LEAF_HOST_INTEGRATED (0),
// LEAF_HOST_REFUSE_CAPTURE (0).
#include "cuda_host_driver.h"

#include <stdlib.h>
#include <string.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "../cuda/views_host.cpp"

using leaf_test::HostCount;
using Graph = std::vector<std::function<int()>>;

namespace {

int64_t counts[leaf_test::kHostCounts];
std::map<uint64_t, size_t> device_memory, pinned_memory;  // by begin, to size
void* capturing = nullptr;
Graph* captured = nullptr;
int context = 0, depth = 0;
std::map<void*, std::chrono::steady_clock::time_point> events;

int setting(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text ? atoi(text) : otherwise;
}

bool inside(const std::map<uint64_t, size_t>& memory, uint64_t address, size_t size) {
  auto at = memory.upper_bound(address);
  if (at == memory.begin()) return false;
  --at;
  return address + size <= at->first + at->second;
}

int touch(bool allowed) {
  if (!allowed) ++counts[leaf_test::kBadAddresses];
  return allowed ? 0 : 700;
}

// A context must be current, as for nearly every call of the driver.
#define NEEDS_CONTEXT \
  if (!depth) return 201

int enqueue(void* stream, std::function<int()> work) {
  NEEDS_CONTEXT;
  if (captured && stream == capturing) {
    captured->push_back(std::move(work));
    return 0;
  }
  return work();
}

int make(void** handle) {
  NEEDS_CONTEXT;
  *handle = malloc(8);
  ++counts[leaf_test::kLiveObjects];
  ++counts[leaf_test::kAllocations];
  return 0;
}

int unmake(void* handle) {
  free(handle);
  --counts[leaf_test::kLiveObjects];
  return 0;
}

// What the device can read: its own memory, and pinned memory where it shares the processor's.
bool readable(uint64_t address, size_t size) {
  return inside(device_memory, address, size) ||
         (setting("LEAF_HOST_INTEGRATED", 0) && inside(pinned_memory, address, size));
}

bool frame_is_readable(const Frame& f) {
  if (!readable(f.out, 2 * 3 * kPixels)) return false;
  const bool pairs = f.layout == Layout::kPairs || f.layout == Layout::kPairsOfTen;
  const int planes = f.layout == Layout::kPlanar ? 3 : pairs ? 2 : 1;
  for (int p = 0; p < planes && !f.surface; ++p) {
    const Plane& plane = f.plane[p];
    const int32_t sub_y = p ? 2 : 1;
    const int32_t first = f.y.offset / sub_y;
    const int32_t last = (f.y.offset + f.y.length - 1) / sub_y;
    const uint64_t begin = plane.address + static_cast<uint64_t>(first * plane.pitch);
    const auto size =
        static_cast<size_t>((last - first) * plane.pitch) + static_cast<size_t>(plane.row_bytes);
    if (!readable(begin, size)) return false;
  }
  return true;
}

enum Kernel { kNone, kBatch, kMixed, kOne, kEmpty, kCopy };
const std::map<std::string, Kernel> kernels = {{"leaf_views_batch", kBatch},
                                               {"leaf_views_mixed", kMixed},
                                               {"leaf_views", kOne},
                                               {"leaf_empty", kEmpty},
                                               {"leaf_copy", kCopy}};

int run_views(Kernel kernel, const Frame* frames, int count) {
  for (int n = 0; n < count; ++n) {
    if (frames[n].layout != Layout::kNone && touch(frame_is_readable(frames[n]))) return 700;
  }
  if (kernel == kMixed) {
    leaf_device_mixed(frames, count);
  } else {
    leaf_device_batch(frames, count);
  }
  ++counts[leaf_test::kKernels];
  return touch(leaf_device_violations() == 0);
}

}  // namespace

extern "C" {

int64_t host_count(int which) { return counts[which]; }

int cuInit(unsigned flags) { return flags ? 1 : 0; }
int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}
int cuGetErrorName(int error, const char** name) {
  *name = error == 700   ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : error == 900 ? "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
          : error == 201 ? "CUDA_ERROR_INVALID_CONTEXT"
                         : nullptr;
  return *name ? 0 : 1;
}
int cuDeviceGetCount(int* count) {
  *count = setting("LEAF_HOST_DEVICES", 1);
  return 0;
}
int cuDeviceGet(int* device, int number) {
  *device = number;
  return 0;
}
int cuDeviceGetName(char* name, int size, int) {
  strncpy(name, "this processor", static_cast<size_t>(size));
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  const int sm = setting("LEAF_HOST_SM", 87);
  *value = attribute == 75   ? sm / 10
           : attribute == 76 ? sm % 10
           : attribute == 18 ? setting("LEAF_HOST_INTEGRATED", 0)
                             : 0;
  return 0;
}
int cuDevicePrimaryCtxRetain(void** out, int) {
  *out = &context;
  ++counts[leaf_test::kLiveObjects];
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) {
  --counts[leaf_test::kLiveObjects];
  return 0;
}
int cuCtxPushCurrent_v2(void* pushed) {
  if (pushed != &context) return 201;
  ++depth;
  return 0;
}
int cuCtxPopCurrent_v2(void** popped) {
  NEEDS_CONTEXT;
  --depth;
  *popped = &context;
  return 0;
}
int cuCtxGetDevice(int* device) {
  NEEDS_CONTEXT;
  *device = 0;
  return 0;
}
int cuModuleLoadData(void** module, const void* image) {
  // A fatbin, or the word that tests give in its place.
  const uint32_t magic = 0xba55ed50u;
  if (memcmp(image, "host", 4) != 0 && memcmp(image, &magic, 4) != 0) return 200;
  return make(module);
}
int cuModuleUnload(void* module) { return unmake(module); }
int cuModuleGetFunction(void** function, void* module, const char* name) {
  const auto found = kernels.find(name);
  if (!module || found == kernels.end()) return 500;
  *function = reinterpret_cast<void*>(uintptr_t{0x1000} + found->second);
  return 0;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void* stream, void** parameters, void** extra) {
  const auto kernel = static_cast<Kernel>(reinterpret_cast<uintptr_t>(function) - 0x1000);
  if (gz != 1 || by != 1 || bz != 1 || shared || extra || !gx || !gy || !bx) return 1;
  if (kernel == kEmpty) return enqueue(stream, [] { return 0; });
  if (kernel == kCopy) {
    const auto to = *static_cast<uint64_t*>(parameters[0]);
    const auto from = *static_cast<uint64_t*>(parameters[1]);
    const size_t size = 16 * *static_cast<uint64_t*>(parameters[2]);
    return enqueue(stream, [=] {
      if (touch(readable(to, size) && readable(from, size))) return 700;
      memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), size);
      return 0;
    });
  }
  if (gx != kBlocks || bx != kThreads) return 1;
  if (kernel == kOne) {
    const Frame frame = *static_cast<const Frame*>(parameters[0]);
    return enqueue(stream, [=] { return run_views(kBatch, &frame, 1); });
  }
  const auto address = *static_cast<uint64_t*>(parameters[0]);
  const auto count = static_cast<int>(gy);
  return enqueue(stream, [=] {
    if (touch(readable(address, gy * sizeof(Frame)))) return 700;
    return run_views(kernel, reinterpret_cast<const Frame*>(address), count);
  });
}
int cuMemAlloc_v2(uint64_t* address, size_t size) {
  NEEDS_CONTEXT;
  if (!size) return 1;
  *address = reinterpret_cast<uint64_t>(aligned_alloc(256, (size + 255) / 256 * 256));
  memset(reinterpret_cast<void*>(*address), 0x5a, size);
  device_memory[*address] = size;
  counts[leaf_test::kLiveBytes] += static_cast<int64_t>(size);
  ++counts[leaf_test::kAllocations];
  return 0;
}
int cuMemFree_v2(uint64_t address) {
  NEEDS_CONTEXT;
  const auto found = device_memory.find(address);
  if (found == device_memory.end()) return touch(false);
  counts[leaf_test::kLiveBytes] -= static_cast<int64_t>(found->second);
  device_memory.erase(found);
  free(reinterpret_cast<void*>(address));
  return 0;
}
int cuMemHostAlloc(void** memory, size_t size, unsigned) {
  NEEDS_CONTEXT;
  *memory = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
  memset(*memory, 0x5a, size);
  pinned_memory[reinterpret_cast<uint64_t>(*memory)] = size;
  counts[leaf_test::kLiveBytes] += static_cast<int64_t>(size);
  ++counts[leaf_test::kAllocations];
  return 0;
}
int cuMemFreeHost(void* memory) {
  NEEDS_CONTEXT;
  const auto found = pinned_memory.find(reinterpret_cast<uint64_t>(memory));
  if (found == pinned_memory.end()) return touch(false);
  counts[leaf_test::kLiveBytes] -= static_cast<int64_t>(found->second);
  pinned_memory.erase(found);
  free(memory);
  return 0;
}
int cuMemHostGetDevicePointer_v2(uint64_t* address, void* memory, unsigned) {
  *address = reinterpret_cast<uint64_t>(memory);
  return pinned_memory.count(*address) ? 0 : 1;
}
int cuPointerGetAttribute(void* value, int attribute, uint64_t address) {
  if (attribute != 3 || !(inside(device_memory, address, 1) || inside(pinned_memory, address, 1))) {
    return 1;
  }
  memcpy(value, &address, sizeof address);
  return 0;
}
int cuMemcpyHtoDAsync_v2(uint64_t device, const void* host, size_t size, void* stream) {
  return enqueue(stream, [=] {
    const bool pinned = inside(pinned_memory, reinterpret_cast<uint64_t>(host), size);
    if (touch(pinned && inside(device_memory, device, size))) return 700;
    memcpy(reinterpret_cast<void*>(device), host, size);
    ++counts[leaf_test::kUploads];
    return 0;
  });
}
int cuMemcpyDtoHAsync_v2(void* host, uint64_t device, size_t size, void* stream) {
  return enqueue(stream, [=] {
    const bool pinned = inside(pinned_memory, reinterpret_cast<uint64_t>(host), size);
    if (touch(pinned && inside(device_memory, device, size))) return 700;
    memcpy(host, reinterpret_cast<const void*>(device), size);
    return 0;
  });
}
int cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
  return enqueue(stream, [=] {
    function(data);
    return 0;
  });
}
int cuStreamCreate(void** stream, unsigned) { return make(stream); }
int cuStreamDestroy_v2(void* stream) { return unmake(stream); }
int cuStreamGetCtx(void* stream, void** out) {
  *out = &context;
  return stream ? 0 : 1;
}
int cuStreamBeginCapture_v2(void* stream, int mode) {
  if (!stream || captured || mode != 1 || setting("LEAF_HOST_REFUSE_CAPTURE", 0)) return 900;
  capturing = stream;
  captured = new Graph;
  return 0;
}
int cuStreamEndCapture(void* stream, void** graph) {
  if (!captured || stream != capturing) return 901;
  *graph = captured;
  captured = nullptr;
  ++counts[leaf_test::kCaptures];
  return 0;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags) {
  if (flags) return 1;
  *executable = new Graph(*static_cast<Graph*>(graph));
  ++counts[leaf_test::kLiveObjects];
  ++counts[leaf_test::kAllocations];
  return 0;
}
int cuGraphDestroy(void* graph) {
  delete static_cast<Graph*>(graph);
  return 0;
}
int cuGraphLaunch(void* executable, void* stream) {
  ++counts[leaf_test::kReplays];
  for (const auto& work : *static_cast<Graph*>(executable)) {
    if (const int error = enqueue(stream, work)) return error;
  }
  return 0;
}
int cuGraphExecDestroy(void* executable) {
  delete static_cast<Graph*>(executable);
  --counts[leaf_test::kLiveObjects];
  return 0;
}
int cuEventCreate(void** event, unsigned) { return make(event); }
int cuEventDestroy_v2(void* event) { return unmake(event); }
int cuEventRecord(void* event, void* stream) {
  return enqueue(stream, [=] {
    events[event] = std::chrono::steady_clock::now();
    return 0;
  });
}
int cuEventSynchronize(void* event) { return events.count(event) ? 0 : 1; }
int cuEventElapsedTime(float* ms, void* begin, void* end) {
  *ms = std::chrono::duration<float, std::milli>(events[end] - events[begin]).count();
  return 0;
}
// An array is a HostSurface here.
int cuSurfObjectCreate(uint64_t* surface, const void* description) {
  const auto* words = static_cast<void* const*>(description);
  if (*static_cast<const unsigned*>(description) != 0) return 1;
  *surface = reinterpret_cast<uint64_t>(words[1]);
  ++counts[leaf_test::kLiveObjects];
  return 0;
}
int cuSurfObjectDestroy(uint64_t) {
  --counts[leaf_test::kLiveObjects];
  return 0;
}

}  // extern "C"
