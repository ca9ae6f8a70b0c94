// In a build without the TensorRT engine. Weak: where there is one, it is taken.
#include "engine.h"
#include "error.h"

namespace leaf {

#if defined(__GNUC__)
__attribute__((weak))
#endif
int open_tensorrt(EnginePtr*, const EngineRequest&) {
  return fail(LEAF_E_DEVICE_NO_TENSORRT, "this build of LEAF-Edge has no TensorRT engine");
}

}  // namespace leaf
