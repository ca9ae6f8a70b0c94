#include <nanobind/nanobind.h>

void bind_views(nanobind::module_ &) {}
