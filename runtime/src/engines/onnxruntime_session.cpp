#include "engines/onnxruntime_session.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "error.h"

namespace leaf::ort {
namespace {

constexpr const char* kCudaProvider = "CUDAExecutionProvider";

// The first release that looks for weights outside of the model where it is told to. Before that a
// model that names such a file is refused here: it would be read from the working directory, and
// only what the bundle's hashes cover is used.
constexpr int kFolderRelease = 21;

// Whether the model may name files outside of it: a tensor that does has an entry with this key
// (onnx.proto, TensorProto.external_data).
bool names_files(const std::pmr::vector<uint8_t>& model) {
  constexpr char key[] = "location";
  return std::search(model.begin(), model.end(), key, key + sizeof key - 1) != model.end();
}

// Session options, released at the end.
struct Options {
  explicit Options(const Api& which) : api(which) {}
  ~Options() {
    if (value) api.ReleaseSessionOptions(value);
  }
  const Api& api;
  OrtSessionOptions* value = nullptr;
};

// The options of leaf_edge/runtime/engine.py, which says why.
OrtStatus* set_options(Options* options, int threads, leaf_logger* logger) {
  const Api& api = options->api;
  OrtStatus* status = api.CreateSessionOptions(&options->value);
  OrtSessionOptions* value = options->value;
  if (!status) status = api.SetIntraOpNumThreads(value, threads);
  if (!status) status = api.SetInterOpNumThreads(value, 1);
  if (!status) status = api.SetSessionExecutionMode(value, kSequential);
  if (!status) status = api.SetSessionGraphOptimizationLevel(value, kEnableAll);
  if (!status) status = api.SetSessionLogSeverityLevel(value, kSeverityError);
  if (!status) status = api.SetUserLoggingFunction(value, log_message, logger);
  constexpr const char* entries[][2] = {
      {"session.force_spinning_stop", "1"},
      {"session.x64quantprecision", "1"},
      {"session.model_external_initializers_file_folder_path", "/dev/null"}};
  for (const auto& entry : entries) {
    if (!status) status = api.AddSessionConfigEntry(value, entry[0], entry[1]);
  }
  return status;
}

OrtStatus* append_cuda(Options* options, const leaf_settings& settings) {
  const Api& api = options->api;
  OrtCUDAProviderOptionsV2* cuda = nullptr;
  OrtStatus* status = api.CreateCUDAProviderOptions(&cuda);
  char device[16];
  snprintf(device, sizeof device, "%d", static_cast<int>(settings.device));
  const char *key = "device_id", *value = device;
  if (!status) status = api.UpdateCUDAProviderOptions(cuda, &key, &value, 1);
  if (!status && settings.cuda_stream) {
    status =
        api.UpdateCUDAProviderOptionsWithValue(cuda, "user_compute_stream", settings.cuda_stream);
  }
  if (!status) status = api.SessionOptionsAppendExecutionProvider_CUDA_V2(options->value, cuda);
  if (cuda) api.ReleaseCUDAProviderOptions(cuda);
  return status;
}

// 0 where the library was built with the CUDA provider.
int find_cuda(const Library& library) {
  char** names = nullptr;
  int count = 0;
  OrtStatus* status = library.api.GetAvailableProviders(&names, &count);
  if (status) {
    return fail(LEAF_E_DEVICE_NO_PROVIDER,
                "ONNX Runtime %s does not say what providers it has (%s)", library.version,
                Reason(library.api, status).text());
  }
  bool there = false;
  char list[256] = "";
  size_t length = 0;
  for (int at = 0; at < count; ++at) {
    there = there || strcmp(names[at], kCudaProvider) == 0;
    const int more = snprintf(list + length, sizeof list - length, at ? ", %s" : "%s", names[at]);
    length = std::min(sizeof list - 1, length + static_cast<size_t>(std::max(more, 0)));
  }
  status = library.api.ReleaseAvailableProviders(names, count);
  if (status) library.api.ReleaseStatus(status);
  if (there) return 0;
  return fail(LEAF_E_DEVICE_NO_PROVIDER, "ONNX Runtime %s has no %s; it has: %s", library.version,
              kCudaProvider, list);
}

int no_start(const Library& library, const char* reason) {
  return fail(LEAF_E_DEVICE_NO_PROVIDER,
              "%s of ONNX Runtime %s does not start (%s; its CUDA and cuDNN libraries must be "
              "installed)",
              kCudaProvider, library.version, reason);
}

}  // namespace

int open_session(OrtSession** session, const Library& library,
                 const std::pmr::vector<uint8_t>& model, const leaf_settings& settings, int code,
                 leaf_logger* logger) {
  const Api& api = library.api;
  const bool cuda = code == LEAF_ENGINE_CUDA;
  if (library.release < kFolderRelease && names_files(model)) {
    return fail(LEAF_E_BUNDLE_MODEL,
                "the network may have weights in files outside of the bundle, which ONNX Runtime "
                "%s would read from anywhere; expected 1.%d or later for it",
                library.version, kFolderRelease);
  }
  if (cuda) {
    const int error = find_cuda(library);
    if (error) return error;
  }
  Options options(api);
  OrtStatus* status = set_options(&options, settings.threads, logger);
  if (status) {
    return fail(LEAF_E_DEVICE_NO_ONNXRUNTIME, "ONNX Runtime %s refuses the session's options (%s)",
                library.version, Reason(api, status).text());
  }
  if (cuda) {
    status = append_cuda(&options, settings);
    if (status) return no_start(library, Reason(api, status).text());
  }
  status =
      api.CreateSessionFromArray(library.env, model.data(), model.size(), options.value, session);
  if (!status) return 0;
  const Reason reason(api, status);
  if (cuda) {
    // Is it the network or the device? A network that the CPU takes is not at fault.
    Options plain(api);
    OrtSession* trial = nullptr;
    status = set_options(&plain, 1, logger);
    if (!status) {
      status =
          api.CreateSessionFromArray(library.env, model.data(), model.size(), plain.value, &trial);
    }
    if (status) {
      api.ReleaseStatus(status);
    } else {
      api.ReleaseSession(trial);
      return no_start(library, reason.text());
    }
  }
  return fail(LEAF_E_BUNDLE_MODEL, "the network cannot be loaded (%s)", reason.text());
}

}  // namespace leaf::ort
