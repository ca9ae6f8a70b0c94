#include "readers/image.h"

#include <algorithm>
#include <cstring>

namespace leaf_tools {
namespace {

// Turns and flips `from` so that it stands upright (Exif 2.32, 4.6.4, tag Orientation).
Image upright(const Image& from, int orientation, const uint8_t* pixels,
              std::vector<uint8_t>* out) {
  Image to = from;
  const bool turned = orientation >= 5;
  if (turned) std::swap(to.width, to.height);
  make_room(to, out);
  const auto channels = static_cast<size_t>(from.channels);
  uint8_t* write = out->data();
  for (int32_t row = 0; row < to.height; ++row) {
    for (int32_t column = 0; column < to.width; ++column) {
      int32_t x = turned ? row : column, y = turned ? column : row;
      // Where the first row and column of the stored picture are shown:
      // 2 top right, 3 bottom right, 4 bottom left; 5 left top, 6 right top, 7 right bottom, 8 left
      // bottom.
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) {
        x = from.width - 1 - x;
      }
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {
        y = from.height - 1 - y;
      }
      const size_t at =
          (static_cast<size_t>(y) * static_cast<size_t>(from.width) + static_cast<size_t>(x)) *
          channels;
      for (size_t channel = 0; channel < channels; ++channel) *write++ = pixels[at + channel];
    }
  }
  return to;
}

class ImageSource final : public Source {
 public:
  explicit ImageSource(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

  bool still() const override { return true; }

  bool next(Picture* picture) override {
    if (!stream_) return false;
    const std::string name = stream_->name();
    const size_t size = stream_->read(&file_, kMaxImageBytes + 1);
    stream_.reset();
    if (size > kMaxImageBytes) {
      throw SourceError(name, "is larger than " + std::to_string(kMaxImageBytes) +
                                  " bytes; no image file is expected to be");
    }
    Image image;
    try {
      image = decode_image(file_.data(), size, &picture->converted, &picture->stored);
    } catch (const ImageFault& fault) {
      throw SourceError(name, fault.what());
    } catch (const std::bad_alloc&) {
      throw SourceError(name, "cannot be decoded: no memory");
    }
    leaf_frame& frame = picture->frame;
    frame = {};
    frame.width = image.width;
    frame.height = image.height;
    frame.format = image.channels == 1 ? LEAF_GRAY8 : LEAF_RGB;
    frame.matrix = LEAF_NO_MATRIX;
    frame.range = LEAF_FULL;
    set_planes(&frame, picture->converted.data(), {int64_t{image.width} * image.channels});
    picture->index = 0;
    picture->time_s = NAN;
    picture->source = name;
    return true;
  }

 private:
  std::unique_ptr<ByteStream> stream_;
  std::vector<uint8_t> file_;
};

}  // namespace

void make_room(const Image& image, std::vector<uint8_t>* pixels) {
  const uint64_t bytes = static_cast<uint64_t>(image.width) * static_cast<uint64_t>(image.height) *
                         static_cast<uint64_t>(image.channels);
  if (bytes > kMaxFrameBytes) {
    throw ImageFault("takes " + std::to_string(bytes) + " bytes of pixels; expected at most " +
                     std::to_string(kMaxFrameBytes));
  }
  if (pixels->size() < bytes) pixels->resize(static_cast<size_t>(bytes));
}

Image decode_image(const uint8_t* data, size_t size, std::vector<uint8_t>* pixels,
                   std::vector<uint8_t>* scratch) {
  const ImageHeader header = walk_image(data, size);
  std::vector<uint8_t>* decoded = header.orientation == 1 ? pixels : scratch;
  Image image;
  if (header.kind == ImageKind::kPnm) {
    image = decode_pnm(header, data, size, decoded);
  } else if (header.kind == ImageKind::kPng) {
    image = decode_png(header, data, size, decoded);
  } else {
    image = decode_jpeg(header, data, size, decoded);
  }
  if (header.orientation != 1) image = upright(image, header.orientation, scratch->data(), pixels);
  return image;
}

std::unique_ptr<Source> open_image(std::unique_ptr<ByteStream> stream) {
  return std::make_unique<ImageSource>(std::move(stream));
}

const char* image_kinds() {
#if defined(LEAF_HAS_PNG) && defined(LEAF_HAS_JPEG)
  return "PNM, PNG, JPEG";
#elif defined(LEAF_HAS_PNG)
  return "PNM, PNG";
#elif defined(LEAF_HAS_JPEG)
  return "PNM, JPEG";
#else
  return "PNM";
#endif
}

}  // namespace leaf_tools
