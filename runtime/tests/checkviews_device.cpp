#include "checkviews_device.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace leaf_test {
namespace {

constexpr size_t kPinned = size_t{4} << 20;

}  // namespace

CheckDevice::CheckDevice(const leaf::cuda::Machine& machine) : driver_(*machine.driver) {
  check("cuDevicePrimaryCtxRetain", driver_.PrimaryCtxRetain(&context_, 0));
  check("cuCtxPushCurrent", driver_.CtxPushCurrent(context_));
  check("cuStreamCreate", driver_.StreamCreate(&stream_, leaf::cuda::kStreamNonBlocking));
  check("cuEventCreate", driver_.EventCreate(&begin_, 0));
  check("cuEventCreate", driver_.EventCreate(&end_, 0));
  check("cuMemHostAlloc", driver_.MemHostAlloc(&pinned_, kPinned, 0));
}

CheckDevice::~CheckDevice() {
  for (const Address address : memory_) driver_.MemFree(address);
  for (const Handle module : modules_) driver_.ModuleUnload(module);
  driver_.MemFreeHost(pinned_);
  driver_.EventDestroy(begin_);
  driver_.EventDestroy(end_);
  driver_.StreamDestroy(stream_);
  driver_.CtxPopCurrent(&context_);
  driver_.PrimaryCtxRelease(0);
}

void CheckDevice::check(const char* call, int status) const {
  if (!status) return;
  printf("FAILED: %s: %s\n", call, leaf::cuda::error_name(driver_, status));
  exit(1);
}

Address CheckDevice::allocate(size_t size) {
  Address address = 0;
  check("cuMemAlloc", driver_.MemAlloc(&address, size));
  memory_.push_back(address);
  return address;
}

void CheckDevice::copy(Address device, void* host, size_t size, bool up) {
  auto* bytes = static_cast<uint8_t*>(host);
  for (size_t at = 0; at < size; at += kPinned) {
    const size_t part = std::min(kPinned, size - at);
    if (up) {
      memcpy(pinned_, bytes + at, part);
      check("cuMemcpyHtoDAsync", driver_.MemcpyHtoDAsync(device + at, pinned_, part, stream_));
      wait();
    } else {
      check("cuMemcpyDtoHAsync", driver_.MemcpyDtoHAsync(pinned_, device + at, part, stream_));
      wait();
      memcpy(bytes + at, pinned_, part);
    }
  }
}

void CheckDevice::upload(Address to, const void* from, size_t size) {
  copy(to, const_cast<void*>(from), size, true);
}

void CheckDevice::download(void* to, Address from, size_t size) { copy(from, to, size, false); }

Handle CheckDevice::kernel(const void* image, const char* name) {
  Handle module = nullptr, function = nullptr;
  check("cuModuleLoadData", driver_.ModuleLoadData(&module, image));
  modules_.push_back(module);
  return driver_.ModuleGetFunction(&function, module, name) ? nullptr : function;
}

void CheckDevice::launch(Handle kernel, unsigned blocks, unsigned rows, unsigned threads,
                         void** parameters) {
  check("cuLaunchKernel", driver_.LaunchKernel(kernel, blocks, rows, 1, threads, 1, 1, 0, stream_,
                                               parameters, nullptr));
}

void CheckDevice::wait() {
  check("cuEventRecord", driver_.EventRecord(end_, stream_));
  check("cuEventSynchronize", driver_.EventSynchronize(end_));
}

double CheckDevice::median(std::vector<double>& times) {
  std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

}  // namespace leaf_test
