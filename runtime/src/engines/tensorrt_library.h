// libnvinfer, loaded when a context opens. Nothing here needs TensorRT's headers.
#pragma once

#include "engines/engine_fit.h"

namespace leaf {

// createInferRuntime_INTERNAL of NvInferRuntime.h: the second argument is the version that the
// caller was made for.
using CreateRuntime = void* (*)(void* logger, int32_t version);

// The TensorRT libraries of this machine: at most one of each kind.
struct TensorrtLibraries {
  TensorrtFound found[kTensorrtKinds];
  CreateRuntime create[kTensorrtKinds] = {};
  int32_t number[kTensorrtKinds] = {};  // version as the library states it
  int count = 0;
  char reason[768] = "";  // why there is none
};

// Loads those of version `major`.`least_minor` and later of that major version. named: path from
// the settings; NULL: $LEAF_TENSORRT, else libnvinfer, _dispatch and _lean as the system finds
// them. They stay loaded.
void load_tensorrt(TensorrtLibraries* libraries, const char* named, int major, int least_minor);

}  // namespace leaf
