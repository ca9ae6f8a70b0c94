// What every source of frames has in common: options, errors, colour, and the interface.
// The rules and the words are those of leaf_edge/frames, so that both tools read the same.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "leaf_edge/views.h"

namespace leaf_tools {

// Most bytes of a frame, as stored or as read: the largest frame of every format fits.
constexpr uint64_t kMaxFrameBytes = uint64_t{1} << 30;

constexpr const char* kStdin = "-";

// A source, or a part of one, that cannot be read. The text begins with its name.
class SourceError : public std::runtime_error {
 public:
  SourceError(const std::string& source, const std::string& message)
      : std::runtime_error(source + ": " + message) {}
};

// Ctrl-C or SIGTERM came while a source was read.
class Interrupted : public std::exception {};

// What the user states about a source (--format and so on).
struct SourceOptions {
  std::optional<int> format;  // enum leaf_pixel_format
  std::optional<std::pair<int32_t, int32_t>> size;
  std::vector<int64_t> pitch;  // empty: packed
  std::optional<double> fps;
  std::optional<int> matrix, range;
  int64_t every = 1;
};

// Passes each thing that was taken by default on once; where it holds too is counted.
class Notices {
 public:
  explicit Notices(void (*say)(const std::string& line)) : say_(say) {}

  void tell(const std::string& source, const std::string& text);
  void finish() const;  // says how often each came again

 private:
  void (*say_)(const std::string& line);
  std::vector<std::pair<std::string, int>> times_;  // in the order in which they came
};

// A frame and the memory that it lies in, which is used again for the next one.
struct Picture {
  leaf_frame frame = {};
  int64_t index = 0;                                         // in its source, from 0
  double time_s = std::numeric_limits<double>::quiet_NaN();  // NaN: the source has no times
  std::string source;
  double acquire_ms = 0;  // reading and decoding
  std::vector<uint8_t> stored, converted;
};

// Frames from one place, in order.
class Source {
 public:
  virtual ~Source() = default;
  // The next frame that options.every keeps; false at the end. Throws SourceError for what is cut
  // short or damaged, which ends the source, and Interrupted.
  virtual bool next(Picture* picture) = 0;
  virtual bool still() const { return false; }  // an image by itself
};

struct Color {
  int matrix, range;
};

// What to read the samples of a source with: what the user states, else what the source states,
// else the default (docs/frames.md). Defaults and overruled statements are announced.
Color resolve_color(const std::string& source, const SourceOptions& options, Notices* notices,
                    bool yuv, int32_t width, int32_t height, std::optional<int> stated_range);

// Points `frame` at planes that lie one after another from `bytes` on.
void set_planes(leaf_frame* frame, const uint8_t* bytes, const std::vector<int64_t>& pitch);

bool is_yuv(int format);
const char* format_name(int format);  // "nv12"
const char* matrix_name(int matrix);
const char* range_name(int range);

// `bytes` for a message: printable ASCII, the rest as \xNN, in quotes.
std::string quoted(const std::string& bytes);

}  // namespace leaf_tools
