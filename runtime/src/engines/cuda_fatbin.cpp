#include "engines/cuda_fatbin.h"

#include <cstdio>
#include <cstdlib>

#ifdef LEAF_FATBIN
// In the library's read-only data, aligned as the driver likes it.
__asm__(
    ".pushsection .rodata\n"
    ".balign 64\n"
    ".globl leaf_views_fatbin\n"
    ".hidden leaf_views_fatbin\n"
    "leaf_views_fatbin:\n"
    ".incbin \"" LEAF_FATBIN
    "\"\n"
    ".popsection\n");
extern "C" const unsigned char leaf_views_fatbin[];
#endif

namespace leaf::cuda {

const void* views_image(std::pmr::vector<unsigned char>* file, const char** reason) {
  const char* path = getenv("LEAF_VIEWS_FATBIN");
  if (!path || !*path) {
#ifdef LEAF_FATBIN
    return leaf_views_fatbin;
#else
    *reason =
        "this build has no CUDA kernels (nvcc was not there); LEAF_VIEWS_FATBIN may name them";
    return nullptr;
#endif
  }
  *reason = "the file that LEAF_VIEWS_FATBIN names cannot be read";
  FILE* stream = fopen(path, "rb");
  if (!stream) return nullptr;
  unsigned char part[4096];
  size_t count;
  while ((count = fread(part, 1, sizeof part, stream)) > 0) {
    file->insert(file->end(), part, part + count);
  }
  fclose(stream);
  return file->empty() ? nullptr : file->data();
}

}  // namespace leaf::cuda
