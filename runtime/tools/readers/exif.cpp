// The one thing that is taken from Exif data.
#include <cstring>

#include "readers/image_walk.h"

namespace leaf_tools {

int exif_orientation(const uint8_t* data, size_t size) {
  if (size < 8) return 1;
  const bool little = memcmp(data, "II*\0", 4) == 0;
  if (!little && memcmp(data, "MM\0*", 4) != 0) return 1;
  const auto word = [&](size_t at) {
    return little ? data[at] | uint32_t{data[at + 1]} << 8 : uint32_t{data[at]} << 8 | data[at + 1];
  };
  const uint64_t offset =
      little ? word(4) | uint64_t{word(6)} << 16 : uint64_t{word(4)} << 16 | word(6);
  if (offset + 2 > size) return 1;
  const auto at = static_cast<size_t>(offset);
  const uint32_t entries = word(at);
  for (uint32_t entry = 0; entry < entries; ++entry) {
    const size_t start = at + 2 + size_t{12} * entry;
    if (start + 12 > size) break;
    if (word(start) != 0x0112) continue;
    const uint32_t value = word(start + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace leaf_tools
