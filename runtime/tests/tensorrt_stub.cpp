// libnvinfer.so.N for tests, compiled against TensorRT's own headers, of whichever version: a
// TensorRT whose plans are texts, "LEAST-MOST" the range of their batches, and whose network is the
// tiny student of tests/helpers_bundle.py. Work goes to the CUDA driver that is loaded.
//
// The headers' classes forward to an implementation with a hundred virtual functions, other ones in
// each version. Here its table of functions is made at run time: those that the engine calls stand
// where the headers say that they are, and all others end the process with a message.
#include <NvInferRuntime.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

using namespace nvinfer1;

namespace {

constexpr int kSlots = 512;
constexpr int64_t kView = 3 * 224 * 224;
constexpr int64_t kWorkBytes = 4096;

int live = 0, refused_calls = 0;

void unexpected() {
  fprintf(stderr, "the TensorRT of the tests was called for what it has not\n");
  abort();
}

// Where a virtual function stands in its class' table (Itanium C++ ABI).
template <class Member>
size_t slot(Member member) {
  uintptr_t value;
  memcpy(&value, &member, sizeof value);
#if defined(__aarch64__)
  return value / sizeof(void*);
#else
  return (value - 1) / sizeof(void*);
#endif
}

// In the place of an object of a class with virtual functions: its first word is the table.
template <class Self>
struct Faked {
  void** table = functions;
  static void* functions[kSlots];
  template <class Member, class Function>
  static void set(Member member, Function* function) {
    functions[slot(member)] = reinterpret_cast<void*>(function);
  }
  static void clear() {
    for (void*& function : functions) function = reinterpret_cast<void*>(&unexpected);
  }
};
template <class Self>
void* Faked<Self>::functions[kSlots];

struct Plan {
  int least = 0, most = 0;
  std::string kind;
};

struct Work {
  const uint8_t* views;
  float* output[3];
  int64_t batch;
  bool nan;
};

// The network.
void infer(void* data) {
  const auto* w = static_cast<const Work*>(data);
  for (int64_t n = 0; n < w->batch; ++n) {
    double sum[2] = {};
    for (int view = 0; view < 2; ++view) {
      const uint8_t* pixels = w->views + (2 * n + view) * kView;
      for (int64_t i = 0; i < kView; ++i) sum[view] += pixels[i];
    }
    const auto g = static_cast<float>(sum[0] / kView / 255);
    const auto f = static_cast<float>(sum[1] / kView / 255);
    w->output[0][n] = w->nan ? static_cast<float>(0.0 / 0.0 * (sum[0] + 1)) : 0.5f * g + 0.5f * f;
    w->output[1][n] = 0.05f;
    float* faults = w->output[2] + 8 * n;
    memset(faults, 0, 8 * sizeof *faults);
    faults[3] = 1 - g;
    faults[4] = g;
  }
}

struct ContextImpl : Faked<ContextImpl> {
  Plan plan;
  int64_t batch = 0, memory = -1;
  void* address[4] = {};
  std::vector<Work*> kept;  // a graph reads it again
  ~ContextImpl() {
    for (Work* work : kept) delete work;
  }
};

struct EngineImpl : Faked<EngineImpl> {
  Plan plan;
};

struct RuntimeImpl : Faked<RuntimeImpl> {
  ILogger* logger = nullptr;
  bool host_code = false;
  int32_t dla = -1;
};

const char* const kNames[] = {"views", "mos", "spread", "faults"};

int which(const char* name) {
  for (int i = 0; i < 4; ++i) {
    if (strcmp(name, kNames[i]) == 0) return i;
  }
  return -1;
}

struct Context : IExecutionContext {
  explicit Context(const Plan& plan) {
    impl.plan = plan;
    mImpl = reinterpret_cast<apiv::VExecutionContext*>(&impl);
    ++live;
  }
  ~Context() noexcept override { --live; }
  ContextImpl impl;
};

struct Engine : ICudaEngine {
  explicit Engine(const Plan& plan) {
    impl.plan = plan;
    mImpl = reinterpret_cast<apiv::VCudaEngine*>(&impl);
    ++live;
  }
  ~Engine() noexcept override { --live; }
  EngineImpl impl;
};

struct Runtime : IRuntime {
  explicit Runtime(ILogger* logger) {
    impl.logger = logger;
    mImpl = reinterpret_cast<apiv::VRuntime*>(&impl);
    ++live;
  }
  ~Runtime() noexcept override { --live; }
  RuntimeImpl impl;
};

Dims shape_of(const EngineImpl* self, int tensor) {
  Dims dims = {};
  const auto batch = self->plan.least == self->plan.most ? self->plan.least : -1;
  dims.nbDims = 1;
  dims.d[0] = batch;
  if (tensor == 0) {
    dims.nbDims = 5;
    dims.d[1] = 2;
    dims.d[2] = 3;
    dims.d[3] = dims.d[4] = 224;
  } else if (tensor == 3) {
    dims.nbDims = 2;
    dims.d[1] = self->plan.kind == "seven" ? 7 : 8;
  }
  return dims;
}

void fill_runtime() {
  using V = apiv::VRuntime;
  RuntimeImpl::clear();
  RuntimeImpl::set(
      static_cast<ICudaEngine* (V::*)(const void*, std::size_t) noexcept>(
          &V::deserializeCudaEngine),
      +[](RuntimeImpl* self, const void* data, std::size_t size) -> ICudaEngine* {
        Plan plan;
        char kind[16] = "";
        const std::string text(static_cast<const char*>(data), size);
        if (sscanf(text.c_str(), "%d-%d %15s", &plan.least, &plan.most, kind) < 2) {
          self->logger->log(ILogger::Severity::kERROR, "magic tag does not match\nmore");
          return nullptr;
        }
        plan.kind = kind;
        // As the real one: a plan with code of its own is refused unless that is allowed.
        if ((plan.kind == "code") != self->host_code || (plan.kind == "dla1") != (self->dla == 1)) {
          self->logger->log(ILogger::Severity::kERROR, "code or DLA of the plan is not allowed");
          return nullptr;
        }
        return new Engine(plan);
      });
  RuntimeImpl::set(&V::setDLACore, +[](RuntimeImpl* self, int32_t core) { self->dla = core; });
  RuntimeImpl::set(
      &V::setEngineHostCodeAllowed,
      +[](RuntimeImpl* self, bool allowed) { self->host_code = allowed; });
}

void fill_engine() {
  using V = apiv::VCudaEngine;
  EngineImpl::clear();
  EngineImpl::set(&V::getNbIOTensors, +[](const EngineImpl*) -> int32_t { return 4; });
  EngineImpl::set(
      &V::getIOTensorName, +[](const EngineImpl*, int32_t n) -> const char* { return kNames[n]; });
  EngineImpl::set(
      &V::getTensorIOMode, +[](const EngineImpl*, const char* name) {
        return which(name) == 0 ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
      });
  EngineImpl::set(
      &V::getTensorDataType, +[](const EngineImpl*, const char* name) {
        return which(name) == 0 ? DataType::kUINT8 : DataType::kFLOAT;
      });
  EngineImpl::set(
      &V::getTensorShape,
      +[](const EngineImpl* self, const char* name) { return shape_of(self, which(name)); });
  EngineImpl::set(
      &V::getProfileShape,
      +[](const EngineImpl* self, const char* name, int32_t, OptProfileSelector select) {
        Dims dims = shape_of(self, which(name));
        dims.d[0] = select == OptProfileSelector::kMIN ? self->plan.least : self->plan.most;
        return dims;
      });
  EngineImpl::set(
      &V::getDeviceMemorySizeV2, +[](const EngineImpl*) -> int64_t { return kWorkBytes; });
  EngineImpl::set(
      static_cast<IExecutionContext* (V::*)(ExecutionContextAllocationStrategy) noexcept>(
          &V::createExecutionContext),
      +[](EngineImpl* self, ExecutionContextAllocationStrategy strategy) -> IExecutionContext* {
        if (strategy != ExecutionContextAllocationStrategy::kUSER_MANAGED) unexpected();
        return new Context(self->plan);
      });
}

void fill_context() {
  using V = apiv::VExecutionContext;
  ContextImpl::clear();
  ContextImpl::set(
      &V::setDeviceMemoryV2,
      +[](ContextImpl* self, void* memory, int64_t size) { self->memory = memory ? size : -1; });
  ContextImpl::set(
      &V::setInputShape, +[](ContextImpl* self, const char* name, const Dims& dims) {
        self->batch = dims.d[0];
        return which(name) == 0 && dims.nbDims == 5 && self->batch >= self->plan.least &&
               self->batch <= self->plan.most;
      });
  ContextImpl::set(
      &V::setTensorAddress, +[](ContextImpl* self, const char* name, void* address) {
        const int n = which(name);
        if (n >= 0) self->address[n] = address;
        return n >= 0;
      });
  ContextImpl::set(
      &V::enqueueV3, +[](ContextImpl* self, cudaStream_t stream) {
        using Launch = int (*)(void*, void (*)(void*), void*);
        static const auto launch =
            reinterpret_cast<Launch>(dlsym(dlopen("libcuda.so.1", RTLD_NOW), "cuLaunchHostFunc"));
        if (self->plan.kind == "fail" && ++refused_calls) return false;
        if (self->memory < kWorkBytes || !self->batch) unexpected();
        auto* work = new Work{static_cast<const uint8_t*>(self->address[0]),
                              {},
                              self->batch,
                              self->plan.kind == "nan"};
        for (int i = 0; i < 3; ++i) work->output[i] = static_cast<float*>(self->address[i + 1]);
        self->kept.push_back(work);
        return launch(stream, infer, work) == 0;
      });
}

}  // namespace

extern "C" {

int stub_live() { return live; }

int32_t getInferLibVersion() noexcept { return NV_TENSORRT_VERSION; }

void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept {
  if (version != NV_TENSORRT_VERSION || !logger) return nullptr;
  fill_runtime();
  fill_engine();
  fill_context();
  return static_cast<IRuntime*>(new Runtime(static_cast<ILogger*>(logger)));
}

// What tells a full TensorRT from a lean one.
void* createInferBuilder_INTERNAL(void*, int32_t) noexcept { return nullptr; }

}  // extern "C"
