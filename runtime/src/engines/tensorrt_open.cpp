// Preflight, then the engine. A plan that is given to TensorRT on a machine with no driver ends the
// process: nothing of TensorRT is touched before everything else fits.
#include <memory>
#include <new>

#include "engines/engine_fit.h"
#include "engines/tensorrt_engine.h"
#include "error.h"

namespace leaf {
namespace {

// What the preflight looks at; a few kilobytes, not for the stack of a small device.
struct Preflight {
  cuda::Machine machine;
  TensorrtLibraries libraries;
};

template <class T>
using Made = std::unique_ptr<T, Delete<T>>;

template <class T, class... Arguments>
Made<T> make(std::pmr::memory_resource* memory, Arguments&&... arguments) {
  void* room = memory->allocate(sizeof(T), alignof(T));
  const Delete<T> release{memory, sizeof(T), alignof(T)};
  try {
    return Made<T>(new (room) T(std::forward<Arguments>(arguments)...), release);
  } catch (...) {
    memory->deallocate(room, sizeof(T), alignof(T));
    throw;
  }
}

}  // namespace

int open_tensorrt(EnginePtr* engine, const EngineRequest& request) {
  const Bundle& bundle = *request.bundle;
  const leaf_settings& settings = *request.settings;
  const auto preflight = make<Preflight>(request.memory);
  const cuda::Machine& machine = preflight->machine;
  TensorrtLibraries& libraries = preflight->libraries;
  cuda::probe(&preflight->machine);
  if (machine.driver) {
    load_tensorrt(&libraries, settings.tensorrt, tensorrt_headers_major(), tensorrt_least_minor());
  }
  EngineFit fit;
  if (const int error = find_fit(&fit, bundle.engines, machine, libraries.found, libraries.count,
                                 libraries.reason, system_name(), settings.device)) {
    return error;
  }
  if (!bundle.trt.present) {
    return fail(LEAF_E_BUNDLE_ENCODING, "the bundle has an engine, but no encoding trt");
  }
  const std::pmr::vector<uint8_t>* plan;
  if (const int error = take_plan(&plan, bundle, fit)) return error;
  auto made = make<TensorrtEngine>(request.memory, request);
  if (const int error = made->open(machine, libraries, fit, *plan)) return error;
  const auto release = made.get_deleter();
  *engine = EnginePtr(made.release(), {release.memory, release.size, release.alignment});
  return 0;
}

}  // namespace leaf
