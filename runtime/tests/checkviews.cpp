// Every kernel of the views against the plain ones, byte for byte; checkviews --help. Then the CUDA
// kernels in the same way, where there is a device, and measured (docs/cuda.md).
#include <cstdio>

#include "checkviews_cpu.h"
#include "checkviews_cuda.h"
#include "checkviews_options.h"

int main(int argc, char** argv) {
  leaf_test::CheckOptions options;
  const int status = leaf_test::parse_check_options(argc, argv, &options);
  if (status >= 0) return status;
  printf("seed %d\n", options.seed);
  int failures = options.cpu ? leaf_test::check_cpu(options) : 0;
  if (options.cuda && options.only < 0) {
    failures += leaf_test::check_cuda(options.frames, options.seed, options.scale, options.json);
  }
  printf("%d failures\n", failures);
  return failures ? 1 : 0;
}
