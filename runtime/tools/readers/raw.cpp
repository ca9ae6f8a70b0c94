#include "readers/raw.h"

namespace leaf_tools {
namespace {

std::string upper(const char* name) {
  std::string text(name);
  for (char& letter : text) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  }
  return text;
}

class RawSource final : public Source {
 public:
  RawSource(std::unique_ptr<ByteStream> stream, const SourceOptions& options, Notices* notices)
      : stream_(std::move(stream)), every_(options.every), fps_(options.fps) {
    const std::string& name = stream_->name();
    if (!options.format || !options.size) {
      throw SourceError(name, std::string("raw frames need a format and a size; ") +
                                  (options.format ? "size" : "format") +
                                  " is not stated (as in --format nv12 --size 1920x1080)");
    }
    frame_.format = *options.format;
    frame_.width = options.size->first;
    frame_.height = options.size->second;
    const bool yuv = is_yuv(frame_.format);
    if (options.matrix && !yuv) {
      throw SourceError(name, upper(format_name(frame_.format)) + " has no colour matrix, but " +
                                  upper(matrix_name(*options.matrix)) + " was stated");
    }
    set_pitch(name, options.pitch);
    if (bytes_ > kMaxFrameBytes) {
      throw SourceError(name, "a frame would take " + std::to_string(bytes_) +
                                  " bytes; expected at most " + std::to_string(kMaxFrameBytes));
    }
    const Color color =
        resolve_color(name, options, notices, yuv, frame_.width, frame_.height, std::nullopt);
    frame_.matrix = color.matrix;
    frame_.range = color.range;
  }

  bool next(Picture* picture) override {
    for (;; ++index_) {
      const bool wanted = index_ % every_ == 0;
      const uint64_t found = wanted ? stream_->read(&picture->stored, static_cast<size_t>(bytes_))
                                    : stream_->skip(bytes_);
      if (found == 0) break;
      if (found < bytes_) {
        throw SourceError(stream_->name(), "frame " + std::to_string(index_) +
                                               " is cut short: " + std::to_string(found) + " of " +
                                               std::to_string(bytes_) + " bytes");
      }
      if (!wanted) continue;
      picture->frame = frame_;
      set_planes(&picture->frame, picture->stored.data(), pitch_);
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
  // One stated value serves all planes, halved for the chroma of I420.
  void set_pitch(const std::string& name, std::vector<int64_t> stated) {
    const auto planes = static_cast<size_t>(leaf_plane_count(frame_.format));
    if (stated.size() == 1 && planes > 1) {
      stated.resize(planes, frame_.format == LEAF_I420 ? (stated[0] + 1) / 2 : stated[0]);
    }
    if (!stated.empty() && stated.size() != planes) {
      throw SourceError(name, upper(format_name(frame_.format)) + " has " + std::to_string(planes) +
                                  " plane(s); " + std::to_string(stated.size()) +
                                  " values of pitch were stated");
    }
    bytes_ = 0;
    for (size_t plane = 0; plane < planes; ++plane) {
      int32_t rows = 0, row = 0;
      if (leaf_plane_size(frame_.format, static_cast<int>(plane), frame_.width, frame_.height,
                          &rows, &row) != 0) {
        throw SourceError(name, "size is " + std::to_string(frame_.width) + "x" +
                                    std::to_string(frame_.height) +
                                    "; expected 1 to 16384 pixels a side");
      }
      const int64_t pitch = stated.empty() ? row : stated[plane];
      if (pitch < row) {
        throw SourceError(name, "pitch of plane " + std::to_string(plane) + " is " +
                                    std::to_string(pitch) + " bytes; expected at least a row of " +
                                    std::to_string(row));
      }
      pitch_.push_back(pitch);
      // At most 10^9 bytes a row and 16384 rows: no overflow.
      bytes_ += static_cast<uint64_t>(pitch) * static_cast<uint64_t>(rows);
    }
  }

  std::unique_ptr<ByteStream> stream_;
  const int64_t every_;
  const std::optional<double> fps_;
  leaf_frame frame_ = {};
  std::vector<int64_t> pitch_;
  uint64_t bytes_ = 0;
  int64_t index_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_raw(std::unique_ptr<ByteStream> stream, const SourceOptions& options,
                                 Notices* notices) {
  return std::make_unique<RawSource>(std::move(stream), options, notices);
}

}  // namespace leaf_tools
