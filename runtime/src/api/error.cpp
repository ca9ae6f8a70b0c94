#include "error.h"

#include <cstdarg>
#include <cstdio>

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
