#include "readers/opening.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "readers/image.h"
#include "readers/raw.h"
#include "readers/y4m.h"

namespace leaf_tools {
namespace {

enum class Kind { kUnknown, kImage, kVideo, kY4m };

Kind kind_of(const std::string& name) {
  const size_t slash = name.rfind('/');
  const size_t start = slash == std::string::npos ? 0 : slash + 1;
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot <= start) return Kind::kUnknown;
  std::string suffix = name.substr(dot + 1);
  for (char& letter : suffix) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  const auto one_of = [&](std::initializer_list<const char*> list) {
    return std::any_of(list.begin(), list.end(), [&](const char* item) { return suffix == item; });
  };
  if (one_of({"jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "webp", "tif", "tiff", "pgm",
              "ppm", "pnm", "pbm"})) {
    return Kind::kImage;
  }
  if (one_of({"mp4", "m4v",  "mov",  "mkv", "webm", "avi", "ts",  "mts",  "m2ts",
              "mpg", "mpeg", "wmv",  "flv", "ogv",  "3gp", "mxf", "mjpg", "mjpeg",
              "ivf", "nut",  "h264", "264", "h265", "265", "hevc"})) {
    return Kind::kVideo;
  }
  return suffix == "y4m" ? Kind::kY4m : Kind::kUnknown;
}

void refuse_layout(const std::string& name, const char* what, const SourceOptions& options) {
  std::string stated;
  const auto add = [&](bool is, const char* label) {
    if (is) stated += (stated.empty() ? "" : ", ") + std::string(label);
  };
  add(options.format.has_value(), "format");
  add(options.size.has_value(), "size");
  add(!options.pitch.empty(), "pitch");
  if (stated.empty()) return;
  throw SourceError(name, std::string("is ") + what + "; " + stated +
                              " describe(s) raw frames. Leave it out, or rename the file");
}

std::unique_ptr<Source> image(std::unique_ptr<ByteStream> stream, const SourceOptions& options,
                              Notices* notices) {
  if (options.matrix || options.range) {
    notices->tell(stream->name(),
                  "images are full-range RGB by definition; the stated matrix or range is not used "
                  "for them");
  }
  return open_image(std::move(stream));
}

std::unique_ptr<Source> open_stdin(const SourceOptions& options, Notices* notices) {
  if (isatty(STDIN_FILENO)) {
    throw SourceError(kStdin,
                      "standard input is a terminal; expected frames from a pipe or a file");
  }
  auto stream = std::make_unique<ByteStream>(kStdin, STDIN_FILENO);
  const std::string head = stream->peek(16);
  if (head.compare(0, strlen(kY4mMagic), kY4mMagic) == 0) {
    refuse_layout(kStdin, "y4m by its first bytes", options);
    return open_y4m(std::move(stream), options, notices);
  }
  if (!options.format && !options.size) {
    if (image_kind(head) != ImageKind::kNone) return image(std::move(stream), options, notices);
    throw SourceError(kStdin,
                      "standard input is neither y4m nor an image; raw frames need a format and a "
                      "size (as in --format nv12 --size 1920x1080), and other video can be piped "
                      "through ffmpeg -f yuv4mpegpipe");
  }
  return open_raw(std::move(stream), options, notices);
}

}  // namespace

std::unique_ptr<Source> open_source(const std::string& name, const SourceOptions& options,
                                    Notices* notices) {
  if (name == kStdin) return open_stdin(options, notices);
  if (name.empty()) throw SourceError("''", "an empty name; expected a file, or - for a pipe");
  struct stat status;
  if (stat(name.c_str(), &status) != 0) {
    throw SourceError(
        name, errno == ENOENT ? "no such file" : std::string("cannot be read: ") + strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) {
    throw SourceError(name, "is a folder; name its files, or use leaf-edge score");
  }
  Kind kind = kind_of(name);
  if (kind == Kind::kVideo) {
    throw SourceError(name,
                      "video is not decoded here: pipe it through ffmpeg -i FILE -f yuv4mpegpipe - "
                      "and name - as the source, or use leaf-edge score");
  }
  auto stream = std::make_unique<ByteStream>(name, name);
  if (kind == Kind::kUnknown && !options.format && !options.size) {
    const std::string head = S_ISREG(status.st_mode) ? stream->peek(64) : "";
    if (head.compare(0, strlen(kY4mMagic), kY4mMagic) == 0) {
      kind = Kind::kY4m;
    } else if (image_kind(head) != ImageKind::kNone) {
      kind = Kind::kImage;
    } else {
      throw SourceError(name,
                        "is of no known kind by its extension or first bytes; raw frames need a "
                        "format and a size (as in --format nv12 --size 1920x1080)");
    }
  }
  if (kind == Kind::kUnknown) return open_raw(std::move(stream), options, notices);
  refuse_layout(name, kind == Kind::kImage ? "an image by its name" : "a y4m by its name", options);
  return kind == Kind::kImage ? image(std::move(stream), options, notices)
                              : open_y4m(std::move(stream), options, notices);
}

}  // namespace leaf_tools
