// What can be told of an image file from its bytes before its pixels are decoded. Decoders fill
// what is missing with grey and call it a picture; a score of that would blame the camera. The
// checks are those of leaf_edge/frames/image_file.py.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace leaf_tools {

// What is wrong with the bytes of an image, without the file's name.
class ImageFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class ImageKind { kNone, kJpeg, kPng, kPnm, kOther };

struct ImageHeader {
  ImageKind kind = ImageKind::kNone;
  int32_t width = 0, height = 0;
  // Of the Exif data: how the picture is turned and flipped to stand upright; 1: not at all.
  int orientation = 1;
  // Of PNM only.
  int version = 0;     // 1 to 6
  int max_value = 0;   // of a sample
  size_t samples = 0;  // where they begin
};

// By the first bytes of a file, 16 or more. kOther: an image of a kind that is not read here.
ImageKind image_kind(const std::string& head);

// Kind and size, the structure checked to the end. Throws ImageFault.
ImageHeader walk_image(const uint8_t* data, size_t size);

// Orientation in Exif data, a TIFF structure: 1 to 8, 1 where it states none that can be read.
int exif_orientation(const uint8_t* data, size_t size);

}  // namespace leaf_tools
