// Codes of the C library as Python's exceptions.
#pragma once

#include <nanobind/nanobind.h>

namespace leaf_binding {

// The exception for a negative code with the library's sentence: BundleError for a LEAF_E_ code,
// ValueError for -EINVAL and -ENOTSUP, MemoryError, BlockingIOError for -EAGAIN, RuntimeError for
// -EBUSY and all else.
nanobind::object exception_of(int code, const char* message);

[[noreturn]] void raise(const nanobind::object& error);

// A library's text, whatever bytes are in it.
nanobind::str text_of(const char* text);

}  // namespace leaf_binding
