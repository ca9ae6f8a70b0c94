// libonnxruntime, loaded at run time and kept until the process ends.
#pragma once

#include "engines/onnxruntime_abi.h"
#include "leaf_edge/leaf.h"

namespace leaf::ort {

// One libonnxruntime of this process with its environment, which all contexts share: ONNX Runtime
// has one for a process. It is never unloaded: its threads and exit handlers do not expect that.
struct Library {
  Api api;
  void* handle = nullptr;    // of dlopen
  OrtEnv* env = nullptr;     // NULL until the first engine opens
  const char* version = "";  // "1.32.0", of the library
  int release = 0;           // 32 of "1.32.0"; what is newer than 1.x counts as very new
  OrtMemoryInfo* cpu = nullptr;
  OrtAllocator* allocator = nullptr;  // of names that sessions give
};

// The library at `path`; NULL: at $LEAF_ONNXRUNTIME, else as the system finds it. 0, or
// LEAF_E_DEVICE_NO_ONNXRUNTIME with its message kept. Any thread.
int load_library(const Library** library, const char* path);

// Where messages go that ONNX Runtime has for no session, on this thread while this lives.
class LogScope {
 public:
  explicit LogScope(const leaf_logger& logger);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  const leaf_logger* before_;
};

// A LogFunction; cookie: const leaf_logger*, NULL for that of the LogScope.
void log_message(void* cookie, int severity, const char* category, const char* id,
                 const char* location, const char* message);

// The first line of a status, at most 200 bytes, for a message of ours. Releases it.
class Reason {
 public:
  Reason(const Api& api, OrtStatus* status);
  const char* text() const { return text_; }

 private:
  char text_[201];
};

}  // namespace leaf::ort
