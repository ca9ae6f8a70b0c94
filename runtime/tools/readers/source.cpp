#include "readers/source.h"

#include <cstdio>

namespace leaf_tools {
namespace {

// From this width or height on, video that states no matrix is BT.709, as players take it.
constexpr int kHdWidth = 1280, kHdHeight = 720;

void join(std::string* text, const std::string& more) {
  if (!text->empty()) *text += "; ";
  *text += more;
}

}  // namespace

void Notices::tell(const std::string& source, const std::string& text) {
  for (auto& [known, times] : times_) {
    if (known != text) continue;
    ++times;
    return;
  }
  times_.emplace_back(text, 1);
  say_(source + ": " + text);
}

void Notices::finish() const {
  for (const auto& [text, times] : times_) {
    if (times < 2) continue;
    say_("the same for " + std::to_string(times - 1) + " more source" + (times > 2 ? "s" : "") +
         ": " + text);
  }
}

Color resolve_color(const std::string& source, const SourceOptions& options, Notices* notices,
                    bool yuv, int32_t width, int32_t height, std::optional<int> stated_range) {
  std::string said;
  Color color{LEAF_NO_MATRIX, yuv ? LEAF_LIMITED : LEAF_FULL};
  if (options.range) {
    color.range = *options.range;
    if (stated_range && *stated_range != color.range) {
      join(&said, std::string("states ") + range_name(*stated_range) + " range, read as " +
                      range_name(color.range) + " because you state it");
    }
  } else if (stated_range) {
    color.range = *stated_range;
  } else {
    join(&said, std::string("states no range, taken as ") + range_name(color.range) +
                    " (--range states it)");
  }
  if (yuv && options.matrix) {
    color.matrix = *options.matrix;
  } else if (yuv) {
    const bool hd = width >= kHdWidth || height >= kHdHeight;
    color.matrix = hd ? LEAF_BT709 : LEAF_BT601;
    join(&said, std::string("states no colour matrix, taken as ") + matrix_name(color.matrix) +
                    ", as usual " + (hd ? "from" : "below") +
                    " 1280 columns or 720 rows (--matrix states it)");
  }
  if (!said.empty()) notices->tell(source, said);
  return color;
}

void set_planes(leaf_frame* frame, const uint8_t* bytes, const std::vector<int64_t>& pitch) {
  for (size_t plane = 0; plane < pitch.size(); ++plane) {
    int32_t rows = 0, row_bytes = 0;
    leaf_plane_size(frame->format, static_cast<int>(plane), frame->width, frame->height, &rows,
                    &row_bytes);
    frame->plane[plane] = bytes;
    frame->pitch[plane] = pitch[plane];
    bytes += pitch[plane] * rows;
  }
}

bool is_yuv(int format) {
  return format == LEAF_NV12 || format == LEAF_NV21 || format == LEAF_I420 || format == LEAF_YUYV ||
         format == LEAF_UYVY || format == LEAF_P010;
}

const char* format_name(int format) {
  static constexpr const char* names[LEAF_PIXEL_FORMATS] = {
      "nv12", "nv21", "i420", "yuyv", "uyvy", "rgb", "bgr", "rgba", "bgra", "gray8", "p010"};
  return format >= 0 && format < LEAF_PIXEL_FORMATS ? names[format] : nullptr;
}

const char* matrix_name(int matrix) {
  static constexpr const char* names[] = {"bt601", "bt709", "bt2020"};
  return matrix >= LEAF_BT601 && matrix <= LEAF_BT2020 ? names[matrix] : nullptr;
}

const char* range_name(int range) { return range == LEAF_LIMITED ? "limited" : "full"; }

std::string quoted(const std::string& bytes) {
  std::string text = "'";
  for (const char byte : bytes) {
    const auto code = static_cast<unsigned char>(byte);
    if (byte == '\n') {
      text += "\\n";
    } else if (code < 0x20 || code >= 0x7f) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\x%02x", code);
      text += escape;
    } else {
      text += byte;
    }
  }
  return text + "'";
}

}  // namespace leaf_tools
