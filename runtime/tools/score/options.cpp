#include "score/options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/errors.h"
#include "score/gates.h"

namespace leaf_tools {
namespace {

constexpr const char* kGateOptions[] = {"--accept",     "--reject", "--pool",    "--window",
                                        "--percentile", "--dwell",  "--initial", "--best"};

int parse_format(const std::string& text) {
  std::string known;
  for (int format = 0; format < LEAF_PIXEL_FORMATS; ++format) {
    if (lower(text) == format_name(format)) return format;
    known += (format ? ", " : "") + std::string(format_name(format));
  }
  throw UsageError("unknown pixel format " + quoted(text) + "; expected one of: " + known);
}

int parse_matrix(const std::string& text) {
  std::string name;
  for (const char letter : lower(text)) {
    if (letter != '.') name += letter;
  }
  if (name.compare(0, 2, "bt") != 0) name = "bt" + name;
  for (int matrix = LEAF_BT601; matrix <= LEAF_BT2020; ++matrix) {
    if (name == matrix_name(matrix)) return matrix;
  }
  throw UsageError("unknown colour matrix " + quoted(text) +
                   "; expected one of: bt601, bt709, bt2020");
}

int parse_range(const std::string& text) {
  const std::string name = lower(text);
  if (name == "limited" || name == "tv" || name == "mpeg") return LEAF_LIMITED;
  if (name == "full" || name == "pc" || name == "jpeg") return LEAF_FULL;
  throw UsageError("unknown colour range " + quoted(text) + "; expected one of: limited, full");
}

std::pair<int32_t, int32_t> parse_size(const std::string& text) {
  const std::string name = lower(text);
  const size_t cross = name.find('x');
  const int64_t width = cross == std::string::npos ? -1 : parse_whole(name.substr(0, cross));
  const int64_t height = cross == std::string::npos ? -1 : parse_whole(name.substr(cross + 1));
  if (width < 0 || height < 0) {
    throw UsageError("--size is " + quoted(text) + "; expected WIDTHxHEIGHT, as 1920x1080");
  }
  if (width < 1 || height < 1 || width > LEAF_MAX_DIMENSION || height > LEAF_MAX_DIMENSION) {
    throw UsageError("size is " + name + "; expected 1 to 16384 pixels a side");
  }
  return {static_cast<int32_t>(width), static_cast<int32_t>(height)};
}

// `25`, `29.97` or `30000/1001`.
double parse_rate(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string up = lower(text.substr(0, slash));
  const bool plain = !up.empty() && up.find_first_not_of("0123456789.") == std::string::npos;
  char* end = nullptr;
  double rate = plain ? strtod(up.c_str(), &end) : NAN;
  if (plain && *end) rate = NAN;
  if (slash != std::string::npos) {
    const int64_t down = parse_whole(text.substr(slash + 1), 18);
    rate = down > 0 ? rate / static_cast<double>(down) : NAN;
  }
  if (!(std::isfinite(rate) && rate > 0)) {
    throw UsageError("--fps is " + quoted(text) + "; expected a number such as 25 or 30000/1001");
  }
  return rate;
}

SourceOptions source_options(const Arguments& arguments) {
  SourceOptions options;
  const auto format = arguments.text("--format"), size = arguments.text("--size");
  const auto pitch = arguments.text("--pitch");
  if (!format && (size || pitch)) {
    throw UsageError(std::string(size ? "--size" : "--pitch") +
                     " describes raw frames and needs --format");
  }
  if (format && !size) {
    throw UsageError("--format describes raw frames and needs --size, as in --size 1920x1080");
  }
  if (format) options.format = parse_format(*format);
  if (size) options.size = parse_size(*size);
  if (pitch) {
    for (const std::string& part : split(*pitch, ',')) {
      const int64_t value = parse_whole(part);
      if (value < 1) {
        throw UsageError("--pitch has " + quoted(part) +
                         "; expected one or more numbers of bytes above 0");
      }
      options.pitch.push_back(value);
    }
  }
  if (const auto fps = arguments.text("--fps")) options.fps = parse_rate(*fps);
  if (const auto matrix = arguments.text("--matrix")) options.matrix = parse_matrix(*matrix);
  if (const auto range = arguments.text("--range")) options.range = parse_range(*range);
  options.every = arguments.whole("--every", 1, INT32_MAX, 1);
  return options;
}

leaf_roi parse_roi(const std::string& text) {
  const std::vector<std::string> parts = split(text, ',');
  int32_t numbers[4] = {};
  bool good = parts.size() == 4;
  for (size_t at = 0; good && at < 4; ++at) {
    const int64_t value = parse_whole(parts[at]);
    good = value >= 0;
    numbers[at] = static_cast<int32_t>(value);
  }
  // All zero would be the whole frame.
  if (!good || !numbers[2] || !numbers[3]) {
    throw UsageError("--roi is " + quoted(text) +
                     "; expected X,Y,WIDTH,HEIGHT in whole pixels, as 0,0,640,360");
  }
  return {numbers[0], numbers[1], numbers[2], numbers[3]};
}

Format parse_output(const Arguments& arguments, std::string* name) {
  const bool csv = arguments.has("--csv"), jsonl = arguments.has("--jsonl");
  if (csv && jsonl) throw UsageError("--csv and --jsonl: name one of them");
  const auto output = arguments.text("--output");
  if (output) *name = *output;
  if (csv || jsonl) return csv ? Format::kCsv : Format::kJsonl;
  if (!output) return Format::kLines;
  if (*output == "-") return Format::kCsv;
  const std::string low = lower(*output);
  const auto ends = [&](const char* tail) {
    const size_t length = strlen(tail);
    return low.size() > length && low.compare(low.size() - length, length, tail) == 0;
  };
  if (ends(".csv")) return Format::kCsv;
  if (ends(".jsonl")) return Format::kJsonl;
  throw UsageError("--output " + *output +
                   ": expected a name that ends in .csv or .jsonl, or - for standard output (or "
                   "state --csv or --jsonl)");
}

}  // namespace

Arguments parse_score_arguments(int argc, char** argv) {
  return Arguments(argc, argv, {{"--help", false},  {"--version", false},    {"--engine", true},
                                {"--key", true},    {"--onnxruntime", true}, {"--tensorrt", true},
                                {"--device", true}, {"--threads", true},     {"--queue", true},
                                {"--batch", true},  {"--self-test", false},  {"--roi", true},
                                {"--format", true}, {"--size", true},        {"--pitch", true},
                                {"--fps", true},    {"--matrix", true},      {"--range", true},
                                {"--every", true},  {"--on-error", true},    {"--output", true},
                                {"--csv", false},   {"--jsonl", false},      {"--timings", false},
                                {"--gate", false},  {"--accept", true},      {"--reject", true},
                                {"--pool", true},   {"--window", true},      {"--percentile", true},
                                {"--dwell", true},  {"--initial", true},     {"--best", false}});
}

ScoreOptions score_options(const Arguments& arguments) {
  const std::vector<std::string>& names = arguments.names();
  if (names.size() < 2) throw UsageError("name a BUNDLE and one SOURCE or more");
  ScoreOptions options;
  options.bundle = names[0];
  options.sources.assign(names.begin() + 1, names.end());
  int pipes = 0;
  for (const std::string& source : options.sources) pipes += source == kStdin;
  if (pipes > 1) throw UsageError("- (standard input) can be read once only");

  leaf_settings& settings = options.settings;
  leaf_default_settings(&settings);
  const auto whole = [&](const char* name, int low, int high, int otherwise) {
    return static_cast<int32_t>(arguments.whole(name, low, high, otherwise));
  };
  if (const auto engines = arguments.text("--engine")) set_engines(*engines, &settings);
  settings.threads = whole("--threads", 1, LEAF_MAX_THREADS, 1);
  settings.batch = whole("--batch", 1, LEAF_MAX_BATCH, 1);
  settings.queue = whole("--queue", 0, LEAF_MAX_QUEUE, std::max(3, 2 * settings.batch));
  settings.device = whole("--device", 0, 1023, 0);
  settings.self_test = arguments.has("--self-test");
  options.source = source_options(arguments);
  if (const auto roi = arguments.text("--roi")) options.roi = parse_roi(*roi);
  options.fail = arguments.choice("--on-error", {"skip", "fail"}, 0) == 1;
  options.format = parse_output(arguments, &options.output);
  options.timings = arguments.has("--timings");
  if (arguments.has("--gate")) options.gate = gate_settings(arguments);
  for (const char* name : kGateOptions) {
    if (arguments.has(name) && !options.gate) {
      throw UsageError(std::string(name) + " is the gate's: give --gate too");
    }
  }
  options.onnxruntime = arguments.text("--onnxruntime");
  options.tensorrt = arguments.text("--tensorrt");
  if (const auto key = arguments.text("--key")) options.keys = read_keys(*key);
  return options;
}

void print_score_help() {
  fputs(R"(usage: leaf-score [options] BUNDLE SOURCE...

Scores frames: MOS from 1 (bad) to 5 (excellent) with an interval, the severity of eight
camera faults, and the strongest one as the reason. BUNDLE is a NAME.leaf folder or its tar;
SOURCE an image, a .y4m file, raw frames, or - for standard input. A line for each frame
goes to standard output, all else to standard error.

scoring:
  --engine NAME[,NAME...]  the first that can run: cpu, cuda, tensorrt (default: cpu)
  --key FILE               public key of the bundle's maker (PEM): a bundle that is not signed
                           with it is refused
  --onnxruntime FILE       libonnxruntime.so (default: $LEAF_ONNXRUNTIME, else the system's)
  --tensorrt FILE          libnvinfer.so or libnvinfer_lean.so (default: $LEAF_TENSORRT, else
                           the system's)
  --device N               CUDA device (default: 0)
  --threads N              CPU threads of one inference (default: 1)
  --batch N                frames that wait are scored together, up to N (default: 1)
  --queue N                frames in memory: they are read while others are scored; 0: one after
                           the other (default: 3, or twice --batch)
  --roi X,Y,W,H            score this region of every frame, in pixels
  --self-test              score the bundle's golden frames first, and refuse it if they differ

reading the source:
  --format FORMAT          pixel format of raw frames: nv12, nv21, i420, yuyv, uyvy, rgb, bgr,
                           rgba, bgra, gray8, p010
  --size WxH               size of raw frames, as 1920x1080
  --pitch BYTES[,BYTES..]  bytes from row to row of raw frames, one value or one for each plane
                           (default: packed)
  --fps RATE               frames per second of raw frames, for times
  --matrix MATRIX          colour matrix of YUV: bt601, bt709, bt2020 (default: bt709 from 1280
                           columns or 720 rows on, else bt601)
  --range RANGE            limited or full (default: as the source states, else limited for YUV,
                           full for RGB and grey)
  --every N                use frames 0, N, 2N, ... (default: 1, all)
  --on-error skip|fail     what cannot be read is skipped and listed at the end, or ends the run
                           (default: skip)

results:
  --csv, --jsonl           a row for each frame, as leaf-edge score writes it (docs/score.md)
  --output FILE            the same to FILE.csv or FILE.jsonl; - for standard output
  --timings                time of each stage, on standard error at the end

the gate (docs/gate.md):
  --gate                   accept or reject each frame; every source has a gate of its own
  --accept MOS, --reject MOS, --pool none|mean|low|ema, --window N, --percentile P, --dwell N,
  --initial accept|reject, --best

  --help, --version

examples:
  leaf-score leaf-s.leaf photo.png shot.ppm
  leaf-score leaf-s.leaf clip.y4m --csv > scores.csv
  leaf-score leaf-s.leaf camera.nv12 --format nv12 --size 1920x1080 --matrix bt709 --range limited
  ffmpeg -i clip.mp4 -f yuv4mpegpipe - | leaf-score leaf-s.leaf - --jsonl --timings
  camera | leaf-score leaf-s.leaf - --format nv12 --size 1280x720 --gate --accept 3.4 --jsonl

exit codes:
)",
        stdout);
  for (const int code :
       {kOk, kInternal, kUsage, kSkipped, kInput, kBundle, kOutput, kDevice, kInterrupted, kPipe}) {
    printf("  %3d  %s\n", code, exit_meaning(code));
  }
}

}  // namespace leaf_tools
