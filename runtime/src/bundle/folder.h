// A bundle's folder, walked from handle to handle: no link in it is followed, also where one is put
// there meanwhile.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <string_view>
#include <vector>

#include "bundle/bundle.h"

namespace leaf {

// Reads the plain file `name` (a plain path) below the folder `root`: exactly `size` bytes, or at
// most as many. 0, or a code with its message kept.
int read_below(int root, std::string_view name, uint64_t size, bool exact,
               std::pmr::vector<uint8_t>* bytes);

// Checks that exactly the files that `bundle` lists, and the manifest, are below `root`.
int check_folder(int root, const Bundle& bundle);

}  // namespace leaf
