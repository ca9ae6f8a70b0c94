#include "engines/onnxruntime_library.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "error.h"
#include "logger.h"

namespace leaf::ort {
namespace {

constexpr int kLibraries = 8;  // different files that a process may load

std::mutex guard;
Library libraries[kLibraries];
thread_local const leaf_logger* thread_logger = nullptr;

// Copies the first line of `text` without the spaces around it.
void first_line(char* out, size_t size, const char* text) {
  while (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t') ++text;
  size_t length = strcspn(text, "\r\n");
  if (length >= size) length = size - 1;
  memcpy(out, text, length);
  out[length] = '\0';
}

void* open_file(const char* path, const char** tried) {
  *tried = path ? path : getenv("LEAF_ONNXRUNTIME");
  if (*tried && **tried) return dlopen(*tried, RTLD_NOW | RTLD_LOCAL);
  *tried = "libonnxruntime.so.1";
  if (void* handle = dlopen(*tried, RTLD_NOW | RTLD_LOCAL)) return handle;
  *tried = "libonnxruntime.so";
  return dlopen(*tried, RTLD_NOW | RTLD_LOCAL);
}

// Fills `library` from an open file. 0 or a code; the caller closes the file on error.
int start(Library* library, void* handle, const char* file) {
  const auto base = reinterpret_cast<GetApiBase>(dlsym(handle, "OrtGetApiBase"));
  const ApiBase* functions = base ? base() : nullptr;
  if (!functions) {
    return fail(LEAF_E_DEVICE_NO_ONNXRUNTIME, "%s is not ONNX Runtime: it has no OrtGetApiBase",
                file);
  }
  library->version = functions->version();
  int major = 0, minor = 0;
  if (sscanf(library->version, "%d.%d", &major, &minor) != 2) major = 0;
  library->release = major == 1 ? minor : major > 1 ? 1000 : 0;
  // A library that is too old writes a complaint to standard error when it is asked; not asked, it
  // does not.
  const void* table = library->release && library->release < static_cast<int>(kApiVersion)
                          ? nullptr
                          : functions->get_api(kApiVersion);
  if (!table) {
    return fail(LEAF_E_DEVICE_NO_ONNXRUNTIME,
                "%s is ONNX Runtime %s; expected 1.%u or later, whose C interface is used", file,
                library->version, kApiVersion);
  }
  library->api = Api(table);
  const Api& api = library->api;
  OrtStatus* status =
      api.CreateEnvWithCustomLogger(log_message, nullptr, kSeverityError, "leaf", &library->env);
  if (!status) status = api.CreateCpuMemoryInfo(kDeviceAllocator, kMemDefault, &library->cpu);
  if (!status) status = api.GetAllocatorWithDefaultOptions(&library->allocator);
  if (status) {
    return fail(LEAF_E_DEVICE_NO_ONNXRUNTIME, "ONNX Runtime %s of %s does not start (%s)",
                library->version, file, Reason(api, status).text());
  }
  return 0;
}

}  // namespace

int load_library(const Library** out, const char* path) {
  const std::lock_guard<std::mutex> lock(guard);
  const char* tried = nullptr;
  void* handle = open_file(path, &tried);
  if (!handle) {
    char reason[201];
    const char* error = dlerror();
    first_line(reason, sizeof reason, error ? error : "no reason is given");
    const char* hint = path || strchr(tried, '/') ? "" : ", nor libonnxruntime.so.1";
    return fail(LEAF_E_DEVICE_NO_ONNXRUNTIME, "ONNX Runtime cannot be loaded from %s%s (%s)", tried,
                hint, reason);
  }
  Library* unused = nullptr;
  for (Library& library : libraries) {
    if (library.handle == handle) {
      dlclose(handle);  // the count that dlopen has just taken again
      *out = &library;
      return 0;
    }
    if (!library.handle && !unused) unused = &library;
  }
  if (!unused) {
    dlclose(handle);
    return fail(LEAF_E_DEVICE_NO_ONNXRUNTIME,
                "%s: this process has loaded %d different files of ONNX Runtime already", tried,
                kLibraries);
  }
  Library library;
  const int error = start(&library, handle, tried);
  if (error) {
    // What it is stays loaded where it has begun to start.
    if (!library.env) dlclose(handle);
    return error;
  }
  library.handle = handle;
  *unused = library;
  *out = unused;
  return 0;
}

LogScope::LogScope(const leaf_logger& logger) : before_(thread_logger) { thread_logger = &logger; }

LogScope::~LogScope() { thread_logger = before_; }

void log_message(void* cookie, int severity, const char*, const char*, const char*,
                 const char* message) {
  const leaf_logger* logger = cookie ? static_cast<const leaf_logger*>(cookie) : thread_logger;
  if (!logger || !message) return;
  char line[512];
  first_line(line, sizeof line, message);
  const int level = severity >= kSeverityError     ? LEAF_LOG_ERROR
                    : severity == kSeverityWarning ? LEAF_LOG_WARNING
                    : severity == kSeverityInfo    ? LEAF_LOG_INFO
                                                   : LEAF_LOG_DEBUG;
  log(*logger, level, "ONNX Runtime: %s", line);
}

Reason::Reason(const Api& api, OrtStatus* status) {
  // Before the reason may come where in its source it arose, ending in
  // "[ONNXRuntimeError] : 1 : FAIL : ".
  const char* text = api.GetErrorMessage(status);
  constexpr char mark[] = "[ONNXRuntimeError] : ";
  while (const char* found = strstr(text, mark)) {
    text = found + sizeof mark - 1;
    for (int part = 0; part < 2; ++part) {
      const char* colon = strstr(text, " : ");
      if (colon) text = colon + 3;
    }
  }
  first_line(text_, sizeof text_, text);
  api.ReleaseStatus(status);
}

}  // namespace leaf::ort
