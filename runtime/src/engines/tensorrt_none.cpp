// In the place of the TensorRT engine in a build without TensorRT's headers.
#include "engine.h"
#include "error.h"

namespace leaf {

int open_tensorrt(EnginePtr*, const EngineRequest&) {
  return fail(LEAF_E_DEVICE_NO_TENSORRT,
              "this build of LEAF-Edge has no TensorRT engine: NvInferRuntime.h was not found "
              "(LEAF_TENSORRT_INCLUDE_DIR names its folder)");
}

}  // namespace leaf
