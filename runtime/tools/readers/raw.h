// Raw frames, one after another with nothing between.
#pragma once

#include <memory>

#include "readers/byte_stream.h"
#include "readers/source.h"

namespace leaf_tools {

// Frames whose layout the user states. Throws SourceError where the statement lacks something or
// contradicts itself.
std::unique_ptr<Source> open_raw(std::unique_ptr<ByteStream> stream, const SourceOptions& options,
                                 Notices* notices);

}  // namespace leaf_tools
