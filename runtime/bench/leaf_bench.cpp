// Where the time of a frame goes: one NV12 frame to score, over and over, through leaf_edge/leaf.h.
//   leaf_bench BUNDLE [--size 1920x1080] [--frames 300] [--threads 1] [--json]
// LEAF_ONNXRUNTIME names the engine's library. Prints the median and the 95th percentile of each
// stage, and the share of the whole that is not the engine's. Exit code 1 where it cannot score, 2
// for wrong options.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "leaf_edge/leaf.h"

namespace {

constexpr int kFrames = 4;  // in turn: 12 MB of 1080p, more than a core's own caches
constexpr int kWarmUp = 20;

struct Options {
  const char* bundle = nullptr;
  int width = 1920, height = 1080, frames = 300, threads = 1;
  bool json = false;
};

bool parse(int argc, char** argv, Options* options) {
  for (int n = 1; n < argc; ++n) {
    const bool more = n + 1 < argc;
    if (!strcmp(argv[n], "--json")) {
      options->json = true;
    } else if (!strcmp(argv[n], "--size") && more) {
      if (sscanf(argv[++n], "%dx%d", &options->width, &options->height) != 2) return false;
    } else if (!strcmp(argv[n], "--frames") && more) {
      options->frames = atoi(argv[++n]);
    } else if (!strcmp(argv[n], "--threads") && more) {
      options->threads = atoi(argv[++n]);
    } else if (argv[n][0] == '-' || options->bundle) {
      return false;
    } else {
      options->bundle = argv[n];
    }
  }
  return options->bundle && options->frames > 0 && options->width > 0 && options->height > 0 &&
         options->width <= LEAF_MAX_DIMENSION && options->height <= LEAF_MAX_DIMENSION;
}

// Gradients with noise: no two frames alike, and nothing that a kernel could skip.
std::vector<uint8_t> make_frame(int width, int height, uint32_t seed) {
  const size_t row = static_cast<size_t>(width + width % 2);
  const size_t rows = static_cast<size_t>(height) + static_cast<size_t>(height + 1) / 2;
  std::vector<uint8_t> bytes(row * rows);
  for (size_t n = 0; n < bytes.size(); ++n) {
    seed = seed * 1664525 + 1013904223;
    bytes[n] = static_cast<uint8_t>(40 + (n % row + n / row) / 16 % 150 + (seed >> 27));
  }
  return bytes;
}

struct Stage {
  const char* name;
  std::vector<double> ms;

  double percentile(int percent) const {
    std::vector<double> sorted = ms;
    std::sort(sorted.begin(), sorted.end());
    return sorted[(sorted.size() - 1) * static_cast<size_t>(percent) / 100];
  }
};

int fail(int error) {
  fprintf(stderr, "%s: %s; %s\n", leaf_error_name(error), leaf_last_message(),
          leaf_error_remedy(error));
  return 1;
}

void print(const Options& options, const leaf_info& info, const std::vector<Stage>& stages,
           const Stage& share) {
  const Stage& whole = stages.back();
  const auto fastest = std::min_element(whole.ms.begin(), whole.ms.end()) - whole.ms.begin();
  const double of_fastest = share.ms[static_cast<size_t>(fastest)];
  if (options.json) {
    printf("{\"model\": \"%s\", \"engine\": \"%s\", \"views\": \"%s\", \"width\": %d, ", info.model,
           info.engine, leaf_isa_name(info.isa), options.width);
    printf("\"height\": %d, \"format\": \"nv12\", \"threads\": %d, \"frames\": %d, \"ms\": {",
           options.height, options.threads, options.frames);
    for (const Stage& stage : stages) {
      printf("%s\"%s\": {\"min\": %.4f, \"p50\": %.4f, \"p95\": %.4f}",
             &stage == stages.data() ? "" : ", ", stage.name, stage.percentile(0),
             stage.percentile(50), stage.percentile(95));
    }
    printf("}, \"outside_engine\": {\"p50\": %.4f, \"fastest\": %.4f}}\n", share.percentile(50),
           of_fastest);
    return;
  }
  printf("%s on %s, views by %s: %dx%d NV12, %d thread%s, %d frames\n", info.model, info.engine,
         leaf_isa_name(info.isa), options.width, options.height, options.threads,
         options.threads == 1 ? "" : "s", options.frames);
  printf("  %-12s %9s %9s %9s\n", "ms", "min", "p50", "p95");
  for (const Stage& stage : stages) {
    printf("  %-12s %9.3f %9.3f %9.3f\n", stage.name, stage.percentile(0), stage.percentile(50),
           stage.percentile(95));
  }
  printf("  outside of the inference engine: %.1f %% of a frame (median), %.1f %% of the fastest\n",
         share.percentile(50) * 100, of_fastest * 100);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, &options)) {
    fprintf(stderr,
            "usage: leaf_bench BUNDLE [--size 1920x1080] [--frames 300] [--threads 1] [--json]\n");
    return 2;
  }
  leaf_settings settings;
  leaf_default_settings(&settings);
  settings.threads = options.threads;
  leaf_context* context = nullptr;
  if (const int error = leaf_open(&context, options.bundle, &settings)) return fail(error);

  std::vector<std::vector<uint8_t>> frames;
  for (int n = 0; n < kFrames; ++n) {
    frames.push_back(make_frame(options.width, options.height, static_cast<uint32_t>(n) + 1));
  }
  leaf_input input;
  leaf_default_input(&input);
  input.frame.width = options.width;
  input.frame.height = options.height;
  input.frame.format = LEAF_NV12;
  input.frame.matrix = LEAF_BT709;
  input.frame.range = LEAF_LIMITED;
  input.frame.pitch[0] = input.frame.pitch[1] = options.width + options.width % 2;

  std::vector<Stage> stages = {{"views", {}}, {"inference", {}}, {"mapping", {}}, {"whole", {}}};
  Stage share{"share", {}};
  for (int n = -kWarmUp; n < options.frames; ++n) {
    const std::vector<uint8_t>& frame = frames[static_cast<size_t>(n + kWarmUp) % kFrames];
    input.frame.plane[0] = frame.data();
    input.frame.plane[1] = frame.data() + input.frame.pitch[0] * options.height;
    leaf_score score;
    const auto start = std::chrono::steady_clock::now();
    const int error = leaf_score_frames(context, &input, 1, &score);
    const std::chrono::duration<double, std::milli> whole =
        std::chrono::steady_clock::now() - start;
    if (error) return fail(error);
    if (n < 0) continue;
    const double inference = static_cast<double>(score.inference_ns) / 1e6;
    stages[0].ms.push_back(static_cast<double>(score.views_ns) / 1e6);
    stages[1].ms.push_back(inference);
    stages[2].ms.push_back(static_cast<double>(score.mapping_ns) / 1e6);
    stages[3].ms.push_back(whole.count());
    share.ms.push_back((whole.count() - inference) / whole.count());
  }
  leaf_info info;
  if (const int error = leaf_get_info(context, &info)) return fail(error);
  print(options, info, stages, share);
  leaf_close(context);
  return 0;
}
