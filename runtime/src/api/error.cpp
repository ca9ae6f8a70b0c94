#include "error.h"

#include <cstdarg>
#include <cstdio>

#include "leaf_edge/leaf.h"

namespace leaf {
namespace {

thread_local char message[1024] = "";

}  // namespace

int fail(int code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return code;
}

const char* last_message() { return message; }

}  // namespace leaf

const char* leaf_last_message(void) { return leaf::last_message(); }
