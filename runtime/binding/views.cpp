// leaf_edge._native, the part of the views: ViewContext over the C functions of leaf_edge/views.h.
#include "leaf_edge/views.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cerrno>
#include <string>
#include <vector>

#include "isa.h"
#include "planes.h"
#include "unlocked.h"

namespace nb = nanobind;
using nb::literals::operator""_a;

namespace {

using Views = nb::ndarray<uint8_t, nb::shape<2, 3, LEAF_VIEWS_SIZE, LEAF_VIEWS_SIZE>, nb::c_contig,
                          nb::device::cpu>;

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (int isa = LEAF_ISA_SCALAR; isa < LEAF_ISAS; ++isa) {
    if (leaf_isa_available(isa)) names.emplace_back(leaf_isa_name(isa));
  }
  return names;
}

class ViewContext {
 public:
  explicit ViewContext(const std::string& isa) {
    const int error = leaf_views_open(&views_, leaf_binding::isa_code(isa));
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
    const leaf_binding::FrameShape shape = {width,  height, format,
                                            matrix, range,  {x, y, roi_width, roi_height}};
    const leaf_binding::HeldFrame held = leaf_binding::hold_frame(planes, shape, 0);
    if (held.memory != LEAF_MEMORY_HOST) {
      throw nb::value_error("the planes are in CUDA memory; views are made of host memory here");
    }
    int error;
    {
      const leaf_binding::Unlocked unlocked;
      error = leaf_views_run(views_, &held.frame, out.data());
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
                          "Tables and scratch memory of the views. Serves one thread at a time.\n\n"
                          "isa: `auto`, or one of `available_isas()`; ValueError for another.")
      .def(nb::init<const std::string&>(), "isa"_a = "auto")
      .def_prop_ro("isa", &ViewContext::isa, "The instruction set in use.")
      .def("run", &ViewContext::run, "planes"_a, "width"_a, "height"_a, "format"_a, "matrix"_a,
           "range"_a, "x"_a, "y"_a, "roi_width"_a, "roi_height"_a, "out"_a.noconvert(),
           nb::sig("def run(self, planes: collections.abc.Sequence[object], width: int, "
                   "height: int, format: int, matrix: int, range: int, x: int, y: int, "
                   "roi_width: int, roi_height: int, out: numpy.typing.NDArray[numpy.uint8]"
                   ") -> None"),
           "Write both views of a frame to `out`, uint8 [2, 3, 224, 224].\n\n"
           "Codes are those of leaf_edge/frames/frame.py; matrix is -1 where the format has none.\n"
           "Planes are arrays of host memory with the buffer protocol or DLPack, [rows, samples] "
           "or\n"
           "[height, width, channels]. ValueError where the description is wrong.");
}
