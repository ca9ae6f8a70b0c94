#include "logger.h"

#include <cstdarg>
#include <cstdio>

namespace leaf {

void log(const leaf_logger& logger, int level, const char* format, ...) {
  if (!logger.log) return;
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  logger.log(logger.cookie, level, line);
}

}  // namespace leaf
