// From what the user names to a source of frames.
#pragma once

#include <memory>

#include "readers/source.h"

namespace leaf_tools {

// `name`: an image, a .y4m file, raw frames (any other extension, with options.format and size), or
// `-` for standard input: y4m and images are known by their first bytes, all else is raw frames.
// Throws SourceError, Interrupted.
std::unique_ptr<Source> open_source(const std::string& name, const SourceOptions& options,
                                    Notices* notices);

}  // namespace leaf_tools
