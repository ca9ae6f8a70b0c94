// Reading the manifest's golden frames and their scores.
#include <algorithm>

#include "bundle/limits.h"
#include "bundle/manifest.h"
#include "bundle/unicode.h"

namespace leaf {
namespace {

using json::Kind;
using json::Value;

// Whether `text` in capitals is `name`: as Python's upper(), in which U+0131 is an I as well, and
// no other character beyond ASCII becomes a letter or digit of a name here.
bool is(std::string_view text, std::string_view name) {
  text = strip(text);
  for (const char wanted : name) {
    if (text.empty()) return false;
    const uint32_t c = next_character(&text);
    const uint32_t upper = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c == 0x131 ? 'I' : c;
    if (upper != static_cast<uint8_t>(wanted)) return false;
  }
  return text.empty();
}

int parse_format(std::string_view text) {
  constexpr std::string_view kNames[LEAF_PIXEL_FORMATS] = {
      "NV12", "NV21", "I420", "YUYV", "UYVY", "RGB", "BGR", "RGBA", "BGRA", "GRAY8", "P010"};
  for (int format = 0; format < LEAF_PIXEL_FORMATS; ++format) {
    if (is(text, kNames[format])) return format;
  }
  return -1;
}

int parse_range(std::string_view text) {
  if (is(text, "LIMITED") || is(text, "TV") || is(text, "MPEG")) return LEAF_LIMITED;
  return is(text, "FULL") || is(text, "PC") || is(text, "JPEG") ? LEAF_FULL : -1;
}

// Whether `text` is `name` in any letter case, without its dots and the white space at its ends:
// also the space that dots stood behind, but not what they stood before.
bool is_dotted(std::string_view text, std::string_view name) {
  for (text = strip(text); !text.empty();) {
    const uint32_t c = next_character(&text);
    if (c == '.') continue;
    const uint32_t upper = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
    if (name.empty() ? !is_space(c) : upper != static_cast<uint8_t>(name[0])) return false;
    if (!name.empty()) name.remove_prefix(1);
  }
  return name.empty();
}

int parse_matrix(std::string_view text) {
  constexpr std::string_view kNames[] = {"BT601", "BT709", "BT2020"};
  for (int matrix = LEAF_BT601; matrix <= LEAF_BT2020; ++matrix) {
    const std::string_view name = kNames[matrix];
    if (is_dotted(text, name) || is_dotted(text, name.substr(2))) return matrix;
  }
  return LEAF_NO_MATRIX;
}

bool needs_matrix(int format) {
  return format == LEAF_NV12 || format == LEAF_NV21 || format == LEAF_I420 || format == LEAF_YUYV ||
         format == LEAF_UYVY || format == LEAF_P010;
}

uint64_t packed_size(const GoldenEntry& entry) {
  uint64_t bytes = 0;
  for (int plane = 0; plane < leaf_plane_count(entry.format); ++plane) {
    int32_t rows = 0, row_bytes = 0;
    if (leaf_plane_size(entry.format, plane, entry.width, entry.height, &rows, &row_bytes)) break;
    bytes += static_cast<uint64_t>(rows) * static_cast<uint64_t>(row_bytes);
  }
  return bytes;
}

void parse_score(Fields fields, GoldenScore* score) {
  score->mos = fields.number("mos", 1, 5);
  score->raw = fields.number("raw");
  int count = 0;
  fields.numbers("faults", 0, 1, [&](double severity) {
    if (count < LEAF_FAULTS) score->faults[count] = severity;
    ++count;
  });
  if (count != LEAF_FAULTS) fields.refuse("faults", "8 severities", nullptr);
  fields.done();
}

}  // namespace

void parse_golden(Fields fields, Bundle* bundle, bool* scored_alike) {
  GoldenEntry entry(bundle->golden.get_allocator().resource());
  entry.file = parse_listed(&fields, *bundle);
  const Value* const matrix = fields.take("matrix");
  const bool stated = matrix && matrix->kind != Kind::kNull;
  if (stated && matrix->kind != Kind::kString) {
    fields.refuse("matrix", "a colour matrix by name, or null", matrix);
  }
  entry.format = parse_format(fields.text("format"));
  if (entry.format < 0) fields.refuse("format", "a pixel format of docs/views.md", nullptr);
  entry.width = static_cast<int32_t>(fields.integer("width", 1, LEAF_MAX_DIMENSION));
  entry.height = static_cast<int32_t>(fields.integer("height", 1, LEAF_MAX_DIMENSION));
  if (stated) entry.matrix = parse_matrix(matrix->text);
  if (stated && entry.matrix == LEAF_NO_MATRIX) {
    fields.refuse("matrix", "bt601, bt709 or bt2020", matrix);
  }
  entry.range = parse_range(fields.text("range"));
  if (entry.range < 0) fields.refuse("range", "limited or full", nullptr);
  bool cpu = false, trt = false, other = false;
  Fields scores = fields.inner("scores");
  scores.members([&](std::string_view name, Fields item) {
    GoldenScore unused;
    bool* const seen = name == "cpu" ? &cpu : name == "trt" ? &trt : &other;
    parse_score(item, name == "cpu" ? &entry.cpu : name == "trt" ? &entry.trt : &unused);
    *seen = true;
  });
  if (fields.reading().code) return;
  if (needs_matrix(entry.format) != stated) {
    fields.refuse("matrix", stated ? "null for this format" : "a colour matrix for this format",
                  matrix);
  }
  if (packed_size(entry) != bundle->files[find_file(*bundle, entry.file)].size) {
    fields.refuse("file", "a file of the size of the packed frame", nullptr);
  }
  fields.done();
  if (cpu != bundle->cpu.present || trt != bundle->trt.present || other) *scored_alike = false;
  if (!fields.reading().code) bundle->golden.push_back(std::move(entry));
}

}  // namespace leaf
