// PNM samples to 8 bits, with the roundings of the Python command.
#include <algorithm>

#include "readers/image.h"

namespace leaf_tools {
namespace {

// Numbers of the text forms.
class Numbers {
 public:
  Numbers(const uint8_t* data, size_t size, size_t at) : data_(data), size_(size), at_(at) {}

  // The next number, at most `most`; of a bitmap the next digit.
  uint32_t next(uint32_t most, bool bitmap) {
    while (at_ < size_ && (data_[at_] < '0' || data_[at_] > '9')) {
      const uint8_t byte = data_[at_++];
      if (byte == '#') {
        while (at_ < size_ && data_[at_] != '\n') ++at_;
      } else if (byte != ' ' && (byte < '\t' || byte > '\r')) {
        throw ImageFault("PNM file is damaged: expected a number at byte " +
                         std::to_string(at_ - 1));
      }
    }
    if (at_ >= size_) throw ImageFault("PNM file is cut short: samples are missing");
    if (bitmap) return data_[at_++] != '0';
    uint32_t value = 0;
    while (at_ < size_ && data_[at_] >= '0' && data_[at_] <= '9') {
      if (value < 1000000) value = value * 10 + (data_[at_] - '0');
      ++at_;
    }
    return std::min(value, most);
  }

 private:
  const uint8_t* data_;
  size_t size_, at_;
};

}  // namespace

Image decode_pnm(const ImageHeader& header, const uint8_t* data, size_t size,
                 std::vector<uint8_t>* pixels) {
  const int version = header.version;
  const bool text = version <= 3, bitmap = version == 1 || version == 4;
  const Image image{header.width, header.height, version == 3 || version == 6 ? 3 : 1};
  const size_t row = static_cast<size_t>(image.width) * static_cast<size_t>(image.channels);
  const size_t count = row * static_cast<size_t>(image.height);
  // A sample of the text forms takes two bytes or more: a header that lies takes no memory.
  if (text && !bitmap && count > size)
    throw ImageFault("PNM file is cut short: samples are missing");
  if (bitmap && text && count > size)
    throw ImageFault("PNM file is cut short: samples are missing");
  make_room(image, pixels);
  uint8_t* out = pixels->data();
  const auto top = static_cast<uint32_t>(header.max_value);
  const auto scaled = [&](uint32_t value) {
    return static_cast<uint8_t>(std::min((value * 255 + top / 2) / top, 255u));
  };
  const uint8_t* from = data + header.samples;
  Numbers numbers(data, size, header.samples);
  for (size_t at = 0; at < count; ++at) {
    if (version == 4) {
      const size_t line = at / row, column = at % row;
      const uint8_t byte = from[line * ((row + 7) / 8) + column / 8];
      out[at] = byte >> (7 - column % 8) & 1 ? 0 : 255;  // 1 is black
    } else if (bitmap) {
      out[at] = numbers.next(1, true) ? 0 : 255;
    } else if (text) {
      const uint32_t value = numbers.next(top, false);
      // OpenCV, which reads for the Python command, cuts off here.
      out[at] = top <= 255 ? static_cast<uint8_t>(value * 255 / top) : scaled(value);
    } else if (top <= 255) {
      out[at] = top == 255 ? from[at] : scaled(from[at]);
    } else {
      out[at] = scaled(uint32_t{from[2 * at]} << 8 | from[2 * at + 1]);
    }
  }
  return image;
}

}  // namespace leaf_tools
