// y4m streams: any bytes are read or refused by name, in memory that the bytes pay for.
#include "readers.h"
#include "readers/y4m.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (!size) return 0;
  const uint8_t choice = data[0];  // of what the user states
  leaf_tools::SourceOptions options;
  options.every = 1 + (choice & 1);
  if (choice & 2) options.range = choice >> 2 & 1;
  if (choice & 8) options.matrix = choice >> 4 & 1;
  if (choice & 32) options.fps = 25;
  leaf_fuzz::drain(size, [&](leaf_tools::Notices* notices) {
    return leaf_tools::open_y4m(std::make_unique<leaf_tools::ByteStream>("f", data + 1, size - 1),
                                options, notices);
  });
  return 0;
}
