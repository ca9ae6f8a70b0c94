// YUV4MPEG2 streams.
#pragma once

#include <memory>

#include "readers/byte_stream.h"
#include "readers/planar.h"

namespace leaf_tools {

constexpr const char* kY4mMagic = "YUV4MPEG2";

// Reads the header at once. Throws SourceError.
std::unique_ptr<Source> open_y4m(std::unique_ptr<ByteStream> stream, const SourceOptions& options,
                                 Notices* notices);

}  // namespace leaf_tools
