// The CUDA driver, loaded when it is asked for: own declarations of what is used, so that neither
// the toolkit to build nor a driver to start is needed. Source: CUDA driver API, cuda.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace leaf::cuda {

using Device = int;
using Address = uint64_t;  // CUdeviceptr
using Handle = void*;      // CUcontext, CUstream, CUmodule, CUfunction, CUevent, CUgraph, CUarray

constexpr int kAttributeIntegrated = 18;
constexpr int kAttributeMajor = 75, kAttributeMinor = 76;
constexpr int kPointerDevice = 3;           // CU_POINTER_ATTRIBUTE_DEVICE_POINTER
constexpr unsigned kHostMapped = 2;         // CU_MEMHOSTALLOC_DEVICEMAP
constexpr unsigned kStreamNonBlocking = 1;  // not ordered with the default stream
constexpr unsigned kEventDisableTiming = 2;
constexpr int kCaptureThreadLocal = 1;   // other threads may go on allocating
constexpr unsigned kArrayOfSurface = 0;  // CU_RESOURCE_TYPE_ARRAY

// CUDA_RESOURCE_DESC of an array.
struct ArrayResource {
  unsigned type = kArrayOfSurface;
  Handle array = nullptr;
  int reserved[30] = {};
  unsigned flags = 0;
};
static_assert(sizeof(ArrayResource) == 144, "as in cuda.h");

// name in here, symbol in the library, parameters
#define LEAF_CUDA_CALLS(X)                                                                         \
  X(Init, "cuInit", (unsigned))                                                                    \
  X(DriverGetVersion, "cuDriverGetVersion", (int*))                                                \
  X(GetErrorName, "cuGetErrorName", (int, const char**))                                           \
  X(DeviceGetCount, "cuDeviceGetCount", (int*))                                                    \
  X(DeviceGet, "cuDeviceGet", (Device*, int))                                                      \
  X(DeviceGetName, "cuDeviceGetName", (char*, int, Device))                                        \
  X(DeviceGetAttribute, "cuDeviceGetAttribute", (int*, int, Device))                               \
  X(PrimaryCtxRetain, "cuDevicePrimaryCtxRetain", (Handle*, Device))                               \
  X(PrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", (Device))                                   \
  X(CtxPushCurrent, "cuCtxPushCurrent_v2", (Handle))                                               \
  X(CtxPopCurrent, "cuCtxPopCurrent_v2", (Handle*))                                                \
  X(CtxGetDevice, "cuCtxGetDevice", (Device*))                                                     \
  X(ModuleLoadData, "cuModuleLoadData", (Handle*, const void*))                                    \
  X(ModuleUnload, "cuModuleUnload", (Handle))                                                      \
  X(ModuleGetFunction, "cuModuleGetFunction", (Handle*, Handle, const char*))                      \
  X(LaunchKernel, "cuLaunchKernel",                                                                \
    (Handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Handle, void**, \
     void**))                                                                                      \
  X(MemAlloc, "cuMemAlloc_v2", (Address*, std::size_t))                                            \
  X(MemFree, "cuMemFree_v2", (Address))                                                            \
  X(MemHostAlloc, "cuMemHostAlloc", (void**, std::size_t, unsigned))                               \
  X(MemFreeHost, "cuMemFreeHost", (void*))                                                         \
  X(MemHostGetDevicePointer, "cuMemHostGetDevicePointer_v2", (Address*, void*, unsigned))          \
  X(PointerGetAttribute, "cuPointerGetAttribute", (void*, int, Address))                           \
  X(MemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2", (Address, const void*, std::size_t, Handle))          \
  X(MemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2", (void*, Address, std::size_t, Handle))                \
  X(StreamCreate, "cuStreamCreate", (Handle*, unsigned))                                           \
  X(StreamDestroy, "cuStreamDestroy_v2", (Handle))                                                 \
  X(StreamGetCtx, "cuStreamGetCtx", (Handle, Handle*))                                             \
  X(StreamBeginCapture, "cuStreamBeginCapture_v2", (Handle, int))                                  \
  X(StreamEndCapture, "cuStreamEndCapture", (Handle, Handle*))                                     \
  X(GraphInstantiate, "cuGraphInstantiateWithFlags", (Handle*, Handle, unsigned long long))        \
  X(GraphDestroy, "cuGraphDestroy", (Handle))                                                      \
  X(GraphLaunch, "cuGraphLaunch", (Handle, Handle))                                                \
  X(GraphExecDestroy, "cuGraphExecDestroy", (Handle))                                              \
  X(EventCreate, "cuEventCreate", (Handle*, unsigned))                                             \
  X(EventDestroy, "cuEventDestroy_v2", (Handle))                                                   \
  X(EventRecord, "cuEventRecord", (Handle, Handle))                                                \
  X(EventSynchronize, "cuEventSynchronize", (Handle))                                              \
  X(EventElapsedTime, "cuEventElapsedTime", (float*, Handle, Handle))                              \
  X(SurfObjectCreate, "cuSurfObjectCreate", (uint64_t*, const ArrayResource*))                     \
  X(SurfObjectDestroy, "cuSurfObjectDestroy", (uint64_t))

// The driver's functions. Each returns 0 or a CUresult.
struct Driver {
#define LEAF_CUDA_MEMBER(name, symbol, parameters) int(*name) parameters = nullptr;
  LEAF_CUDA_CALLS(LEAF_CUDA_MEMBER)
#undef LEAF_CUDA_MEMBER
};

// libcuda.so.1 with all of those functions, once for the life of the process; NULL where there is
// none, with the reason, one line. Loading it asks nothing of a device.
const Driver* load_driver(const char** reason);

// Name of a CUresult, "CUDA_ERROR_NO_DEVICE"; for fail().
const char* error_name(const Driver& driver, int status);

// Keeps "CALL failed with NAME" and returns LEAF_E_DEVICE_CUDA; 0 where status is 0.
int check(const Driver& driver, int status, const char* call);

// What preflight asks of a device.
struct DeviceInfo {
  char name[128];
  int major, minor;  // compute capability
  bool integrated;   // shares its memory with the processor
};

constexpr int kMostDevices = 64;

// What the driver says of the machine.
struct Machine {
  const Driver* driver = nullptr;  // NULL: none that works, for `reason`
  char reason[256] = "";
  int cuda_major = 0, cuda_minor = 0;  // newest CUDA that it runs
  int devices = 0;                     // 1 or more where there is a driver
  DeviceInfo device[kMostDevices];
};

// Loads the driver, starts it and lists the devices. Nothing on a device is changed.
void probe(Machine* machine);

// A context is current on this thread meanwhile.
class Current {
 public:
  Current(const Driver& driver, Handle context) : driver_(driver) {
    status_ = driver.CtxPushCurrent(context);
  }
  ~Current() {
    Handle popped;
    if (!status_) driver_.CtxPopCurrent(&popped);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  int status() const { return status_; }

 private:
  const Driver& driver_;
  int status_;
};

}  // namespace leaf::cuda
