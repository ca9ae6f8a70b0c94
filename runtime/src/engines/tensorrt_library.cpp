#include "engines/tensorrt_library.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace leaf {
namespace {

void add_reason(TensorrtLibraries* libraries, const char* text) {
  const size_t used = strlen(libraries->reason);
  snprintf(libraries->reason + used, sizeof libraries->reason - used, "%s%.240s", used ? "; " : "",
           text);
}

// A full library builds plans; of those that only run them, the dispatch one is told by its name.
TensorrtKind kind_of(void* library, const char* name) {
  if (dlsym(library, "createInferBuilder_INTERNAL")) return TensorrtKind::kFull;
  return strstr(name, "dispatch") ? TensorrtKind::kDispatch : TensorrtKind::kLean;
}

void try_library(TensorrtLibraries* libraries, const char* name, int major, int least_minor) {
  char text[400];
  void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* error = dlerror();
    snprintf(text, sizeof text, "%.100s cannot be loaded (%.250s)", name,
             error ? error : "no reason was given");
    return add_reason(libraries, text);
  }
  const auto create =
      reinterpret_cast<CreateRuntime>(dlsym(library, "createInferRuntime_INTERNAL"));
  const auto version = reinterpret_cast<int32_t (*)()>(dlsym(library, "getInferLibVersion"));
  if (!create || !version) {
    snprintf(text, sizeof text, "%.100s is no TensorRT library: it lacks createInferRuntime", name);
    return add_reason(libraries, text);
  }
  const int n = libraries->count;
  TensorrtFound& found = libraries->found[n];
  // NV_TENSORRT_VERSION since 10.0: ten thousands, hundreds, ones.
  const int32_t number = version();
  found.version = {number / 10000, number / 100 % 100, number % 100};
  const TensorrtVersion& v = found.version;
  if (v.major != major || v.minor < least_minor) {
    snprintf(text, sizeof text,
             "%.100s is TensorRT %d.%d.%d; this build of LEAF-Edge is for %d.%d and later of %d",
             name, v.major, v.minor, v.patch, major, least_minor, major);
    return add_reason(libraries, text);
  }
  found.kind = kind_of(library, name);
  const char* file = strrchr(name, '/');
  snprintf(found.label, sizeof found.label, "%.90s %d.%d.%d", file ? file + 1 : name, v.major,
           v.minor, v.patch);
  libraries->create[n] = create;
  libraries->number[n] = number;
  ++libraries->count;
}

}  // namespace

void load_tensorrt(TensorrtLibraries* libraries, const char* named, int major, int least_minor) {
  *libraries = {};
  const char* path = named ? named : getenv("LEAF_TENSORRT");
  if (path && *path) return try_library(libraries, path, major, least_minor);
  for (const char* stem : {"libnvinfer", "libnvinfer_dispatch", "libnvinfer_lean"}) {
    char name[64];
    snprintf(name, sizeof name, "%s.so.%d", stem, major);
    try_library(libraries, name, major, least_minor);
  }
}

}  // namespace leaf
