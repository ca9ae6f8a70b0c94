// The engine of leaf_settings.engines `cpu` and `cuda`: ONNX Runtime through its C interface.
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <memory>
#include <new>
#include <vector>

#include "engine.h"
#include "engines/onnxruntime_contract.h"
#include "engines/onnxruntime_session.h"
#include "error.h"

namespace leaf {
namespace {

using ort::kOutputNames;
using ort::kOutputs;

class OnnxRuntimeEngine final : public Engine {
 public:
  OnnxRuntimeEngine(std::pmr::memory_resource* memory, int code, const leaf_logger& logger)
      : code_(code), logger_(logger), batches_(memory), outputs_(memory) {}

  ~OnnxRuntimeEngine() override {
    if (!library_) return;
    for (const Batch& batch : batches_) {
      if (batch.views) library_->api.ReleaseValue(batch.views);
      for (OrtValue* output : batch.outputs) {
        if (output) library_->api.ReleaseValue(output);
      }
    }
    if (session_) library_->api.ReleaseSession(session_);
  }

  int open(const leaf_settings& settings, const std::pmr::vector<uint8_t>& model);

  int code() const override { return code_; }
  const char* description() const override { return description_; }
  bool trt_encoding() const override { return code_ == LEAF_ENGINE_CUDA; }
  int run_views(const uint8_t* views, int count, RawOutput* outputs) override;

 private:
  // Tensors of ONNX Runtime over our memory, for one number of frames.
  struct Batch {
    const uint8_t* bytes = nullptr;  // that `views` is over
    OrtValue* views = nullptr;
    OrtValue* outputs[kOutputs] = {};
  };

  OrtStatus* bind_views(Batch* batch, const uint8_t* views, int count);
  OrtStatus* bind_outputs(int count);
  int infer(const uint8_t* views, int count);
  int check_finite(int count) const;

  float* output(int which) { return outputs_.data() + which * batch_size(); }
  const float* output(int which) const { return outputs_.data() + which * batch_size(); }
  size_t batch_size() const { return batches_.size(); }

  const int code_;
  const leaf_logger logger_;
  const ort::Library* library_ = nullptr;
  OrtSession* session_ = nullptr;
  std::pmr::vector<Batch> batches_;  // [count - 1]
  std::pmr::vector<float> outputs_;  // mos [batch], spread [batch], faults [batch, LEAF_FAULTS]
  char description_[LEAF_TEXT_SIZE] = "";
};

int OnnxRuntimeEngine::open(const leaf_settings& settings, const std::pmr::vector<uint8_t>& model) {
  const ort::LogScope scope(logger_);
  int error = ort::load_library(&library_, settings.onnxruntime);
  if (error) return error;
  snprintf(description_, sizeof description_, "ONNX Runtime %.40s, %s", library_->version,
           code_ == LEAF_ENGINE_CUDA ? "CUDAExecutionProvider" : "CPUExecutionProvider");
  error = ort::open_session(&session_, *library_, model, settings, code_,
                            const_cast<leaf_logger*>(&logger_));
  if (!error) error = ort::check_contract(*library_, session_);
  if (error) return error;

  const auto size = static_cast<size_t>(settings.batch);
  batches_.resize(size);
  outputs_.resize(size * (2 + LEAF_FAULTS));
  for (int count = 1; count <= settings.batch; ++count) {
    OrtStatus* status = bind_outputs(count);
    if (status) {
      return fail(LEAF_E_DEVICE_NO_ONNXRUNTIME, "ONNX Runtime %s makes no tensors (%s)",
                  library_->version, ort::Reason(library_->api, status).text());
    }
  }
  // ONNX Runtime takes its own memory in the first run of a size. That is now, for the largest and
  // the most usual one, not with the first frame.
  std::pmr::vector<uint8_t> views(size * LEAF_VIEWS_BYTES, uint8_t{128},
                                  batches_.get_allocator().resource());
  error = infer(views.data(), settings.batch);
  if (!error && settings.batch > 1) error = infer(views.data(), 1);
  for (Batch& batch : batches_) batch.bytes = nullptr;  // `views` goes
  return error;
}

OrtStatus* OnnxRuntimeEngine::bind_outputs(int count) {
  Batch& batch = batches_[static_cast<size_t>(count - 1)];
  const int64_t shape[] = {count, LEAF_FAULTS};
  for (int which = 0; which < kOutputs; ++which) {
    const size_t rank = which == 2 ? 2 : 1;
    const auto numbers = static_cast<size_t>(count) * (which == 2 ? LEAF_FAULTS : 1);
    OrtStatus* status = library_->api.CreateTensorWithDataAsOrtValue(
        library_->cpu, output(which), numbers * sizeof(float), shape, rank, ort::kFloat,
        &batch.outputs[which]);
    if (status) return status;
  }
  return nullptr;
}

// A tensor over the caller's views. Contexts pass the same memory every time: it is made once.
OrtStatus* OnnxRuntimeEngine::bind_views(Batch* batch, const uint8_t* views, int count) {
  if (batch->bytes == views) return nullptr;
  if (batch->views) library_->api.ReleaseValue(batch->views);
  batch->views = nullptr;
  batch->bytes = nullptr;
  const int64_t shape[] = {count, 2, 3, LEAF_VIEWS_SIZE, LEAF_VIEWS_SIZE};
  // Inputs are only read; the interface has one function for inputs and outputs.
  OrtStatus* status = library_->api.CreateTensorWithDataAsOrtValue(
      library_->cpu, const_cast<uint8_t*>(views), static_cast<size_t>(count) * LEAF_VIEWS_BYTES,
      shape, 5, ort::kUint8, &batch->views);
  if (!status) batch->bytes = views;
  return status;
}

int OnnxRuntimeEngine::infer(const uint8_t* views, int count) {
  Batch& batch = batches_[static_cast<size_t>(count - 1)];
  OrtStatus* status = bind_views(&batch, views, count);
  if (!status) {
    status = library_->api.Run(session_, nullptr, &ort::kInputName, &batch.views, 1, kOutputNames,
                               kOutputs, batch.outputs);
  }
  if (!status) return 0;
  return fail(LEAF_E_BUNDLE_MODEL, "the network failed (%s)",
              ort::Reason(library_->api, status).text());
}

int OnnxRuntimeEngine::check_finite(int count) const {
  for (int which = 0; which < kOutputs; ++which) {
    const int numbers = count * (which == 2 ? LEAF_FAULTS : 1);
    for (int at = 0; at < numbers; ++at) {
      if (!std::isfinite(output(which)[at])) {
        return fail(LEAF_E_BUNDLE_MODEL, "output %s of the network is not a finite number",
                    kOutputNames[which]);
      }
    }
  }
  return 0;
}

int OnnxRuntimeEngine::run_views(const uint8_t* views, int count, RawOutput* outputs) {
  if (!views || !outputs || count < 1 || static_cast<size_t>(count) > batch_size()) {
    return fail(-EINVAL, "%d frames for an engine that was opened for 1 to %zu", count,
                batch_size());
  }
  const ort::LogScope scope(logger_);
  int error = infer(views, count);
  if (!error) error = check_finite(count);
  if (error) return error;
  for (int at = 0; at < count; ++at) {
    outputs[at].mos = output(0)[at];
    outputs[at].spread = output(1)[at];
    for (int fault = 0; fault < LEAF_FAULTS; ++fault) {
      outputs[at].faults[fault] = output(2)[at * LEAF_FAULTS + fault];
    }
  }
  return 0;
}

}  // namespace

int open_onnxruntime(EnginePtr* engine, const EngineRequest& request, int code) {
  const bool cuda = code == LEAF_ENGINE_CUDA;
  const EncodingEntry& encoding = cuda ? request.bundle->trt : request.bundle->cpu;
  if (!encoding.present) {
    return fail(LEAF_E_BUNDLE_ENCODING, "the bundle has no encoding '%s', which the engine %s runs",
                cuda ? "trt" : "cpu", cuda ? "cuda" : "cpu");
  }
  const std::pmr::vector<uint8_t>* model = request.bundle->file(encoding.file);
  if (!model) {
    return fail(LEAF_E_BUNDLE_FILES, "the bundle lacks %s", encoding.file.c_str());
  }
  using Made = OnnxRuntimeEngine;
  void* room = request.memory->allocate(sizeof(Made), alignof(Made));
  EnginePtr made(new (room) Made(request.memory, code, request.settings->logger),
                 Delete<Engine>{request.memory, sizeof(Made), alignof(Made)});
  const int error = static_cast<Made*>(made.get())->open(*request.settings, *model);
  if (!error) *engine = std::move(made);
  return error;
}

}  // namespace leaf
