#include "readers/y4m.h"

#include <cstdlib>
#include <cstring>

namespace leaf_tools {
namespace {

constexpr size_t kMaxLine = 4096;  // header lines are some 60 bytes in practice

struct Header {
  Planar layout = {};
  std::optional<double> fps;
  std::optional<int> range;
  bool interlaced = false;
};

// The number at the front of `text`, 1 to `digits` digits, which are taken from it; -1: none.
int64_t take_number(std::string_view* text, size_t digits) {
  size_t length = 0;
  int64_t value = 0;
  while (length < text->size() && length < digits && (*text)[length] >= '0' &&
         (*text)[length] <= '9') {
    value = value * 10 + ((*text)[length++] - '0');
  }
  text->remove_prefix(length);
  return length ? value : -1;
}

bool take(std::string_view* text, std::string_view word) {
  if (text->substr(0, word.size()) != word) return false;
  text->remove_prefix(word.size());
  return true;
}

// Bits at the front of `text`, 9 to 16 as they occur; 0: none.
int take_bits(std::string_view* text) {
  for (const int bits : {10, 12, 14, 16, 9}) {
    if (take(text, std::to_string(bits))) return bits;
  }
  return 0;
}

// 420, 422, 444, 411 with siting, depth and alpha, or mono with depth.
bool parse_chroma(std::string_view text, Planar* layout) {
  layout->bits = 8;
  if (take(&text, "mono")) {
    const int bits = take_bits(&text);
    if (bits) layout->bits = bits;
    layout->sub_x = layout->sub_y = 0;
    return text.empty();
  }
  struct Kind {
    const char* name;
    int sub_x, sub_y;
  };
  bool known = false;
  for (const Kind& kind :
       {Kind{"420", 2, 2}, Kind{"422", 2, 1}, Kind{"444", 1, 1}, Kind{"411", 4, 1}}) {
    if (!take(&text, kind.name)) continue;
    layout->sub_x = kind.sub_x;
    layout->sub_y = kind.sub_y;
    known = true;
    break;
  }
  if (!known) return false;
  for (const char* siting : {"jpeg", "mpeg2", "paldv"}) {
    if (take(&text, siting)) break;
  }
  if (take(&text, "p")) {
    layout->bits = take_bits(&text);
    if (!layout->bits) return false;
  }
  layout->alpha = take(&text, "alpha");
  return text.empty();
}

int32_t parse_side(const std::string& source, char tag, const std::string& text) {
  std::string_view rest(text);
  const int64_t side = take_number(&rest, 9);
  if (side < 1 || side > LEAF_MAX_DIMENSION || !rest.empty()) {
    throw SourceError(source, std::string("y4m header states ") + tag + text.substr(0, 20) +
                                  "; expected " + tag + "1 to " + tag + "16384");
  }
  return static_cast<int32_t>(side);
}

Header parse_header(const std::string& source, const std::string& line) {
  const size_t magic = strlen(kY4mMagic);
  if (line.compare(0, magic, kY4mMagic) != 0) {
    throw SourceError(source, std::string("is not y4m: expected it to begin with ") + kY4mMagic +
                                  ", found " + quoted(line.substr(0, magic)));
  }
  if (line.back() != '\n') {
    throw SourceError(source,
                      "y4m header does not end within " + std::to_string(line.size()) + " bytes");
  }
  std::string width, height, rate = "0:0", chroma = "420jpeg", interlacing = "?";
  Header header;
  for (size_t at = magic; at < line.size();) {
    const size_t start = line.find_first_not_of(" \t\r\n\f\v", at);
    if (start == std::string::npos) break;
    at = std::min(line.find_first_of(" \t\r\n\f\v", start), line.size());
    const std::string value = line.substr(start + 1, at - start - 1);
    switch (line[start]) {
      case 'W':
        width = value;
        break;
      case 'H':
        height = value;
        break;
      case 'F':
        rate = value;
        break;
      case 'C':
        chroma = value;
        break;
      case 'I':
        interlacing = value;
        break;
      case 'X':
        if (value == "COLORRANGE=FULL") header.range = LEAF_FULL;
        if (value == "COLORRANGE=LIMITED") header.range = LEAF_LIMITED;
        break;
      default:
        break;
    }
  }
  header.layout.width = parse_side(source, 'W', width);
  header.layout.height = parse_side(source, 'H', height);
  if (!parse_chroma(chroma, &header.layout)) {
    throw SourceError(source, "y4m chroma C" + chroma.substr(0, 40) +
                                  " is not known; expected C420, C422, C444, C411 or Cmono, 8 to "
                                  "16 bits");
  }
  std::string_view rest(rate);
  const int64_t up = take_number(&rest, 12);
  const bool colon = take(&rest, ":");
  const int64_t down = take_number(&rest, 12);
  if (up < 0 || !colon || down < 0 || !rest.empty()) {
    throw SourceError(source,
                      "y4m header states F" + rate.substr(0, 30) + "; expected a ratio, as F30:1");
  }
  if (up && down) header.fps = static_cast<double>(up) / static_cast<double>(down);
  header.interlaced = interlacing == "t" || interlacing == "b" || interlacing == "m";
  return header;
}

std::string short_number(double value) {
  char text[32];
  snprintf(text, sizeof text, "%g", value);
  return text;
}

class Y4mSource final : public Source {
 public:
  Y4mSource(std::unique_ptr<ByteStream> stream, const SourceOptions& options, Notices* notices)
      : stream_(std::move(stream)), every_(options.every) {
    const std::string& name = stream_->name();
    const std::string line = stream_->read_line(kMaxLine);
    if (line.empty()) throw SourceError(name, "is empty; expected y4m");
    Header header = parse_header(name, line);
    if (header.layout.bytes() > kMaxFrameBytes) {
      throw SourceError(name, "a frame would take " + std::to_string(header.layout.bytes()) +
                                  " bytes; expected at most " + std::to_string(kMaxFrameBytes));
    }
    fps_ = header.fps ? header.fps : options.fps;
    header.layout.color = resolve_color(name, options, notices, header.layout.sub_x > 0,
                                        header.layout.width, header.layout.height, header.range);
    if (header.interlaced) {
      notices->tell(name, "is interlaced; fields are not separated, so that motion shows combing");
    }
    if (header.fps && options.fps &&
        std::abs(*header.fps - *options.fps) > 1e-9 * std::max(*header.fps, *options.fps)) {
      notices->tell(name, "states " + short_number(*header.fps) +
                              " frames a second; the stated fps is not used");
    }
    layout_ = header.layout;
  }

  bool next(Picture* picture) override {
    for (;; ++index_) {
      const std::string line = stream_->read_line(kMaxLine);
      if (line.empty()) break;
      if (line.compare(0, 5, "FRAME") != 0 || line.size() < 6 ||
          (line[5] != ' ' && line[5] != '\n') || line.back() != '\n') {
        throw SourceError(stream_->name(),
                          "frame " + std::to_string(index_) +
                              " is damaged: expected a line that begins with FRAME, found " +
                              quoted(line.substr(0, 16)));
      }
      const uint64_t expected = layout_.bytes();
      const bool wanted = index_ % every_ == 0;
      const uint64_t found = wanted ? stream_->read(&picture->stored, static_cast<size_t>(expected))
                                    : stream_->skip(expected);
      if (found < expected) {
        throw SourceError(stream_->name(), "frame " + std::to_string(index_) +
                                               " is cut short: " + std::to_string(found) + " of " +
                                               std::to_string(expected) + " bytes");
      }
      if (!wanted) continue;
      describe_planar(layout_, picture);
      picture->index = index_;
      picture->time_s = fps_ ? static_cast<double>(index_) / *fps_ : NAN;
      picture->source = stream_->name();
      ++index_;
      return true;
    }
    if (index_ == 0) throw SourceError(stream_->name(), "holds no frame");
    return false;
  }

 private:
  std::unique_ptr<ByteStream> stream_;
  const int64_t every_;
  std::optional<double> fps_;
  Planar layout_ = {};
  int64_t index_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_y4m(std::unique_ptr<ByteStream> stream, const SourceOptions& options,
                                 Notices* notices) {
  return std::make_unique<Y4mSource>(std::move(stream), options, notices);
}

}  // namespace leaf_tools
