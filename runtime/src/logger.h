// What a context says to its caller's logger.
#pragma once

#include "leaf_edge/leaf.h"

namespace leaf {

// One line to the logger; nothing where it has no callback. Allocates nothing. `format` as in
// printf.
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void log(const leaf_logger& logger, int level, const char* format, ...);

}  // namespace leaf
