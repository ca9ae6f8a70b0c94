// The engine of a context: the first of the caller's list that can run.
#include <cerrno>
#include <cstdio>

#include "engine.h"
#include "error.h"
#include "logger.h"

namespace leaf {
namespace {

int open_code(EnginePtr* engine, const EngineRequest& request, int code) {
  if (code == LEAF_ENGINE_TENSORRT) return open_tensorrt(engine, request);
  return open_onnxruntime(engine, request, code);
}

}  // namespace

int Engine::run_frames(const leaf_input*, int, RawOutput*, RunTimes*) {
  return fail(LEAF_E_BUNDLE_MODEL, "engine %s takes views, not frames", leaf_engine_name(code()));
}

int Engine::prepare(const leaf_input*, int) { return 0; }

int open_engine(EnginePtr* engine, const EngineRequest& request) {
  const leaf_settings& settings = *request.settings;
  int first_error = 0;
  char first_message[1024] = "";
  for (const int32_t code : settings.engines) {
    if (code == LEAF_ENGINE_NONE) break;
    const int error = open_code(engine, request, code);
    if (!error || error == -ENOMEM) return error;
    if (settings.engines[1] != LEAF_ENGINE_NONE) {  // of one alone the error says it all
      log(settings.logger, LEAF_LOG_WARNING, "engine %s is skipped: %s: %s", leaf_engine_name(code),
          leaf_error_name(error), last_message());
    }
    if (!first_error) {
      first_error = error;
      snprintf(first_message, sizeof first_message, "%s", last_message());
    }
  }
  return fail(first_error, "%s", first_message);
}

}  // namespace leaf
