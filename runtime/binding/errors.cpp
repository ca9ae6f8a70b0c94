#include "errors.h"

#include <cerrno>
#include <cstring>

#include "leaf_edge/leaf.h"

namespace nb = nanobind;

namespace leaf_binding {
namespace {

nb::object refusal(const char* name, const nb::str& message) {
  const nb::module_ errors = nb::module_::import_("leaf_edge.bundle.errors");
  return errors.attr("BundleError")(errors.attr("BundleCode")(name), message);
}

}  // namespace

nb::str text_of(const char* text) {
  return nb::steal<nb::str>(
      PyUnicode_DecodeUTF8(text, static_cast<Py_ssize_t>(strlen(text)), "backslashreplace"));
}

nb::object exception_of(int code, const char* message) {
  const nb::str text = text_of(message);
  const char* name = leaf_error_name(code);
  if (!strncmp(name, "LEAF_E_", 7) && *leaf_error_remedy(code)) return refusal(name, text);
  switch (code) {
    case -EINVAL:
    case -ENOTSUP:
      return nb::borrow(PyExc_ValueError)(text);
    case -ENOMEM:
      return nb::borrow(PyExc_MemoryError)(text);
    case -EAGAIN:
      return nb::borrow(PyExc_BlockingIOError)(EAGAIN, text);
    default:
      return nb::borrow(PyExc_RuntimeError)(text);
  }
}

void raise(const nb::object& error) {
  PyErr_SetObject(error.type().ptr(), error.ptr());
  throw nb::python_error();
}

}  // namespace leaf_binding
