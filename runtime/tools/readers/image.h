// Image files: PNM always, PNG and JPEG where their libraries were found when this was built.
#pragma once

#include <memory>

#include "readers/byte_stream.h"
#include "readers/image_walk.h"
#include "readers/source.h"

namespace leaf_tools {

// Largest image file that is read, in bytes.
constexpr size_t kMaxImageBytes = size_t{1} << 28;

// Decoded samples: full-range RGB or grey, packed, upright.
struct Image {
  int32_t width = 0, height = 0;
  int channels = 0;  // 1 or 3
};

// Decodes an image file to `pixels` (width * height * channels bytes of it, which grows and never
// shrinks). `scratch`: memory that is used on the way. Exif orientation is applied, alpha ignored,
// 16-bit samples become (v * 255 + 32767) / 65535. Throws ImageFault.
Image decode_image(const uint8_t* data, size_t size, std::vector<uint8_t>* pixels,
                   std::vector<uint8_t>* scratch);

// One image.
std::unique_ptr<Source> open_image(std::unique_ptr<ByteStream> stream);

// "PNM, PNG, JPEG", as this was built.
const char* image_kinds();

// Decoders of the kinds. `wide` samples are 16 bits, big-endian, full range of 16 bits.
Image decode_pnm(const ImageHeader& header, const uint8_t* data, size_t size,
                 std::vector<uint8_t>* pixels);
Image decode_png(const ImageHeader& header, const uint8_t* data, size_t size,
                 std::vector<uint8_t>* pixels);
Image decode_jpeg(const ImageHeader& header, const uint8_t* data, size_t size,
                  std::vector<uint8_t>* pixels);

// Room for an image in `pixels`. Throws ImageFault where it is more than a frame may have.
void make_room(const Image& image, std::vector<uint8_t>* pixels);

}  // namespace leaf_tools
