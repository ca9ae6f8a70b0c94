/* A bundle that TensorRT cannot run here is refused with a code, and nothing ends the process.
 *   tensorrt_refused_test BUNDLE NAME_OF_THE_CODE */
#include <dlfcn.h>
#include <leaf_edge/leaf.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  leaf_settings settings;
  leaf_context* context;
  int error;
  if (argc != 3) return 2;
  if (strcmp(argv[2], "LEAF_E_DEVICE_NO_DRIVER") == 0 && dlopen("libcuda.so.1", RTLD_NOW)) {
    printf("skipped: this machine has a CUDA driver\n");
    return 77;
  }
  leaf_default_settings(&settings);
  settings.engines[0] = LEAF_ENGINE_TENSORRT;
  error = leaf_open(&context, argv[1], &settings);
  printf("%s: %s\n", leaf_error_name(error), leaf_last_message());
  leaf_close(context);
  return error >= 0 || context || strcmp(leaf_error_name(error), argv[2]) != 0;
}
