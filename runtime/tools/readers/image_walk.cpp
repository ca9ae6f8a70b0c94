#include "readers/image_walk.h"

#include <array>
#include <cstring>

#include "leaf_edge/views.h"
#include "readers/image_bytes.h"

namespace leaf_tools {
namespace {

// A header that lies must cost no memory: no picture of the stated size takes fewer bytes than
// `least`. Sizes that are refused anyway are left to that.
void check_room(const char* kind, uint64_t bytes, uint64_t least, const ImageHeader& header) {
  const bool usual = header.width <= LEAF_MAX_DIMENSION && header.height <= LEAF_MAX_DIMENSION;
  if (!usual || bytes >= least) return;
  throw ImageFault(std::string(kind) + " file is damaged: " + number(bytes) +
                   " bytes cannot hold the " + std::to_string(header.width) + "x" +
                   std::to_string(header.height) + " pixels that it states");
}

// Whether entropy-coded data ends here: not a stuffed zero, a restart marker or fill.
bool ends_scan(uint8_t marker) {
  return marker != 0 && marker != 0xff && !(marker >= 0xd0 && marker <= 0xd7);
}

bool is_frame_header(uint8_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

// ITU-T T.81 annex B: segments from SOI to EOI.
ImageHeader walk_jpeg(const Bytes& data) {
  ImageHeader header;
  header.kind = ImageKind::kJpeg;
  bool sized = false, oriented = false, huffman = false;
  int scans = 0;
  const size_t size = data.size();
  for (size_t at = 2;;) {
    while (at + 2 <= size && data[at] == 0xff && data[at + 1] == 0xff) ++at;
    if (at + 2 > size) break;
    if (data[at] != 0xff) {
      throw ImageFault("JPEG file is damaged: expected a marker at byte " + number(at) +
                       ", found " + hex(data[at]));
    }
    const uint8_t marker = data[at + 1];
    at += 2;
    if (marker == 0xd9) {  // EOI
      if (!sized || !scans) {
        throw ImageFault("JPEG file is damaged: it ends at byte " + number(at) +
                         " with no picture before");
      }
      // A bit at least for each block of 8x8 samples, of which a component has a quarter of the
      // picture's at least.
      const auto pixels = static_cast<uint64_t>(int64_t{header.width} * header.height);
      if (huffman) check_room("JPEG", size, pixels / (64 * 8 * 4), header);
      return header;
    }
    if (marker == 0xd8 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) continue;
    if (at + 2 > size) break;
    const uint32_t length = data.big16(at);
    if (length < 2) {
      throw ImageFault("JPEG file is damaged: segment of " + number(length) + " bytes at byte " +
                       number(at) + "; expected 2 or more");
    }
    if (is_frame_header(marker) && at + 7 <= size) {
      header.height = static_cast<int32_t>(data.big16(at + 3));
      header.width = static_cast<int32_t>(data.big16(at + 5));
      sized = true;
      huffman = marker < 0xc9;  // not arithmetic coding, which has no such bound
    }
    if (marker == 0xe1 && !oriented && length >= 8 && at + length <= size &&
        memcmp(data.from(at + 2), "Exif\0\0", 6) == 0) {
      header.orientation = exif_orientation(data.from(at + 8), length - 8);
      oriented = true;
    }
    at += length;
    if (marker == 0xda) {  // SOS
      ++scans;
      while (at + 1 < size && !(data[at] == 0xff && ends_scan(data[at + 1]))) ++at;
      if (at + 1 >= size) break;
    }
  }
  throw ImageFault("JPEG file is cut short: " + number(size) + " bytes with no end marker (EOI)");
}

// CRC-32 of ISO 3309, as PNG annex D defines it.
uint32_t checksum(const uint8_t* data, size_t size) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t n = 0; n < 256; ++n) {
      uint32_t value = n;
      for (int bit = 0; bit < 8; ++bit) value = value & 1 ? 0xedb88320u ^ (value >> 1) : value >> 1;
      made[n] = value;
    }
    return made;
  }();
  uint32_t value = ~0u;
  for (size_t at = 0; at < size; ++at) value = table[(value ^ data[at]) & 0xff] ^ (value >> 8);
  return ~value;
}

std::string chunk_name(const uint8_t* name) {
  std::string text = "'";
  for (int at = 0; at < 4; ++at) {
    text += name[at] >= 0x20 && name[at] < 0x7f ? std::string(1, static_cast<char>(name[at]))
                                                : "\\x" + hex(name[at]).substr(2);
  }
  return text + "'";
}

// PNG third edition, 5.3 and 5.6: chunks with checksums from IHDR to IEND.
ImageHeader walk_png(const Bytes& data) {
  ImageHeader header;
  header.kind = ImageKind::kPng;
  const uint32_t width = data.big32(16), height = data.big32(20);
  header.width = width > INT32_MAX ? INT32_MAX : static_cast<int32_t>(width);
  header.height = height > INT32_MAX ? INT32_MAX : static_cast<int32_t>(height);
  const int depth = data[24], color = data[25];
  const int samples = color == 2 ? 3 : color == 4 ? 2 : color == 6 ? 4 : 1;
  const uint64_t row =
      static_cast<uint64_t>(header.width) * static_cast<uint64_t>(samples * depth) / 8;
  bool pixels = false;
  uint64_t packed = 0;
  const size_t size = data.size();
  for (size_t at = 8; at < size && size - at >= 12;) {
    const uint32_t length = data.big32(at);
    if (size - at - 12 < length) break;
    const uint8_t* name = data.from(at + 4);
    if (checksum(name, size_t{4} + length) != data.big32(at + 8 + length)) {
      throw ImageFault("PNG file is damaged: chunk " + chunk_name(name) + " at byte " + number(at) +
                       " fails its checksum");
    }
    if (at == 8 && memcmp(name, "IHDR", 4) != 0) {
      throw ImageFault("PNG file is damaged: expected chunk IHDR first, found " + chunk_name(name));
    }
    if (memcmp(name, "IDAT", 4) == 0) {
      pixels = true;
      packed += length;
    }
    if (memcmp(name, "eXIf", 4) == 0) header.orientation = exif_orientation(name + 4, length);
    at += size_t{12} + length;
    if (memcmp(name, "IEND", 4) == 0) {
      if (!pixels) throw ImageFault("PNG file is damaged: it holds no pixels (chunk IDAT)");
      // Deflate makes 258 bytes of two bits at best.
      check_room("PNG", packed, row * static_cast<uint64_t>(header.height) / 1032, header);
      return header;
    }
  }
  throw ImageFault("PNG file is cut short: " + number(size) + " bytes with no end (chunk IEND)");
}

bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

// Netpbm pbm(5), pgm(5), ppm(5): numbers in text, comments between, then the samples.
ImageHeader walk_pnm(const Bytes& data) {
  ImageHeader header;
  header.kind = ImageKind::kPnm;
  header.version = data[1] - '0';
  const bool bitmap = header.version == 1 || header.version == 4;
  int numbers[3] = {0, 0, 1};
  const size_t size = data.size();
  size_t at = 2;
  for (int which = 0; which < (bitmap ? 2 : 3); ++which) {
    const size_t start = at;
    while (at < size && (is_space(data[at]) || data[at] == '#')) {
      if (data[at++] != '#') continue;
      while (at < size && data[at] != '\n') ++at;
    }
    int digits = 0;
    for (numbers[which] = 0; at < size && digits < 9 && data[at] >= '0' && data[at] <= '9'; ++at) {
      numbers[which] = numbers[which] * 10 + (data[at] - '0');
      ++digits;
    }
    if (!digits || (at - start) == static_cast<size_t>(digits)) {
      throw ImageFault("PNM file is damaged: expected a number in its header at byte " +
                       number(start));
    }
  }
  header.width = numbers[0];
  header.height = numbers[1];
  header.max_value = numbers[2];
  header.samples = at + 1;  // after one space
  if (header.max_value < 1 || header.max_value > 65535) {
    throw ImageFault("PNM file is damaged: largest value is " + std::to_string(header.max_value) +
                     "; expected 1 to 65535");
  }
  if (header.version >= 4) {
    const uint64_t width = static_cast<uint64_t>(header.width);
    const uint64_t row =
        bitmap ? (width + 7) / 8
               : width * (header.version == 6 ? 3 : 1) * (header.max_value > 255 ? 2 : 1);
    const uint64_t need = row * static_cast<uint64_t>(header.height);
    const uint64_t found = size > header.samples ? size - header.samples : 0;
    if (found < need) {
      throw ImageFault("PNM file is cut short: " + number(found) + " of " + number(need) +
                       " bytes of samples");
    }
  }
  return header;
}

bool starts(const std::string& head, std::string_view with, size_t at = 0) {
  return head.size() >= at + with.size() && head.compare(at, with.size(), with) == 0;
}

}  // namespace

ImageKind image_kind(const std::string& head) {
  using namespace std::string_view_literals;
  if (starts(head, "\xff\xd8\xff")) return ImageKind::kJpeg;
  if (starts(head, "\x89PNG\r\n\x1a\n")) return ImageKind::kPng;
  if (head.size() > 2 && head[0] == 'P' && head[1] >= '1' && head[1] <= '6' &&
      (is_space(static_cast<uint8_t>(head[2])) || head[2] == '#')) {
    return ImageKind::kPnm;
  }
  const bool other = starts(head, "BM") || (starts(head, "RIFF") && starts(head, "WEBP", 8)) ||
                     starts(head, "II*\0"sv) || starts(head, "II+\0"sv) ||
                     starts(head, "MM\0*"sv) || starts(head, "MM\0+"sv);
  return other ? ImageKind::kOther : ImageKind::kNone;
}

ImageHeader walk_image(const uint8_t* data, size_t size) {
  if (!size) throw ImageFault("is empty; expected an image");
  const std::string head(reinterpret_cast<const char*>(data), size < 16 ? size : 16);
  ImageHeader header;
  const char* name = "";
  switch (image_kind(head)) {
    case ImageKind::kJpeg:
      header = walk_jpeg(Bytes(name = "JPEG", data, size));
      break;
    case ImageKind::kPng:
      header = walk_png(Bytes(name = "PNG", data, size));
      break;
    case ImageKind::kPnm:
      header = walk_pnm(Bytes(name = "PNM", data, size));
      break;
    case ImageKind::kOther:
      throw ImageFault(
          "is an image of a kind that is not read here (BMP, WebP or TIFF); convert "
          "it to PNG, or use leaf-edge score");
    case ImageKind::kNone: {
      std::string bytes;
      for (size_t at = 0; at < head.size() && at < 8; ++at) {
        bytes += (at ? " " : "") + hex(data[at]).substr(2);
      }
      throw ImageFault(
          "is not an image of a known kind (JPEG, PNG, PNM); it begins with the bytes " + bytes);
    }
  }
  if (header.width < 1 || header.height < 1 || header.width > LEAF_MAX_DIMENSION ||
      header.height > LEAF_MAX_DIMENSION) {
    throw ImageFault(std::string(name) + " file states " + std::to_string(header.width) + "x" +
                     std::to_string(header.height) + " pixels; expected 1 to 16384 a side");
  }
  return header;
}

}  // namespace leaf_tools
