// Image files: any bytes are decoded or refused.
#include "readers.h"
#include "readers/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Large pictures from small files are no fault, but slow.
  try {
    const leaf_tools::ImageHeader header = leaf_tools::walk_image(data, size);
    if (static_cast<int64_t>(header.width) * header.height > 1 << 18) return 0;
  } catch (const leaf_tools::ImageFault&) {
    return 0;
  }
  leaf_tools::Picture picture;
  try {
    const auto source =
        leaf_tools::open_image(std::make_unique<leaf_tools::ByteStream>("f", data, size));
    if (source->next(&picture)) leaf_fuzz::touch(picture.frame);
    REQUIRE(!source->next(&picture));
  } catch (const leaf_tools::SourceError& error) {
    REQUIRE(error.what()[0] == 'f');
  }
  return 0;
}
