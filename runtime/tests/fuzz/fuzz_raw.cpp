// Raw frames: any statement of their layout is refused or followed, whatever there is to read.
#include <cstring>

#include "readers.h"
#include "readers/raw.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Of what the user states, as the command line lets it through.
  constexpr size_t kStated = 20;
  if (size < kStated) return 0;
  const auto number = [&](size_t at) { return static_cast<int32_t>(data[at] | data[at + 1] << 8); };
  leaf_tools::SourceOptions options;
  if (data[0] != 0xff) options.format = data[0] % LEAF_PIXEL_FORMATS;
  if (data[1] != 0xff) {
    options.size = {1 + number(2) % LEAF_MAX_DIMENSION, 1 + number(4) % LEAF_MAX_DIMENSION};
  }
  for (int plane = 0; plane < data[6] % 5; ++plane) {
    const size_t at = 7 + 2 * static_cast<size_t>(plane);
    // Up to the largest number that the option takes.
    options.pitch.push_back(data[15] & 1 ? 999999999 - number(at) : 1 + number(at));
  }
  if (data[16] & 1) options.fps = 1 + data[17];
  if (data[16] & 2) options.matrix = data[17] % 3;
  if (data[16] & 4) options.range = data[17] % 2;
  options.every = 1 + data[18] % 4;
  leaf_fuzz::drain(size, [&](leaf_tools::Notices* notices) {
    return leaf_tools::open_raw(
        std::make_unique<leaf_tools::ByteStream>("f", data + kStated, size - kStated), options,
        notices);
  });
  return 0;
}
