#include "checkviews_options.h"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "leaf_edge/views.h"

namespace leaf_test {
namespace {

constexpr const char* kFormats[LEAF_PIXEL_FORMATS] = {
    "nv12", "nv21", "i420", "yuyv", "uyvy", "rgb", "bgr", "rgba", "bgra", "gray8", "p010"};

constexpr const char* kHelp =
    R"(usage: checkviews [options] [FRAMES [SEED [SCALE [JSON]]]]

Every kernel of the views against the plain ones, byte for byte: random and worst-case frames of odd
sizes, pitches and regions. Planes and views lie against pages that may not be touched, and what is
in the padding of rows must change nothing. Then the CUDA kernels, where there is a device.

  --isa NAME     these kernels alone: avx2, avx512, neon, cuda
  --format NAME  frames of this format alone: nv12, nv21, i420, yuyv, uyvy, rgb, bgr, rgba, bgra,
                 gray8, p010
  --frames N     cases of each set of kernels (default: 300)
  --seed N       other frames (default: 1; it is printed)
  --case N       this case alone, as a failure names it
  --bench        measure what was checked, in turns with the plain kernels: 1920x1080, one thread
  --scale N      the CUDA kernels are measured on frames this much smaller (default: 1)
  --json FILE    their measurements, to a file (docs/cuda.md)
  --list         the kernels and formats that can be named here
  --help

exit status: 0 all is the same, 1 something differs, 2 wrong options
)";

bool whole(const char* name, const char* text, int low, int* value) {
  char* end = nullptr;
  const long parsed = strtol(text, &end, 10);
  if (end == text || *end || parsed < low || parsed > INT_MAX) {
    fprintf(stderr, "checkviews: %s is '%s'; expected a whole number from %d on\n", name, text,
            low);
    return false;
  }
  *value = static_cast<int>(parsed);
  return true;
}

bool choose_format(const char* text, CheckOptions* options) {
  for (int format = 0; format < LEAF_PIXEL_FORMATS; ++format) {
    if (!strcmp(text, kFormats[format])) options->format = format;
  }
  if (options->format >= 0) return true;
  fprintf(stderr, "checkviews: there is no format '%s'; --list shows those that are\n", text);
  return false;
}

bool choose_isa(const char* text, CheckOptions* options) {
  if (!strcmp(text, "cuda")) {
    options->cpu = false;
    return true;
  }
  for (int isa = LEAF_ISA_SCALAR + 1; isa < LEAF_ISAS; ++isa) {
    if (!strcmp(text, leaf_isa_name(isa))) options->isa = isa;
  }
  if (options->isa < 0 || !leaf_isa_available(options->isa)) {
    fprintf(stderr, "checkviews: there are no kernels '%s' here; --list shows those that are\n",
            text);
    return false;
  }
  options->cuda = false;
  return true;
}

int list() {
  printf("kernels:");
  for (int isa = LEAF_ISA_SCALAR + 1; isa < LEAF_ISAS; ++isa) {
    if (leaf_isa_available(isa)) printf(" %s", leaf_isa_name(isa));
  }
  printf(" cuda\nformats:");
  for (const char* name : kFormats) printf(" %s", name);
  printf("\n");
  return 0;
}

bool take(const char* name, const char* value, CheckOptions* options) {
  if (!strcmp(name, "--isa")) return choose_isa(value, options);
  if (!strcmp(name, "--format")) return choose_format(value, options);
  if (!strcmp(name, "--frames")) return whole(name, value, 0, &options->frames);
  if (!strcmp(name, "--seed")) return whole(name, value, 0, &options->seed);
  if (!strcmp(name, "--case")) return whole(name, value, 0, &options->only);
  if (!strcmp(name, "--scale")) return whole(name, value, 1, &options->scale);
  options->json = value;
  return true;
}

}  // namespace

const char* format_name(int format) {
  return format >= 0 && format < LEAF_PIXEL_FORMATS ? kFormats[format] : nullptr;
}

int parse_check_options(int argc, char** argv, CheckOptions* options) {
  constexpr const char* kPlaces[] = {"--frames", "--seed", "--scale", "--json"};
  constexpr const char* kValues[] = {"--isa",  "--format", "--frames", "--seed",
                                     "--case", "--scale",  "--json"};
  size_t place = 0;
  for (int at = 1; at < argc; ++at) {
    const char* const word = argv[at];
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) return fputs(kHelp, stdout) < 0 ? 2 : 0;
    if (!strcmp(word, "--list")) return list();
    if (!strcmp(word, "--bench")) {
      options->bench = true;
      continue;
    }
    bool known = false;
    for (const char* name : kValues) known = known || !strcmp(word, name);
    if (known) {
      if (++at == argc) {
        fprintf(stderr, "checkviews: %s needs a value\n", word);
        return 2;
      }
      if (!take(word, argv[at], options)) return 2;
    } else if (word[0] == '-' || place == sizeof kPlaces / sizeof *kPlaces) {
      fprintf(stderr, "checkviews: what is '%s'? checkviews --help shows the options\n", word);
      return 2;
    } else if (!take(kPlaces[place++], word, options)) {
      return 2;
    }
  }
  return -1;
}

}  // namespace leaf_test
