// The message of the last error on this thread, and the way to return one.
#pragma once

namespace leaf {

// Keeps the message for leaf_last_message() and returns `code`. Allocates nothing. `format` as in
// printf.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int fail(int code, const char* format, ...);

// The message of the last fail() on this thread; "" before any.
const char* last_message();

}  // namespace leaf
