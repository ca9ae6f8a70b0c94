// Reading the tar of a bundle into memory: plain files of one folder, and nothing else. The same
// small part of the format as leaf_edge/bundle/tar.py. Layout: POSIX.1-2017, pax, "ustar
// Interchange Format" and "pax Extended Header".
#pragma once

#include <vector>

#include "bundle/bundle.h"

namespace leaf {

// The files of the one folder in the tar at `path`, by their path below it, the manifest among
// them; their sizes and hashes are not stated here. 0, or a code with its message kept.
int read_tar(const char* path, std::pmr::vector<FileEntry>* files);

}  // namespace leaf
