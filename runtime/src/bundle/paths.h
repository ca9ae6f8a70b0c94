// Names of files in a bundle: plain, inside of the folder, and the same file on every system
// (leaf_edge/bundle/paths.py).
#pragma once

#include <string_view>

#include "bundle/bundle.h"

namespace leaf {

// Whether `name` is a plain relative path: up to four parts of letters, digits and ._-, none
// beginning or ending with a dot, none a device of Windows, 200 bytes at most in all.
bool is_plain_path(std::string_view name);

// Whether `a` and `b`, different plain paths, can lie in one folder on every system: they and their
// folders are not the same but for letter case, and neither is a folder of the other.
bool can_be_together(std::string_view a, std::string_view b);

// `name`, cut and free of control characters, for a message.
struct Shown {
  explicit Shown(std::string_view name);
  char text[84];
};

}  // namespace leaf
