// leaf_edge._native, the part of the views: ViewContext over the C functions of leaf_edge/views.h.
#include "leaf_edge/views.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cerrno>
#include <string>
#include <vector>

namespace nb = nanobind;
using nb::literals::operator""_a;

namespace {

using Plane = nb::ndarray<nb::ro, nb::ndim<2>, nb::device::cpu>;
using Views = nb::ndarray<uint8_t, nb::shape<2, 3, LEAF_VIEWS_SIZE, LEAF_VIEWS_SIZE>, nb::c_contig,
                          nb::device::cpu>;

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (int isa = LEAF_ISA_SCALAR; isa < LEAF_ISAS; ++isa) {
    if (leaf_isa_available(isa)) names.emplace_back(leaf_isa_name(isa));
  }
  return names;
}

int isa_code(const std::string& name) {
  for (int isa = LEAF_ISA_AUTO; isa < LEAF_ISAS; ++isa) {
    if (name == leaf_isa_name(isa)) return isa;
  }
  throw nb::value_error(
      ("unknown instruction set '" + name + "'; expected auto, scalar, avx2, avx512 or neon")
          .c_str());
}

class ViewContext {
 public:
  explicit ViewContext(const std::string& isa) {
    const int error = leaf_views_open(&views_, isa_code(isa));
    if (error == -ENOTSUP) {
      std::string known;
      for (const std::string& name : available_isas()) known += (known.empty() ? "" : ", ") + name;
      throw nb::value_error(("this machine has no " + isa + " kernels; it has: " + known).c_str());
    }
    if (error) throw std::bad_alloc();
  }
  ~ViewContext() { leaf_views_close(views_); }
  ViewContext(const ViewContext&) = delete;
  ViewContext& operator=(const ViewContext&) = delete;

  std::string isa() const { return leaf_isa_name(leaf_views_isa(views_)); }

  void run(nb::sequence planes, int32_t width, int32_t height, int32_t format, int32_t matrix,
           int32_t range, int32_t x, int32_t y, int32_t roi_width, int32_t roi_height, Views out) {
    leaf_frame frame = {};
    frame.width = width;
    frame.height = height;
    frame.format = format;
    frame.matrix = matrix;
    frame.range = range;
    frame.roi = {x, y, roi_width, roi_height};
    Plane held[3];  // keeps the arrays alive while the lock is released
    const int count = leaf_plane_count(format);
    if (count >= 0 && nb::len(planes) != static_cast<size_t>(count)) {
      throw nb::value_error("the number of planes is not that of the pixel format");
    }
    for (int p = 0; p < count; ++p) {
      held[p] = nb::cast<Plane>(planes[p]);
      int32_t rows = 0, row_bytes = 0;
      if (leaf_plane_size(format, p, width, height, &rows, &row_bytes)) continue;  // run() says why
      const int64_t item = static_cast<int64_t>(held[p].itemsize());
      const bool adjacent = held[p].stride(1) == 1 || held[p].shape(1) == 1;
      if (static_cast<int64_t>(held[p].shape(0)) != rows || !adjacent ||
          static_cast<int64_t>(held[p].shape(1)) * item != row_bytes) {
        throw nb::value_error("a plane's shape is not that of the frame, or its rows have gaps");
      }
      frame.plane[p] = held[p].data();
      frame.pitch[p] = held[p].stride(0) * item;
    }
    int error;
    {
      nb::gil_scoped_release release;
      error = leaf_views_run(views_, &frame, out.data());
    }
    if (error == -ENOMEM) throw std::bad_alloc();
    if (error) throw nb::value_error(leaf_views_message(views_));
  }

 private:
  leaf_views* views_ = nullptr;
};

}  // namespace

void bind_views(nb::module_& module) {
  module.def("available_isas", &available_isas,
             "Names of the instruction sets that this machine can use, plainest first.");
  nb::class_<ViewContext>(module, "ViewContext",
                          "Tables and scratch memory of the views. Serves one thread at a time.")
      .def(nb::init<const std::string&>(), "isa"_a = "auto")
      .def_prop_ro("isa", &ViewContext::isa)
      .def("run", &ViewContext::run, "planes"_a, "width"_a, "height"_a, "format"_a, "matrix"_a,
           "range"_a, "x"_a, "y"_a, "roi_width"_a, "roi_height"_a, "out"_a.noconvert(),
           "Write both views of a frame to `out`, uint8 [2, 3, 224, 224].");
}
