// leaf-score: quality of the frames of y4m, raw and image files or pipes, without Python.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "common/arguments.h"
#include "common/errors.h"
#include "common/output.h"
#include "readers/image.h"
#include "score/gates.h"
#include "score/options.h"
#include "score/pipeline.h"

namespace leaf_tools {
namespace {

void log_line(void*, int level, const char* line) {
  if (level <= LEAF_LOG_WARNING) say(line);
}

// Times of a whole run, for --timings.
class Clock {
 public:
  void add(const Row& row) {
    ++frames_;
    const auto acquire = static_cast<int64_t>(row.acquire_ms * 1e6);
    acquire_.min_ns = acquire_.count ? std::min(acquire_.min_ns, acquire) : acquire;
    acquire_.max_ns = std::max(acquire_.max_ns, acquire);
    acquire_.sum_ns += acquire;
    ++acquire_.count;
  }

  void print(leaf_context* context) const {
    const auto taken = std::chrono::steady_clock::now() - start_;
    const double seconds = std::chrono::duration<double>(taken).count();
    fprintf(stderr, "%llu frames in %.3f s, %.1f frames/s\n",
            static_cast<unsigned long long>(frames_), seconds,
            static_cast<double>(frames_) / seconds);
    leaf_timings timings;
    if (leaf_get_timings(context, &timings) < 0) return;
    fprintf(stderr, "%-10s %8s %10s %10s %10s\n", "stage", "count", "mean ms", "min ms", "max ms");
    print("acquire", acquire_);
    print("queue", timings.queue);
    print("views", timings.views);
    print("inference", timings.inference);
    print("mapping", timings.mapping);
  }

 private:
  static void print(const char* name, const leaf_stage& stage) {
    const double mean =
        stage.count ? static_cast<double>(stage.sum_ns) / static_cast<double>(stage.count) : 0;
    fprintf(stderr, "%-10s %8llu %10.3f %10.3f %10.3f\n", name,
            static_cast<unsigned long long>(stage.count), mean / 1e6,
            static_cast<double>(stage.min_ns) / 1e6, static_cast<double>(stage.max_ns) / 1e6);
  }

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  uint64_t frames_ = 0;
  leaf_stage acquire_ = {};
};

void say_notice(const std::string& line) { say(line); }

int score(const ScoreOptions& options) {
  leaf_settings settings = options.settings;
  if (options.keys.count) {
    settings.keys = options.keys.count;
    settings.key = options.keys.bytes;
  }
  if (options.onnxruntime) settings.onnxruntime = options.onnxruntime->c_str();
  if (options.tensorrt) settings.tensorrt = options.tensorrt->c_str();
  settings.logger.log = log_line;
  Notices notices(say_notice);
  std::vector<std::string> problems;
  std::unique_ptr<Gates> gates;
  if (options.gate) gates = std::make_unique<Gates>(*options.gate);
  ContextPtr context = open_context(options.bundle, settings);
  Output output(options.output);
  Pipeline pipeline(std::move(context), options.sources, options.source, options.roi,
                    settings.queue, &notices);
  Clock clock;
  std::string begin = heading(options.format, options.gate.has_value());
  uint64_t rows = 0;
  if (!begin.empty()) output.write(begin);
  for (Item item; pipeline.next(&item);) {
    if (item.problem) {
      if (options.fail) throw InputError(item.text);
      problems.push_back(item.text);
      continue;
    }
    if (gates) gates->decide(&item.row);
    output.write(row_text(options.format, item.row));
    clock.add(item.row);
    ++rows;
  }
  if (gates) gates->finish();
  if (rows) output.finish();
  notices.finish();
  for (const std::string& problem : problems) say("skipped " + problem);
  if (!rows) {
    say("no frame was left to score");
    return kInput;
  }
  if (options.timings) clock.print(pipeline.context());
  return problems.empty() ? kOk : kSkipped;
}

int run(int argc, char** argv) {
  const Arguments arguments = parse_score_arguments(argc, argv);
  if (arguments.has("--help")) {
    print_score_help();
    return kOk;
  }
  if (arguments.has("--version")) {
    printf("leaf-score %s, interface %u.%u; reads y4m, raw, %s\n", leaf_version(),
           leaf_api_version() >> 16, leaf_api_version() & 0xffff, image_kinds());
    return kOk;
  }
  return score(score_options(arguments));
}

}  // namespace
}  // namespace leaf_tools

int main(int argc, char** argv) {
  return leaf_tools::run_tool("leaf-score", leaf_tools::run, argc, argv);
}
