// Compiles against TensorRT's headers of 10.3 to 10.x and of 11.x; what it calls has been there
// since 10.3.
#include "engines/tensorrt_plan.h"

// TensorRT's headers are not made for our warnings.
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif
#include <NvInferRuntime.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <cstdio>
#include <cstring>
#include <new>

#include "error.h"
#include "logger.h"

namespace leaf {
namespace {

static_assert(NV_TENSORRT_MAJOR > 10 || (NV_TENSORRT_MAJOR == 10 && NV_TENSORRT_MINOR >= 3),
              "TensorRT 10.3 or later is needed");

constexpr char kInput[] = "views";
constexpr const char* kOutputs[kOutputTensors] = {"mos", "spread", "faults"};
constexpr int64_t kInputShape[] = {2, 3, LEAF_VIEWS_SIZE, LEAF_VIEWS_SIZE};
constexpr int64_t kFaultsShape[] = {LEAF_FAULTS};

// TensorRT's messages to the context's logger; keeps the last error.
class Logger final : public nvinfer1::ILogger {
 public:
  explicit Logger(const leaf_logger& logger) : logger_(logger) {}

  void log(Severity severity, const char* text) noexcept override {
    if (severity > Severity::kWARNING || !text) return;
    const auto length = static_cast<int>(strcspn(text, "\r\n"));
    const bool error = severity <= Severity::kERROR;
    if (error) snprintf(last_, sizeof last_, "%.*s", length, text);
    leaf::log(logger_, error ? LEAF_LOG_ERROR : LEAF_LOG_INFO, "TensorRT: %.*s", length, text);
  }
  const char* last() const { return last_[0] ? last_ : "no reason was given"; }

 private:
  leaf_logger logger_;
  char last_[300] = "";
};

struct Tensor {
  const char* name;
  bool input;
  nvinfer1::DataType type;
  const int64_t* inner;  // shape after the number of frames
  int dimensions;
};

constexpr Tensor kTensors[] = {
    {kInput, true, nvinfer1::DataType::kUINT8, kInputShape, 4},
    {kOutputs[0], false, nvinfer1::DataType::kFLOAT, nullptr, 0},
    {kOutputs[1], false, nvinfer1::DataType::kFLOAT, nullptr, 0},
    {kOutputs[2], false, nvinfer1::DataType::kFLOAT, kFaultsShape, 1},
};
constexpr int kTensorCount = sizeof kTensors / sizeof *kTensors;

bool same_shape(const nvinfer1::Dims& dims, const Tensor& tensor) {
  if (dims.nbDims != tensor.dimensions + 1) return false;
  for (int i = 0; i < tensor.dimensions; ++i) {
    if (dims.d[i + 1] != tensor.inner[i]) return false;
  }
  return true;
}

// The plan's tensors against the student's (leaf_edge/contract.py), and its range of batches.
int check_contract(const nvinfer1::ICudaEngine& engine, int* least, int* most) {
  if (engine.getNbIOTensors() != kTensorCount) {
    return fail(LEAF_E_ENGINE_PLAN, "the plan has %d tensors; expected views, mos, spread, faults",
                engine.getNbIOTensors());
  }
  for (const Tensor& tensor : kTensors) {
    bool there = false;
    for (int n = 0; n < kTensorCount && !there; ++n) {
      const char* name = engine.getIOTensorName(n);
      there = name && strcmp(name, tensor.name) == 0;
    }
    if (!there) return fail(LEAF_E_ENGINE_PLAN, "the plan has no tensor %s", tensor.name);
    const bool input = engine.getTensorIOMode(tensor.name) == nvinfer1::TensorIOMode::kINPUT;
    const auto type = engine.getTensorDataType(tensor.name);
    if (input != tensor.input || type != tensor.type ||
        !same_shape(engine.getTensorShape(tensor.name), tensor)) {
      return fail(LEAF_E_ENGINE_PLAN, "%s of the plan has another type or shape than a student's",
                  tensor.name);
    }
  }
  const int64_t batch = engine.getTensorShape(kInput).d[0];
  if (batch > 0) {
    *least = *most = static_cast<int>(batch);
  } else {
    using Select = nvinfer1::OptProfileSelector;
    *least = static_cast<int>(engine.getProfileShape(kInput, 0, Select::kMIN).d[0]);
    *most = static_cast<int>(engine.getProfileShape(kInput, 0, Select::kMAX).d[0]);
  }
  if (*least < 1 || *most < *least) {
    return fail(LEAF_E_ENGINE_PLAN, "the plan takes %d to %d frames", *least, *most);
  }
  return 0;
}

}  // namespace

int tensorrt_headers_major() { return NV_TENSORRT_MAJOR; }
int tensorrt_least_minor() { return NV_TENSORRT_MAJOR == 10 ? 3 : 0; }

// TensorRT's objects, destroyed in the reverse order.
struct TensorrtPlan::Parts {
  explicit Parts(const leaf_logger& to) : logger(to) {}

  Logger logger;
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::unique_ptr<nvinfer1::ICudaEngine> engine;
  std::unique_ptr<nvinfer1::IExecutionContext> lane[kMostLanes];
  int lanes = 0;
};

TensorrtPlan::TensorrtPlan(const leaf_logger& logger, std::pmr::memory_resource* memory)
    : memory_(memory) {
  parts_ = new (memory->allocate(sizeof(Parts), alignof(Parts))) Parts(logger);
}

void TensorrtPlan::close() {
  Parts& p = *parts_;
  while (p.lanes) p.lane[--p.lanes].reset();
  p.engine.reset();
  p.runtime.reset();
}

TensorrtPlan::~TensorrtPlan() {
  parts_->~Parts();
  memory_->deallocate(parts_, sizeof(Parts), alignof(Parts));
}

int TensorrtPlan::start(CreateRuntime create, int32_t version) {
  Parts& p = *parts_;
  void* made = create(&p.logger, version);
  // Where CUDA does not start, 11.4 gives the place of a base class in an object at 0 (seen:
  // 0x228).
  constexpr uintptr_t kNoObject = 4096;
  if (reinterpret_cast<uintptr_t>(made) >= kNoObject) {
    p.runtime.reset(static_cast<nvinfer1::IRuntime*>(made));
    return 0;
  }
  return fail(LEAF_E_DEVICE_NO_TENSORRT, "TensorRT makes no runtime (%s)", p.logger.last());
}

int TensorrtPlan::open(const uint8_t* data, size_t size, bool host_code, int dla) {
  Parts& p = *parts_;
  if (dla >= 0) p.runtime->setDLACore(dla);
  if (host_code) p.runtime->setEngineHostCodeAllowed(true);
  p.engine.reset(p.runtime->deserializeCudaEngine(data, size));
  if (!p.engine) {
    return fail(LEAF_E_ENGINE_PLAN, "TensorRT refuses the plan (%s)", p.logger.last());
  }
  return check_contract(*p.engine, &least_, &most_);
}

int64_t TensorrtPlan::work_bytes() const { return parts_->engine->getDeviceMemorySizeV2(); }

int TensorrtPlan::add_lane(int batch, uint64_t work, uint64_t views,
                           const uint64_t (&outputs)[kOutputTensors]) {
  Parts& p = *parts_;
  if (p.lanes == kMostLanes) return fail(LEAF_E_ENGINE_PLAN, "more than %d lanes", kMostLanes);
  auto& lane = p.lane[p.lanes];
  lane.reset(p.engine->createExecutionContext(
      nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
  if (!lane) {
    return fail(LEAF_E_ENGINE_PLAN, "TensorRT makes no execution context (%s)", p.logger.last());
  }
  const auto pointer = [](uint64_t address) { return reinterpret_cast<void*>(address); };
  lane->setDeviceMemoryV2(pointer(work), work_bytes());
  nvinfer1::Dims shape = {};
  shape.nbDims = 5;
  shape.d[0] = batch;
  for (int i = 0; i < 4; ++i) shape.d[i + 1] = kInputShape[i];
  bool taken = lane->setInputShape(kInput, shape) && lane->setTensorAddress(kInput, pointer(views));
  for (int i = 0; i < kOutputTensors; ++i) {
    taken = taken && lane->setTensorAddress(kOutputs[i], pointer(outputs[i]));
  }
  if (!taken) {
    lane.reset();
    return fail(LEAF_E_ENGINE_PLAN, "TensorRT takes no batch of %d (%s)", batch, p.logger.last());
  }
  ++p.lanes;
  return 0;
}

int TensorrtPlan::enqueue(int lane, void* stream) {
  if (parts_->lane[lane]->enqueueV3(static_cast<cudaStream_t>(stream))) return 0;
  return fail(LEAF_E_DEVICE_CUDA, "TensorRT fails (%s)", parts_->logger.last());
}

}  // namespace leaf
